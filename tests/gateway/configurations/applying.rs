//! From one configuration to another.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{apply, counts, file, file_route, routes};
use crate::support::App;
use crate::support::client::Client;

#[test]
fn a_plan_tells_what_is_made_changed_by_field_and_deleted_and_changes_nothing() {
    let app = App::start();
    let client = app.operator().client;
    apply(&client, &file(&[("one", "/one"), ("two", "/two"), ("three", "/three")]));
    let mut wanted = file(&[("one", "/one"), ("two", "/zwei"), ("four", "/four")]);
    wanted["routes"][1]["timeout"] = json!(500);
    let before = routes(&client);
    let plan = client.post("/api/gateway/plan", &wanted).expect(200).json();
    assert_eq!(counts(&plan), [1, 1, 1, 1]);
    let expected = json!({ "path": ["/two", "/zwei"], "timeout": [null, 500] });
    assert_eq!(plan["routes"]["update"], json!([{ "name": "two", "fields": expected }]));
    assert_eq!(
        (&plan["routes"]["create"][0]["name"], &plan["routes"]["delete"][0]["name"]),
        (&json!("four"), &json!("three"))
    );
    assert_eq!((&plan["is_applied"], &plan["revision"]), (&json!(false), &Value::Null));
    let mut dry = wanted.clone();
    dry["dry_run"] = json!(true);
    let dry = apply(&client, &dry);
    assert_eq!(dry, plan);
    let trial = client.with("Prefer", "tx=rollback").post("/api/gateway/apply", &wanted).expect(200);
    assert_eq!(trial.header("Preference-Applied"), Some("tx=rollback"));
    assert_eq!(routes(&client), before);
    let applied = apply(&client, &wanted);
    assert_eq!((&applied["is_applied"], &applied["revision"]), (&json!(true), &json!(2)));
    assert_eq!(applied["routes"], plan["routes"]);
    let again = apply(&client, &wanted);
    assert_eq!((counts(&again), &again["revision"]), ([0, 0, 0, 3], &Value::Null));
    assert_eq!(again["checksum"], applied["checksum"]);
}

#[test]
fn routes_change_places_and_names_in_one_go() {
    let app = App::start();
    let client = app.operator().client;
    apply(&client, &file(&[("a", "/a"), ("b", "/b"), ("c", "/c")]));
    apply(&client, &file(&[("a", "/b"), ("b", "/c"), ("d", "/a")]));
    let expected = [("a", "/b"), ("b", "/c"), ("d", "/a")].map(|(name, path)| (name.to_owned(), path.to_owned()));
    assert_eq!(routes(&client), expected);
}

#[test]
fn a_file_with_tags_leaves_all_others_alone() {
    let app = App::start();
    let client = app.operator().client;
    apply(&client, &file(&[("theirs", "/theirs")]));
    let part = |routes: &[(&str, &str)]| {
        let mut part = file(routes);
        part["tags"] = json!(["payments"]);
        part
    };
    let applied = apply(&client, &part(&[("pay", "/pay"), ("refund", "/refund")]));
    assert_eq!(counts(&applied), [2, 0, 0, 0]);
    let applied = apply(&client, &part(&[("pay", "/pay")]));
    assert_eq!(counts(&applied), [0, 0, 1, 1]);
    let tagged = client.get("/api/routes?name=pay").expect(200).json();
    assert_eq!(tagged["data"][0]["metadata"], json!({ "tags": ["payments"] }));
    apply(&client, &part(&[]));
    assert_eq!(routes(&client), [("theirs".to_owned(), "/theirs".to_owned())]);
    // Somebody else's are not taken over, neither by name nor by path.
    let stolen = part(&[("theirs", "/new"), ("mine", "/theirs")]);
    let answer = client.post("/api/gateway/apply", &stolen).refuse(409, "CONFLICT");
    let faults = super::faults(&answer);
    let fields: Vec<&str> = faults.iter().map(|(field, _)| &**field).collect();
    assert_eq!(fields, ["routes[0].name", "routes[1].path"], "{faults:?}");
    let page = client.get("/api/gateway/configuration?tags=payments").expect(200).json();
    assert_eq!(page, json!({ "tags": ["payments"], "routes": [] }));
}

