//! Access tokens that are none of ours, or no longer.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha512};

use crate::support::App;
use crate::support::app::text;

const SECRET: &str = "f1d2-the-tokens-of-this-test-are-signed-with-it-93c7";
const PREVIOUS: &str = "8e05-what-they-were-signed-with-a-year-ago-b64a-2d19";

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(part: &str) -> Value {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// A token as whoever knows the secret could make it.
fn sign(head: &Value, claims: &Value, secret: &str) -> String {
    let message = format!("{}.{}", encode(head.to_string()), encode(claims.to_string()));
    let signature = match head["alg"].as_str() {
        Some("HS512") => {
            let code = Hmac::<Sha512>::new_from_slice(secret.as_bytes()).unwrap();
            encode(code.chain_update(&message).finalize().into_bytes())
        }
        _ => {
            let code = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
            encode(code.chain_update(&message).finalize().into_bytes())
        }
    };
    format!("{message}.{signature}")
}

fn kid(secret: &str) -> String {
    Sha256::digest(secret).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

fn with(value: &Value, field: &str, change: Value) -> Value {
    let mut value = value.clone();
    value[field] = change;
    value
}

#[test]
fn a_token_is_good_only_as_it_was_given_out() {
    let app = App::start_with(&[("JWT_SECRET", SECRET), ("JWT_SECRET_PREVIOUS", PREVIOUS)]);
    let somebody = app.logged_in("USER");
    let victim = app.logged_in("ADMIN");
    let session = |email: &str| app.login(email, "right password");
    let good = text(&session(&somebody.email)["access_token"]);
    let theirs = text(&session(&victim.email)["access_token"]);
    let show = |token: &str| app.nobody().with("Authorization", &format!("Bearer {token}")).get("/api/auth/me");
    let parts: Vec<&str> = good.split('.').collect();
    let (head, claims) = (decode(parts[0]), decode(parts[1]));
    assert_eq!((&head["alg"], &head["kid"]), (&json!("HS256"), &json!(kid(SECRET))));
    // Signed here with the secret it is good, so that each refusal below has its own reason.
    show(&sign(&head, &claims, SECRET)).expect(200);
    show(&sign(&with(&head, "kid", json!(kid(PREVIOUS))), &claims, PREVIOUS)).expect(200);

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut wrong: Vec<String> = ["none", "None", "nOnE", "HS512", "HS384", "RS256", "ES256", ""]
        .iter()
        .flat_map(|algorithm| {
            let signed = sign(&with(&head, "alg", json!(algorithm)), &claims, SECRET);
            let (message, _) = signed.rsplit_once('.').unwrap();
            [format!("{message}."), message.to_owned(), signed.clone()]
        })
        .collect();
    for (field, value) in [
        ("aud", json!("elsewhere")),
        ("aud", json!(null)),
        ("iss", json!("elsewhere")),
        ("exp", json!(now - 60)),
        ("exp", json!(null)),
        ("exp", json!("9999999999")),
        ("sub", json!("x")),
        ("sub", json!(victim.id)),
        ("sid", json!(uuid::Uuid::now_v7())),
        ("sid", json!("' OR 1=1 --")),
        ("sid", json!(null)),
    ] {
        wrong.push(sign(&head, &with(&claims, field, value), SECRET));
    }
    for (field, value) in [
        ("kid", json!("00000000")),
        ("kid", json!(null)),
        ("kid", json!("../../dev/null")),
        ("kid", json!(kid(PREVIOUS))),
    ] {
        wrong.push(sign(&with(&head, field, value), &claims, SECRET));
    }
    wrong.push(sign(&head, &claims, "a guess that is as long as the secret is, or so"));
    wrong.push(sign(&head, &claims, ""));
    let others: Vec<&str> = theirs.split('.').collect();
    wrong.push(format!("{}.{}.{}", parts[0], others[1], parts[2]));
    wrong.push(format!("{}.{}.{}", parts[0], parts[1], others[2]));
    wrong.push(format!("{}.{}.{}", parts[0], encode(with(&claims, "role", json!("ADMIN")).to_string()), parts[2]));
    for at in (0..good.len()).step_by(23) {
        let letter = if &good[at..=at] == "A" { "B" } else { "A" };
        if !good[at..].starts_with('.') {
            wrong.push(format!("{}{letter}{}", &good[..at], &good[at + 1..]));
        }
    }
    wrong.extend([
        format!("{good}x"),
        good[1..].to_owned(),
        good[..good.len() - 1].to_owned(),
        format!("{good}.x"),
        "x".to_owned(),
        "..".to_owned(),
        ".".repeat(100),
        "x".repeat(7000),
        format!("{}.{}.{}", parts[0], parts[1], parts[1]),
        good.replace('.', ""),
    ]);
    for wrong in wrong {
        show(&wrong).refuse(401, "INVALID_TOKEN");
    }
    show(&good).expect(200);
    // What a token says of the role counts for nothing: the role is the user's.
    let raised = sign(&head, &with(&claims, "role", json!("ADMIN")), SECRET);
    let client = app.nobody().with("Authorization", &format!("Bearer {raised}"));
    client.get("/api/settings").refuse(403, "INSUFFICIENT_PERMISSIONS");
}
