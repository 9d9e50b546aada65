//! Keys, passwords and tokens, through their functions.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, crypto};
use mainstay::error::Code;
use mainstay::identity::key;
use mainstay::identity::password::{self, Passwords};
use mainstay::identity::token::{self, Tokens};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

const SECRET: &str = "a secret of this test with more than 32 bytes";
const OTHER: &str = "another secret of this test, as long as the first";

fn tokens() -> Tokens {
    Tokens::new(SECRET, None)
}

fn issue(tokens: &Tokens) -> String {
    tokens.issue(Uuid::now_v7(), Uuid::now_v7(), "USER").unwrap()
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn kid(secret: &str) -> String {
    Sha256::digest(secret).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims() -> Value {
    json!({
        "sub": Uuid::now_v7(), "sid": Uuid::now_v7(), "role": "USER",
        "iss": "mainstay", "aud": "mainstay", "iat": now(), "exp": now() + 60,
    })
}

/// A token as an attacker who knows the secret would make it, so that only what is changed can be what is refused.
fn sign(head: &Value, claims: &Value, secret: &str) -> String {
    let message = format!("{}.{}", encode(head.to_string()), encode(claims.to_string()));
    let key = EncodingKey::from_secret(secret.as_bytes());
    let signature = crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

fn head() -> Value {
    json!({"alg": "HS256", "typ": "JWT", "kid": kid(SECRET)})
}

fn with(mut value: Value, field: &str, change: Value) -> Value {
    value[field] = change;
    value
}

fn without(mut value: Value, field: &str) -> Value {
    value.as_object_mut().unwrap().remove(field);
    value
}

#[track_caller]
fn refused(tokens: &Tokens, token: &str) {
    let error = tokens.check(token).expect_err("the token was accepted");
    assert_eq!(error.code, Code::InvalidToken);
    assert_eq!(error.to_string(), "the access token is not valid, or no longer");
}

#[test]
fn a_token_says_who_is_calling_for_fifteen_minutes() {
    let (tokens, user, session) = (tokens(), Uuid::now_v7(), Uuid::now_v7());
    let token = tokens.issue(user, session, "ADMIN").unwrap();
    let claims = tokens.check(&token).unwrap();
    assert_eq!((claims.sub, claims.sid, claims.role.as_str()), (user, session, "ADMIN"));
    assert_eq!(claims.exp - claims.iat, 15 * 60);
    assert!(claims.iat.abs_diff(now()) <= 1);
    assert_eq!(jsonwebtoken::decode_header(&token).unwrap().kid.unwrap(), kid(SECRET));
}

#[test]
fn what_this_test_signs_itself_is_accepted_so_refusals_below_have_their_own_reasons() {
    assert!(tokens().check(&sign(&head(), &claims(), SECRET)).is_ok());
}

#[test]
fn the_signature_is_hmac_with_sha256_and_nothing_of_our_own() {
    let token = issue(&tokens());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let code = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(message).finalize().into_bytes();
    assert_eq!(signature, encode(code));
}

#[test]
fn no_other_algorithm_is_accepted_whatever_the_head_says() {
    let tokens = tokens();
    for algorithm in ["none", "None", "NONE", "", "HS384", "HS512", "RS256", "ES256", "PS256", "EdDSA", "hs256"] {
        let head = with(head(), "alg", json!(algorithm));
        let token = sign(&head, &claims(), SECRET);
        refused(&tokens, &token);
        let (message, _) = token.rsplit_once('.').unwrap();
        refused(&tokens, &format!("{message}."));
        refused(&tokens, message);
    }
    refused(&tokens, &sign(&without(head(), "alg"), &claims(), SECRET));
}

#[test]
fn nothing_else_in_the_program_can_be_made_to_use_another_algorithm() {
    let _ = tokens();
    let secret = SECRET.as_bytes();
    assert!(crypto::sign(b"text", &EncodingKey::from_secret(secret), Algorithm::HS512).is_err());
    assert!(crypto::sign(b"text", &EncodingKey::from_rsa_der(secret), Algorithm::HS256).is_err());
    assert!(crypto::verify("", b"text", &DecodingKey::from_rsa_der(secret), Algorithm::RS256).is_err());
    let token = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims(), &EncodingKey::from_rsa_der(secret));
    assert!(token.is_err());
    let key = DecodingKey::from_rsa_der(secret);
    let validation = Validation::new(Algorithm::RS256);
    assert!(jsonwebtoken::decode::<Value>(issue(&tokens()), &key, &validation).is_err());
}

#[test]
fn a_token_ends_when_it_says_and_five_seconds_are_for_clocks_that_differ() {
    let tokens = tokens();
    for (exp, is_good) in [(now() - 60, false), (now() - 7, false), (now() - 2, true), (now() + 2, true)] {
        let token = sign(&head(), &with(claims(), "exp", json!(exp)), SECRET);
        assert_eq!(tokens.check(&token).is_ok(), is_good, "{exp}");
    }
    refused(&tokens, &sign(&head(), &without(claims(), "exp"), SECRET));
    for exp in [json!("9999999999"), json!(null), json!(-1), json!([9_999_999_999_u64])] {
        refused(&tokens, &sign(&head(), &with(claims(), "exp", exp), SECRET));
    }
}

#[test]
fn a_token_for_others_or_from_others_is_refused() {
    let tokens = tokens();
    for field in ["aud", "iss"] {
        for value in [json!("elsewhere"), json!(["elsewhere"]), json!([]), json!(null), json!("")] {
            refused(&tokens, &sign(&head(), &with(claims(), field, value), SECRET));
        }
        refused(&tokens, &sign(&head(), &without(claims(), field), SECRET));
    }
    for field in ["sub", "sid", "role"] {
        refused(&tokens, &sign(&head(), &without(claims(), field), SECRET));
    }
    refused(&tokens, &sign(&head(), &with(claims(), "sub", json!("admin")), SECRET));
}

#[test]
fn a_token_that_was_changed_in_any_byte_is_refused() {
    let tokens = tokens();
    let token = issue(&tokens);
    for position in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
        refused(&tokens, std::str::from_utf8(&bytes).unwrap());
    }
    let parts: Vec<&str> = token.split('.').collect();
    let admin = encode(with(claims(), "role", json!("ADMIN")).to_string());
    refused(&tokens, &format!("{}.{admin}.{}", parts[0], parts[2]));
}

#[test]
fn a_token_that_was_cut_off_or_made_longer_is_refused() {
    let tokens = tokens();
    let token = issue(&tokens);
    for length in 0..token.len() {
        refused(&tokens, &token[..length]);
    }
    for other in
        [format!("{token}A"), format!("{token}."), format!("{token}="), format!(" {token}"), "a".repeat(100_000)]
    {
        refused(&tokens, &other);
    }
}

#[test]
fn tokens_of_the_previous_secret_are_good_while_it_is_configured() {
    let old = issue(&Tokens::new(OTHER, None));
    let rotated = Tokens::new(SECRET, Some(OTHER));
    assert!(rotated.check(&old).is_ok());
    let new = issue(&rotated);
    assert!(tokens().check(&new).is_ok(), "new tokens are made with the new secret");
    refused(&tokens(), &old);
}

#[test]
fn a_wrong_secret_is_refused_and_so_is_a_right_one_under_a_wrong_or_missing_name() {
    let tokens = Tokens::new(SECRET, Some(OTHER));
    refused(&tokens, &sign(&head(), &claims(), OTHER));
    refused(&tokens, &sign(&with(head(), "kid", json!(kid(OTHER))), &claims(), SECRET));
    refused(&tokens, &sign(&with(head(), "kid", json!("00000000")), &claims(), SECRET));
    refused(&tokens, &sign(&without(head(), "kid"), &claims(), SECRET));
    refused(&tokens, &issue(&Tokens::new("somebody else's secret, also of 32 bytes", None)));
}

#[test]
fn refresh_tokens_are_random_and_stored_as_their_hash() {
    let made: Vec<_> = (0..1000).map(|_| token::generate().unwrap()).collect();
    let distinct: HashSet<&str> = made.iter().map(|new| new.token.as_str()).collect();
    assert_eq!(distinct.len(), made.len());
    for new in &made {
        assert_eq!(new.token.len(), 43);
        assert!(new.token.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(new.hash, token::hash(&new.token));
        assert_eq!(new.hash[..], Sha256::digest(&new.token)[..]);
    }
}

#[test]
fn keys_are_random_and_their_checksum_tells_them_from_other_words() {
    let mut seen = HashSet::new();
    for _ in 0..1000 {
        let new = key::generate().unwrap();
        assert!(key::is_well_formed(&new.key), "{}", new.key);
        assert_eq!(new.prefix, new.key[..12]);
        assert_eq!(new.hash, key::hash(&new.key));
        assert!(seen.insert(new.key));
    }
    let digits: HashSet<char> = seen.iter().flat_map(|key| key.chars().skip(4)).collect();
    assert_eq!(digits.len(), 62, "all digits occur");
}

#[test]
fn a_key_with_a_mistake_is_not_well_formed() {
    let key = key::generate().unwrap().key;
    for position in 0..key.len() {
        let mut bytes = key.clone().into_bytes();
        bytes[position] = if bytes[position] == b'x' { b'y' } else { b'x' };
        assert!(!key::is_well_formed(std::str::from_utf8(&bytes).unwrap()), "{position}");
        assert!(!key::is_well_formed(&key[..position]));
    }
    let letters = format!("ctm_{}", "é".repeat(24)) + "a";
    assert_eq!(letters.len(), key::LENGTH);
    for other in [format!("{key}0"), format!(" {key}"), key.to_lowercase(), "ctm_".into(), String::new(), letters] {
        assert!(!key::is_well_formed(&other), "{other}");
    }
}

#[test]
fn passwords_are_checked_against_their_hash_and_unknown_users_have_none() {
    let passwords = Passwords::new(4, 2);
    let hash = passwords.hash("correct horse").unwrap();
    assert!(hash.starts_with("$2b$04$"), "{hash}");
    assert_ne!(hash, passwords.hash("correct horse").unwrap(), "each has a salt of its own");
    assert!(passwords.verify("correct horse", Some(&hash)).unwrap());
    for wrong in ["Correct horse", "correct horse ", "", "correct horse\0", &"x".repeat(1_000_000)] {
        assert!(!passwords.verify(wrong, Some(&hash)).unwrap());
        assert!(!passwords.verify(wrong, None).unwrap());
    }
    assert!(!passwords.is_outdated(&hash));
    assert!(Passwords::new(5, 1).is_outdated(&hash));
    let longest = "é".repeat(35) + "x";
    let hash = passwords.hash(&longest).unwrap();
    assert!(!passwords.verify(&longest[..70], Some(&hash)).unwrap(), "the last byte counts");
    assert!(!passwords.verify(&(longest + "y"), Some(&hash)).unwrap());
}

#[test]
fn passwords_that_are_too_short_or_too_long_are_refused() {
    for (password, fault) in [
        ("7 chars".to_owned(), Some("must have at least 8 characters")),
        ("admin123".to_owned(), None),
        ("ööööööö".to_owned(), Some("must have at least 8 characters")),
        ("öööööööö".to_owned(), None),
        ("x".repeat(71), None),
        ("x".repeat(72), Some("must have at most 71 bytes")),
        ("ö".repeat(36), Some("must have at most 71 bytes")),
        ("password\0more".to_owned(), Some("must not contain the character NUL")),
    ] {
        assert_eq!(password::fault(&password), fault, "{password:?}");
        let result = Passwords::new(4, 1).hash(&password);
        assert_eq!(result.err().map(|error| error.code), fault.map(|_| Code::ValidationError), "{password:?}");
    }
}

/// What this thread has spent on the processor.
fn on_the_processor() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[test]
fn an_unknown_user_costs_as_long_as_a_wrong_password() {
    let passwords = Passwords::new(6, 2);
    let hash = passwords.hash("correct horse").unwrap();
    let time = |hash: Option<&str>, password: &str| {
        let start = on_the_processor();
        assert!(!passwords.verify(password, hash).unwrap());
        on_the_processor() - start
    };
    let long = "x".repeat(100);
    // What else the machine does is not counted; all kinds take turns, and of each the fastest counts.
    let kinds = [(Some(&*hash), "wrong horse"), (None, "wrong horse"), (Some(&*hash), &*long), (None, "")];
    let mut fastest = [Duration::MAX; 4];
    for _ in 0..30 {
        for (fastest, (hash, password)) in fastest.iter_mut().zip(kinds) {
            *fastest = time(hash, password).min(*fastest);
        }
    }
    for other in fastest {
        let ratio = other.as_secs_f64() / fastest[0].as_secs_f64();
        assert!((0.7..1.4).contains(&ratio), "{fastest:?}");
    }
}

#[test]
fn few_passwords_are_hashed_at_once_few_wait_and_the_others_are_told_to_come_back() {
    const CALLERS: usize = 20;
    // Slow enough for all to be there before the first is done.
    let passwords = Arc::new(Passwords::new(11, 1));
    let (start, done) = (Arc::new(Barrier::new(CALLERS)), Arc::new(AtomicUsize::new(0)));
    let call = |_| {
        let (passwords, start, done) = (passwords.clone(), start.clone(), done.clone());
        thread::spawn(move || {
            start.wait();
            match passwords.verify("some password", None) {
                Ok(_) => done.fetch_add(1, Ordering::Relaxed),
                Err(error) => {
                    assert_eq!(error.code, Code::RateLimitExceeded);
                    assert!(error.retry_after.is_some());
                    0
                }
            };
        })
    };
    let callers: Vec<_> = (0..CALLERS).map(call).collect();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    // One works and four wait; on a busy machine somebody may come so late that a place is free again.
    assert!((5..CALLERS).contains(&done.load(Ordering::Relaxed)), "{done:?}");
    assert!(!passwords.verify("some password", None).unwrap(), "there is room again");
}