#[test]
fn what_is_read_as_a_whole_can_be_applied_as_it_is() {
    let app = App::start();
    let client = app.operator().client;
    let mut all = file_route("all", "/all/{id}/*");
    let members = json!({
        "methods": ["POST", "GET"], "strip_path": "/all", "enabled": false, "headers": { "X-A": "b", "Cookie": null },
        "rate_limit": { "max": 5, "windowMs": 1000 }, "auth": { "type": "jwt", "issuer": "https://a" }, "timeout": 100,
        "retry": { "attempts": 3 }, "metadata": { "number": 1.0, "list": [1e2, "x", null], "tags": ["b", "a"] },
    });
    all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let wanted = json!({ "routes": [all] });
    assert_eq!(counts(&apply(&client, &wanted)), [1, 0, 0, 0]);
    assert_eq!(counts(&apply(&client, &wanted)), [0, 0, 0, 1]);
    let read = client.get("/api/gateway/configuration").expect(200);
    let applied = apply(&client, &read.json());
    assert_eq!(counts(&applied), [0, 0, 0, 1]);
    assert_eq!(read.header("ETag"), Some(&*format!("\"{}\"", applied["checksum"].as_str().unwrap())));
}

#[test]
fn a_configuration_that_has_moved_on_is_told_from_the_one_that_was_planned_for() {
    let app = App::start();
    let client = app.operator().client;
    let plan = client.post("/api/gateway/plan", &file(&[("a", "/a")])).expect(200);
    let etag = plan.header("ETag").unwrap();
    client.post("/api/routes", &file_route("between", "/between")).expect(201);
    let answer = client.with("If-Match", etag).post("/api/gateway/apply", &file(&[("a", "/a")]));
    let current = answer.refuse(412, "PRECONDITION_FAILED").header("ETag").unwrap().to_owned();
    let applied = client.with("If-Match", &current).post("/api/gateway/apply", &file(&[("a", "/a")])).expect(200);
    assert_eq!(counts(&applied.json()), [1, 0, 1, 0]);
}

/// Both of them, at once.
fn race(client: &Client, files: [&Value; 2], headers: Option<&str>) -> Vec<u16> {
    thread::scope(|scope| {
        let client = match headers {
            Some(etag) => client.with("If-Match", etag),
            None => client.clone(),
        };
        let threads = files.map(|file| {
            let client = client.clone();
            scope.spawn(move || client.post("/api/gateway/apply", file).status)
        });
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn of_two_who_apply_at_once_one_wins_and_the_other_is_told() {
    let app = App::start();
    let client = app.operator().client;
    let many = |prefix: &str| {
        let names: Vec<String> = (0..300).map(|index| format!("{prefix}{index}")).collect();
        json!({ "routes": names.iter().map(|name| file_route(name, &format!("/{name}"))).collect::<Vec<_>>() })
    };
    let (one, other) = (many("one"), many("other"));
    for _ in 0..3 {
        let etag = client.get("/api/gateway/configuration").expect(200).header("ETag").unwrap().to_owned();
        let mut statuses = race(&client, [&one, &other], Some(&etag));
        statuses.sort();
        assert!(statuses[0] == 200 && [409, 412].contains(&statuses[1]), "{statuses:?}");
        let page = client.get("/api/gateway/configuration").expect(200).json();
        let names = page["routes"].as_array().unwrap().iter().map(|route| route["name"].as_str().unwrap());
        let (ones, others): (Vec<&str>, Vec<&str>) = names.partition(|name| name.starts_with("one"));
        assert!(ones.is_empty() != others.is_empty(), "half of one and half of the other");
        apply(&client, &json!({ "routes": [] }));
    }
    let statuses = race(&client, [&one, &other], None);
    assert!(statuses.contains(&200) && statuses.iter().all(|status| [200, 409].contains(status)), "{statuses:?}");
}

/// A release build on an idle machine takes a tenth of this, or less; a debug build beside all other tests may not.
const PATIENCE: Duration = Duration::from_secs(50);

#[test]
fn ten_thousand_routes_are_made_left_changed_and_deleted_by_one_request_each() {
    const COUNT: usize = 10_000;
    let app = App::start();
    let client = app.operator().client;
    let routes = |host: &str| -> Value {
        let one = |index| {
            json!({
                "name": format!("route {index}"), "path": format!("/service/{}/{{id}}/part/{index}", index % 100),
                "upstream": format!("http://{host}:8080/base"), "methods": ["GET", "POST"], "timeout": 1000 + index,
            })
        };
        json!({ "routes": (0..COUNT).map(one).collect::<Vec<_>>() })
    };
    let timed = |file: &Value, expected: [i64; 4]| {
        let start = Instant::now();
        let applied = apply(&client, file);
        let time = start.elapsed();
        assert_eq!(counts(&applied), expected);
        println!("{expected:?} in {time:?}");
        assert!(time < PATIENCE, "{expected:?} took {time:?}");
    };
    let count = COUNT as i64;
    timed(&routes("a.example.org"), [count, 0, 0, 0]);
    timed(&routes("a.example.org"), [0, 0, 0, count]);
    timed(&routes("b.example.org"), [0, count, 0, 0]);
    timed(&json!({ "routes": [] }), [0, 0, count, 0]);
}
