//! Bodies: what is JSON, what is kept as it was sent, and every fault of one at once.

use serde_json::{Value, json};

use super::raw;
use super::specimen::Specimens;
use crate::support::client::Client;
use crate::support::serving::Serving;
use crate::support::{App, folder};

/// Sends a body as it stands.
fn send(zoo: &Specimens, body: &[u8]) -> crate::support::client::Answer {
    zoo.client.send("POST", "/api/specimens", Some(body))
}

#[test]
fn all_faults_of_a_body_are_told_at_once_each_with_its_field() {
    let zoo = Specimens::serve();
    let body = json!({
        "count": 1001, "size": 1.5, "is_alive": "yes", "found_at": "2026-02-30T00:00:00Z", "owner": "x",
        "address": "10.0.0.0/8", "color": "blue", "days": ["mo", "mo"], "tags": ["a", "", "bb", "c"], "about": [],
        "shape": {"edges": 2, "word": 1, "more": null}, "parts": [{"name": "a", "weight": 10}, {}, 3], "id": "x",
        "version": 7, "created_at": null, "nonsense": true,
    });
    let answer = zoo.client.post("/api/specimens", &body).refuse(422, "VALIDATION_ERROR").json();
    let mut faults: Vec<String> = answer["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| format!("{} {}", fault["field"].as_str().unwrap(), fault["message"].as_str().unwrap()))
        .collect();
    faults.sort();
    let known =
        "name, count, size, is_alive, found_at, owner, address, color, days, tags, about, shape, parts, anything";
    assert_eq!(
        faults,
        [
            "about must be an object".to_owned(),
            "address must be an IP address".to_owned(),
            "color must be red or green".to_owned(),
            "count must be between 0 and 1000 pieces".to_owned(),
            "created_at is set by mainstay".to_owned(),
            "days must be a list of mo, tu, we, each at most once".to_owned(),
            "found_at must be a time like 2026-01-31T12:00:00Z".to_owned(),
            "id is set by mainstay".to_owned(),
            "is_alive must be true or false".to_owned(),
            "name is required".to_owned(),
            format!("nonsense is not known; there are {known}"),
            "owner must be a UUID".to_owned(),
            "parts[0].weight must be between 1 and 9".to_owned(),
            "parts[1].name is required".to_owned(),
            "parts[2] must be an object".to_owned(),
            "shape.edges must be between 3 and 9".to_owned(),
            "shape.more is not known; there are edges, word".to_owned(),
            "shape.word must be a string".to_owned(),
            "size must be a whole number".to_owned(),
            "tags must have at most 3 items".to_owned(),
            "tags[1] must not be empty".to_owned(),
            "version is set by mainstay".to_owned(),
        ]
    );
    assert_eq!(answer["detail"], json!("22 fields need attention"));
    assert!(zoo.names("").is_empty());
}

#[test]
fn a_body_full_of_faults_has_an_answer_no_larger_than_itself() {
    let zoo = Specimens::serve();
    let body: serde_json::Map<String, Value> = (0..60_000).map(|index| (format!("x{index}"), json!(0))).collect();
    let answer = zoo.client.post("/api/specimens", &Value::Object(body)).refuse(422, "VALIDATION_ERROR");
    assert_eq!(answer.json()["fields"].as_array().unwrap().len(), 100);
    assert!(answer.body.len() < 50_000, "{}", answer.body.len());
    let body = format!(r#"{{"{}": 1}}"#, "x".repeat(500_000));
    let answer = send(&zoo, body.as_bytes()).refuse(422, "VALIDATION_ERROR");
    assert!(answer.body.len() < 2000, "{}", answer.body.len());
}

#[test]
fn what_is_not_json_that_can_be_kept_is_refused() {
    let zoo = Specimens::serve();
    let deep = |levels: usize| format!(r#"{{"name": "x", "anything": {}1{}}}"#, "[".repeat(levels), "]".repeat(levels));
    send(&zoo, deep(31).as_bytes()).expect(201);
    let bodies: Vec<Vec<u8>> = [
        "",
        " ",
        "{",
        "}",
        "{}}",
        "{} {}",
        "[",
        "nul",
        "NaN",
        "{'name': 1}",
        "{\"name\": \"x\",}",
        "{name: 1}",
        "\u{feff}{}",
        "{\"name\": \"x\", \"name\": \"y\"}",
        "{\"name\": \"x\", \"na\\u006de\": \"y\"}",
        "{\"name\": \"x\", \"about\": {\"a\": 1, \"a\": 2}}",
        "{\"name\": \"a\\u0000b\"}",
        "{\"name\": \"a\u{0}b\"}",
        "{\"a\\u0000\": 1}",
        "{\"name\": \"\\ud800\"}",
        "{\"name\": \"\\udc00x\"}",
        "{\"name\": \"\\ud83d\\ud83d\"}",
        "{\"name\": \"tab\there\"}",
        "{\"size\": 01}",
        "{\"size\": +1}",
        "{\"size\": .5}",
        "{\"size\": 1.}",
        "{\"size\": 0x10}",
        "{\"anything\": 1e400}",
        "{\"anything\": -1e400}",
        "{\"anything\": 18446744073709551616}",
        "{\"anything\": 0.1000000000000000055511151231257827}",
        "{\"anything\": 123456789012345678901234567890}",
        "{\"anything\": 1e99999999999999999999}",
        "{\"anything\": 1e-400}",
    ]
    .into_iter()
    .map(|text| text.as_bytes().to_vec())
    .chain([
        deep(32).into_bytes(),
        deep(400_000).into_bytes(),
        b"{\"name\": \"M\xfcller\"}".to_vec(),
        b"{\"name\": \"\xed\xa0\x80\"}".to_vec(),
        b"\xff\xfe{\0}\0".to_vec(),
    ])
    .collect();
    for body in bodies {
        let answer = send(&zoo, &body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(100)]).into_owned();
        assert_eq!((answer.status, answer.code().as_str()), (400, "MALFORMED_REQUEST"), "{shown}: {}", answer.text());
    }
    for body in ["null", "1", "\"x\"", "[]", "[{\"name\": \"x\"}]", "true"] {
        send(&zoo, body.as_bytes()).refuse(422, "VALIDATION_ERROR");
    }
    assert_eq!(zoo.names("").len(), 1);
}

#[test]
fn numbers_and_texts_come_back_as_they_were_sent() {
    let zoo = Specimens::serve();
    let values = [
        "0",
        "-0.0",
        "1.5",
        "-1e3",
        "1e23",
        "1E5",
        "1e308",
        "5e-324",
        "9007199254740993",
        "-9223372036854775808",
        "18446744073709551615",
        "0.1",
        "123456789.12345679",
        "1.0000000000000000",
        "\"\\ud83d\\ude00\"",
        "\"\\u00e9\\n\\\\\\\"\"",
        "\"\u{202e}\u{feff}\"",
        "[]",
        "{}",
        "[null, {\"a\": [{}]}]",
        "false",
    ];
    for value in values {
        let made = send(&zoo, format!(r#"{{"name": "x", "anything": {value}}}"#).as_bytes()).expect(201).json();
        let sent: Value = serde_json::from_str(value).unwrap();
        let (kept, sent) = (&made["anything"], &sent);
        let is_same = kept == sent || (sent.is_number() && kept.as_f64() == sent.as_f64());
        assert!(is_same, "{sent} came back as {kept}");
        let read = zoo.client.get(&format!("/api/specimens/{}", made["id"].as_str().unwrap())).expect(200).json();
        assert_eq!(read["anything"], *kept);
    }
}

#[test]
fn a_whole_number_may_be_written_in_every_way_and_no_other_is_one() {
    let zoo = Specimens::serve();
    for (written, expected) in [("3", 3), ("3.0", 3), ("3e0", 3), ("0.3e1", 3), ("30e-1", 3), ("-0", 0), ("0.0", 0)] {
        let made = send(&zoo, format!(r#"{{"name": "x", "count": {written}}}"#).as_bytes()).expect(201).json();
        assert_eq!(made["count"], json!(expected), "{written}");
    }
    for written in ["-9223372036854775808", "9223372036854775807"] {
        let made = send(&zoo, format!(r#"{{"name": "x", "size": {written}}}"#).as_bytes()).expect(201);
        assert_eq!(made.json()["size"].to_string(), written);
    }
    for written in ["3.1", "\"3\"", "true", "[3]", "9223372036854775808", "1e19", "1e300", "-1", "1001"] {
        let answer = send(&zoo, format!(r#"{{"name": "x", "count": {written}}}"#).as_bytes());
        answer.refuse(422, "VALIDATION_ERROR");
    }
}

#[test]
fn times_and_ids_may_be_written_in_every_usual_way_and_come_back_in_one() {
    let zoo = Specimens::serve();
    for (written, expected) in [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31t12:00:00z", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31T12:00:00.123456+05:30", "2026-01-31T06:30:00.123456+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999+00:00"),
        ("2024-02-29T00:00:00-00:00", "2024-02-29T00:00:00+00:00"),
    ] {
        let made = zoo.client.post("/api/specimens", &json!({ "name": "x", "found_at": written })).expect(201).json();
        assert_eq!(made["found_at"], json!(expected), "{written}");
        let path = format!("/api/specimens?sort=-id&limit=1&found_at={}", super::encoded(expected));
        assert_eq!(super::column(&zoo.client.get(&path).expect(200).json(), "id"), [made["id"].as_str().unwrap()]);
    }
    for written in [
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:60:00Z",
        "2025-02-29T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "2026-1-31T12:00:00Z",
        "2026-01-31T12:00:00.Z",
        "infinity",
        "now",
        "2026-01-31T12:00:00+24:00",
        "2026-01-31T12:00:00Z ",
        "2026-01-31T12:00:00 Europe/Berlin",
        "２026-01-31T12:00:00Z",
    ] {
        let body = json!({ "name": "x", "found_at": written });
        zoo.client.post("/api/specimens", &body).refuse(422, "VALIDATION_ERROR");
    }
    let made = zoo.make(&json!({ "name": "x", "owner": "0000000000000000000000000000000A" }));
    let owner = zoo.client.get(&made).expect(200).json()["owner"].clone();
    assert_eq!(owner, json!("00000000-0000-0000-0000-00000000000a"));
}

#[test]
fn a_body_says_that_it_is_json() {
    let app = App::start();
    let admin = app.admin().client;
    let body = json!({ "key": "x", "value": 1 }).to_string();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/xml",
        "json",
        "",
        "application/jsonp",
        "text/plain; a=application/json",
        "application/json5",
        "application/problem+json",
    ] {
        let answer = admin.with("Content-Type", kind).send("POST", "/api/settings", Some(body.as_bytes()));
        answer.refuse(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    admin.send("POST", "/api/settings", None).refuse(415, "UNSUPPORTED_MEDIA_TYPE");
    admin.with("Content-Type", "application/json").send("POST", "/api/settings", None).refuse(400, "MALFORMED_REQUEST");
    for (index, kind) in
        ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"].iter().enumerate()
    {
        let body = json!({ "key": format!("x{index}"), "value": 1 }).to_string();
        admin.with("Content-Type", kind).send("POST", "/api/settings", Some(body.as_bytes())).expect(201);
    }
}

#[test]
fn a_body_of_more_than_a_mebibyte_is_refused_however_it_comes_and_half_a_body_is_none() {
    let app = App::start();
    let admin = app.admin();
    let settings = |bytes: usize| {
        let rest = json!({ "key": format!("x{bytes}"), "value": "" }).to_string().len();
        json!({ "key": format!("x{bytes}"), "value": "x".repeat(bytes - rest) }).to_string()
    };
    let post = |body: &str| admin.client.send("POST", "/api/settings", Some(body.as_bytes()));
    post(&settings(1 << 20)).expect(201);
    let refused = post(&settings((1 << 20) + 1)).refuse(413, "PAYLOAD_TOO_LARGE");
    assert!(refused.header("X-Request-Id").is_some());
    let key = &admin.key;
    let head = |rest: &str| {
        format!(
            "POST /api/settings HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\nConnection: close\r\n{rest}\r\n\r\n"
        )
    };
    // What is announced is refused before it comes, even when it never does.
    for length in ["1048577", "4294967295"] {
        let reply = raw(app.address(), head(&format!("Content-Length: {length}")).as_bytes());
        assert!(reply.starts_with("HTTP/1.1 413") && reply.contains("PAYLOAD_TOO_LARGE"), "{reply}");
    }
    for length in ["4294967296", "99999999999999999999999999"] {
        let reply = raw(app.address(), head(&format!("Content-Length: {length}")).as_bytes());
        assert!(reply.starts_with("HTTP/1.1 413"), "{reply}");
    }
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(1 << 16));
    let chunked = head("Transfer-Encoding: chunked") + &chunk.repeat(17) + "0\r\n\r\n";
    let reply = raw(app.address(), chunked.as_bytes());
    assert!(reply.starts_with("HTTP/1.1 413") && reply.contains("PAYLOAD_TOO_LARGE"), "{reply}");
    let body = r#"{"key": "chunked", "value": 1}"#;
    let chunked = format!("{}{:x}\r\n{body}\r\n0\r\n\r\n", head("Transfer-Encoding: chunked"), body.len());
    assert!(raw(app.address(), chunked.as_bytes()).starts_with("HTTP/1.1 201"));
    for half in [head("Content-Length: 30") + "{\"key\":", head("Transfer-Encoding: chunked") + "1e\r\n{\"key\""] {
        let reply = raw(app.address(), half.as_bytes());
        assert!(reply.starts_with("HTTP/1.1 400"), "{reply}");
    }
    let keys = admin.client.get("/api/settings?fields=key&sort=key").expect(200).json();
    assert_eq!(super::column(&keys, "key"), ["chunked", "x1048576"]);
}

#[test]
fn a_body_of_many_small_values_is_refused_before_it_fills_the_memory() {
    let data = folder("data");
    let serving = Serving::start(&[
        ("MAINSTAY_DATA", data.to_str().unwrap()),
        ("CREATE_ADMIN_API_KEY", "true"),
        ("ADMIN_EMAIL", "root@example.org"),
        ("ADMIN_PASSWORD", "first secret"),
        ("BCRYPT_ROUNDS", "4"),
    ]);
    serving.wait_until_ready();
    let key = std::fs::read_to_string(data.join("admin_api_key")).unwrap();
    let client = Client::new(serving.address()).with("X-API-Key", key.trim());
    let memory = || -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", serving.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1024
    };
    let before = memory();
    for item in ["[]", "{}", "{\"a\":1}", "1", "\"\"", "[[[[]]]]"] {
        let count = (31 << 20) / (item.len() + 1);
        let body = format!("{{\"routes\":[{}]}}", vec![item; count].join(","));
        let answer = client.send("POST", "/api/gateway/plan", Some(body.as_bytes()));
        assert!(matches!(answer.status, 413 | 422), "{item}: {} {}", answer.status, answer.text());
    }
    // What a value may weigh, twice while it grows, and the body; each of these took 700 MiB.
    assert!(memory() < before + 350, "{before} and then {} MiB", memory());
    client.get("/api/teams").expect(200);
}
