//! `mainstay webhook listen`, the receiver of developers.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use super::{delivery_in, make_team, start};
use crate::support::app::text;
use crate::support::binary::{Run, command};

struct Listening(Child);

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts it on a free port, which it tells.
fn listen(arguments: &[&str]) -> (Listening, String) {
    let all = [&["webhook", "listen", "--port", "0", "--json"], arguments].concat();
    let mut child = command(&all, &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.split_once("listening on ").unwrap().1.split_once(';').unwrap().0.to_owned();
    (Listening(child), url)
}

#[test]
fn the_receiver_shows_what_arrives_and_refuses_what_is_signed_with_another_secret() {
    let app = start();
    let client = app.admin().client;
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let (mut listening, url) = listen(&["--secret", secret]);
    let hook = |name: &str, secret: Value| json!({ "name": name, "url": url, "events": ["teams.created"], "secret": secret, "retry_config": { "schedule": [] } });
    let right = client.post("/api/webhooks", &hook("right", json!(secret))).expect(201).json();
    make_team(&client, "one");
    delivery_in(&client, &right, "SUCCEEDED");
    let mut lines = BufReader::new(listening.0.stdout.take().unwrap()).lines();
    let mut shown = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let first = shown();
    assert_eq!((&first["verified"], &first["event"]["type"]), (&json!(true), &json!("teams.created")));
    client.delete(&format!("/api/webhooks/{}", text(&right["id"]))).expect(204);
    let wrong = client.post("/api/webhooks", &hook("wrong", Value::Null)).expect(201).json();
    make_team(&client, "two");
    assert_eq!(delivery_in(&client, &wrong, "FAILED")["response_status"], 400);
    let second = shown();
    assert_eq!(
        (&second["verified"], &second["problem"]),
        (&json!(false), &json!("no signature is made with this secret"))
    );
}

#[test]
fn the_receiver_fails_as_often_as_it_is_told_to() {
    let app = start();
    let client = app.admin().client;
    let (_listening, url) = listen(&["--fail-rate", "1"]);
    let seed = "whsec_bm90IGEgc2VjcmV0LCBhcyBldmVyeWJvZHkga25vd3M=";
    let body =
        json!({ "name": "down", "url": url, "events": ["*"], "secret": seed, "retry_config": { "schedule": [] } });
    let made = client.post("/api/webhooks", &body).expect(201).json();
    make_team(&client, "one");
    assert_eq!(delivery_in(&client, &made, "FAILED")["response_status"], 503);
}

#[test]
fn wrong_options_of_the_receiver_are_refused() {
    for wrong in [["--port", "x"], ["--fail-rate", "2"], ["--fail-rate", "x"], ["--delay", "soon"], ["--secret", "s"]] {
        let run = Run::of(&mut command(&["webhook", "listen", wrong[0], wrong[1]], &[]));
        assert_eq!(run.code(), 2, "{wrong:?}: {}", run.said());
        assert!(run.said().contains(wrong[0]), "{}", run.said());
    }
}
