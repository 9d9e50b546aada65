//! What is exported, as text: all six formats, and what they say about what they cannot say.

use std::time::Duration;

use serde_json::json;

use super::Setting;
use crate::support::App;
use crate::support::wait::wait_for;

const ALL: [&str; 6] = ["nginx", "haproxy", "caddy", "traefik", "envoy", "kong"];

#[test]
fn what_a_format_cannot_say_is_told_in_the_file_and_beside_it() {
    let setting = Setting::new();
    let limit = json!({ "rate_limit": { "max": 7, "windowMs": 12_345 }, "retry": { "attempts": 4, "backoff": 300 } });
    setting.route("seven", "/seven", limit);
    setting.route("jwt", "/jwt", json!({ "auth": { "type": "jwt", "issuer": "https://a" } }));
    for format in ALL {
        let run = setting.export(&["--format", format]);
        let notes = setting.notes(format);
        for (route, field) in [("seven", "retry"), ("seven", "rate_limit"), ("jwt", "auth")] {
            let can_say = matches!((format, field), ("haproxy" | "envoy", "rate_limit") | ("traefik", "retry"));
            let note = notes.iter().find(|note| note.0 == route && note.1 == field);
            assert_eq!(note.is_none(), can_say, "{format} {field}: {notes:?}");
            if let Some((_, _, message)) = note {
                let line = format!("route {route}: {field} {message}");
                assert!(run.text().contains(&line), "{format}: {}", run.text());
                assert!(run.said().contains(&line), "{format}: {}", run.said());
            }
        }
    }
}

#[test]
fn no_format_and_no_port_are_refused_with_those_that_there_are() {
    let setting = Setting::new();
    for (words, hint) in [
        (&["--format", "apache"][..], "there are nginx, haproxy, caddy, traefik, envoy, kong"),
        (&["--format", "nginx", "--tags", "a"], "--tags is for mainstay's own format"),
        (&["--format", "nginx", "--port", "0"], "--port must be a port"),
        (&["--format", "nginx", "--port", "70000"], "--port must be a port"),
    ] {
        let run = setting.export(words);
        assert!(run.code() == 2 && run.said().contains(hint), "{words:?}: {}", run.said());
    }
    for format in ALL {
        assert_eq!(setting.export(&["--format", format]).code(), 0, "{format} without a route");
    }
}

#[test]
fn the_snapshot_answers_the_same_file_in_any_format_and_knows_who_has_it_already() {
    let setting = Setting::new();
    setting.route("one", "/one/*", json!({ "auth": { "type": "basic" }, "timeout": 70 }));
    let client = &setting.user.client;
    for format in ALL {
        let path = format!("/api/routes/snapshot?format={format}&port=9000");
        // A server has what was changed a moment later.
        let answer = wait_for("the snapshot has the route", Duration::from_secs(30), || {
            Some(client.get(&path).expect(200)).filter(|answer| answer.text().contains("/one"))
        });
        assert_eq!(answer.text(), setting.export(&["--format", format, "--port", "9000"]).text());
        let notes = setting.notes(format).len().to_string();
        assert_eq!(answer.header("X-Not-Expressed"), Some(&*notes));
        client.with("If-None-Match", answer.header("ETag").unwrap()).get(&path).expect(304);
    }
    for query in ["format=apache", "format=", "format=nginx&port=0", "format=nginx&port=x"] {
        client.get(&format!("/api/routes/snapshot?{query}")).refuse(400, "MALFORMED_REQUEST");
    }
}

#[test]
fn what_has_been_made_is_kept_and_what_has_to_be_made_has_its_price() {
    let app = App::start_with(&[("RATE_LIMIT", "60")]);
    let reader = app.operator().client;
    let ask = |port: u32| reader.get(&format!("/api/routes/snapshot?format=nginx&port={port}"));
    let first = ask(8000).expect(200).text().to_owned();
    for _ in 0..30 {
        assert_eq!(ask(8000).expect(200).text(), first);
    }
    ask(8001).expect(200);
    ask(8002).expect(200);
    ask(8003).refuse(429, "RATE_LIMIT_EXCEEDED");
    ask(8000).expect(200);
    reader.get("/api/routes/snapshot").expect(200);
}
