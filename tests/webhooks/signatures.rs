//! Signatures, by the rules of Standard Webhooks. `make test-api` holds them against the package of that name, too.

use std::time::{SystemTime, UNIX_EPOCH};

use mainstay::gateway::webhooks::signature::{parse_secret, show_secret, sign, verify};
use serde_json::json;

use super::{Receiver, make_team, start, webhook};
use crate::support::app::text;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[test]
fn the_signature_of_the_published_example_is_the_published_one() {
    let secret = parse_secret(SECRET).unwrap();
    let signed = sign(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
    assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn a_signature_is_right_for_its_own_message_and_time_and_for_no_other() {
    let (secret, other) = (parse_secret(SECRET).unwrap(), vec![7; 32]);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let signed = sign(&[other.clone(), secret.clone()], "id", now, "body");
    let time = now.to_string();
    assert_eq!(verify(&secret, "id", &time, &signed, "body"), Ok(()));
    assert_eq!(verify(&other, "id", &time, &signed, "body"), Ok(()));
    assert!(verify(&secret, "id", &time, &signed, "Body").is_err());
    assert!(verify(&secret, "di", &time, &signed, "body").is_err());
    assert!(verify(&secret, "id", &(now - 1).to_string(), &signed, "body").is_err());
    assert!(verify(&[1; 32], "id", &time, &signed, "body").is_err());
    assert!(verify(&secret, "id", "soon", &signed, "body").is_err());
    let old = now - 301;
    assert!(
        verify(&secret, "id", &old.to_string(), &sign(std::slice::from_ref(&secret), "id", old, "body"), "body")
            .is_err()
    );
}

#[test]
fn a_secret_has_24_to_64_bytes() {
    for (bytes, is_right) in [(23, false), (24, true), (64, true), (65, false)] {
        assert_eq!(parse_secret(&show_secret(&vec![1; bytes])).is_some(), is_right, "{bytes}");
    }
}

#[test]
fn a_rotated_secret_and_the_one_before_it_both_sign_for_a_while() {
    let (app, receiver) = (start(), Receiver::start());
    let client = app.admin().client;
    let made = webhook(&client, &receiver, &["teams.created"], json!({}));
    let path = format!("/api/webhooks/{}/rotate-secret", text(&made["id"]));
    let rotated = client.post(&path, &json!({})).expect(200).json();
    let (old, new) = (text(&made["secret"]), text(&rotated["secret"]));
    assert_ne!(old, new);
    assert!(rotated["previous_secret_until"].is_string(), "{rotated}");
    make_team(&client, "one");
    let received = receiver.wait_for(1);
    assert!(received[0].is_signed_with(&new) && received[0].is_signed_with(&old), "{received:?}");
    let last = client.post(&path, &json!({ "overlap_seconds": 0, "secret": SECRET })).expect(200).json();
    assert_eq!(last["secret"], SECRET);
    assert_eq!(last["previous_secret_until"], json!(null));
    make_team(&client, "two");
    let received = receiver.wait_for(2);
    assert!(received[1].is_signed_with(SECRET) && !received[1].is_signed_with(&new), "{received:?}");
    client.post(&path, &json!({ "overlap_seconds": -1 })).refuse(422, "VALIDATION_ERROR");
    let nobody = format!("/api/webhooks/{}/rotate-secret", uuid::Uuid::now_v7());
    client.post(&nobody, &json!({})).refuse(404, "NOT_FOUND");
}
