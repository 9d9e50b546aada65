//! Coming and going: login, refresh, logout, and what happens to those who guess.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::at_once;
use crate::support::App;
use crate::support::app::{Somebody, text};
use crate::support::client::{Answer, Client};
use crate::support::wait::wait_for;

fn bearer(app: &App, tokens: &Value) -> Client {
    app.nobody().with("Authorization", &format!("Bearer {}", text(&tokens["access_token"])))
}

fn refresh(app: &App, token: &str) -> Answer {
    app.nobody().post("/api/auth/refresh", &json!({ "refresh_token": token }))
}

fn try_login(app: &App, email: &str, password: &str) -> Answer {
    app.nobody().post("/api/auth/login", &json!({ "email": email, "password": password }))
}

/// Waits until a client is out, and answers how long that took.
#[track_caller]
fn out_after(client: &Client, start: Instant) -> Duration {
    wait_for("the caller is out", Duration::from_secs(20), || (client.get("/api/auth/me").status == 401).then_some(()));
    start.elapsed()
}

#[test]
fn a_login_gives_an_access_token_and_a_refresh_token_and_says_who_one_is() {
    let app = App::start();
    let somebody = app.logged_in("USER");
    let tokens = app.login(&somebody.email.to_uppercase(), "right password");
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(900)));
    assert_eq!((&tokens["role"], &tokens["user_id"]), (&json!("USER"), &json!(somebody.id)));
    let me = bearer(&app, &tokens).get("/api/auth/me").expect(200).json();
    assert_eq!((&me["email"], &me["session_id"]), (&json!(somebody.email), &tokens["session_id"]));
    assert!(me.get("password_hash").is_none());
    let session = somebody.client.get(&format!("/api/sessions/{}", text(&tokens["session_id"]))).expect(200).json();
    assert_eq!((&session["ip_address"], &session["revoked_at"]), (&json!("127.0.0.1"), &json!(null)));
    assert!(session.get("token").is_none() && session.get("family").is_none());
    for header in ["Basic YTpi", "Bearer", "bearer", "Token x", "Bearer ctm_x y"] {
        let status = app.nobody().with("Authorization", header).get("/api/auth/me").status;
        assert_eq!(status, 401, "{header}");
    }
}

#[test]
fn a_refresh_token_works_once_and_the_session_ends_when_any_used_one_comes_back() {
    let app = App::start();
    let somebody = app.logged_in("USER");
    for age in 1..4 {
        let first = app.login(&somebody.email, "right password");
        let mut tokens = vec![text(&first["refresh_token"])];
        let mut last = first.clone();
        for _ in 0..age {
            last = refresh(&app, tokens.last().unwrap()).expect(200).json();
            assert_eq!(last["session_id"], first["session_id"]);
            tokens.push(text(&last["refresh_token"]));
        }
        let caller = bearer(&app, &last);
        caller.get("/api/auth/me").expect(200);
        // The thief may have refreshed more than once before its owner comes with the stolen one.
        refresh(&app, &tokens[0]).refuse(401, "INVALID_TOKEN");
        refresh(&app, tokens.last().unwrap()).refuse(401, "INVALID_TOKEN");
        assert!(out_after(&caller, Instant::now()) < Duration::from_secs(1));
    }
    somebody.client.get("/api/auth/me").expect(200);
}

#[test]
fn refresh_tokens_that_were_never_given_out_end_nothing() {
    let app = App::start();
    let somebody = app.logged_in("USER");
    let good = somebody.key.clone();
    let (family, secret) = good.split_once('.').unwrap();
    let session = text(&somebody.client.get("/api/auth/me").expect(200).json()["session_id"]);
    for made_up in [
        session.as_str(),
        secret,
        "x",
        ".",
        "..",
        &format!(".{secret}"),
        &format!("{session}.{secret}"),
        &"x".repeat(255),
        &good.to_uppercase(),
        &format!(" {good}x"),
    ] {
        refresh(&app, made_up).refuse(401, "INVALID_TOKEN");
    }
    refresh(&app, "").refuse(422, "VALIDATION_ERROR");
    refresh(&app, &"x".repeat(256)).refuse(422, "VALIDATION_ERROR");
    somebody.client.get("/api/auth/me").expect(200);
    refresh(&app, &good).expect(200);
    assert!(family.len() == 43 && secret.len() == 43);
}

#[test]
fn of_ten_refreshes_at_once_with_one_token_at_most_one_gets_on() {
    let app = App::start();
    let somebody = app.logged_in("USER");
    let answers = at_once(10, |_| refresh(&app, &somebody.key).status);
    assert!(answers.iter().filter(|status| **status == 200).count() <= 1, "{answers:?}");
    assert!(answers.iter().all(|status| matches!(status, 200 | 401)), "{answers:?}");
    assert!(out_after(&somebody.client, Instant::now()) < Duration::from_secs(2), "nine had a used one");
}

#[test]
fn a_logout_ends_the_session_on_every_server_within_a_second() {
    let app = App::start();
    let another = app.another();
    let somebody = app.logged_in("USER");
    let other = bearer(&app, &app.login(&somebody.email, "right password"));
    let stranger = app.logged_in("USER");
    let elsewhere = [another.client(&somebody.client), another.client(&other), another.client(&stranger.client)];
    elsewhere.iter().for_each(|client| drop(client.get("/api/auth/me").expect(200)));
    somebody.client.send("POST", "/api/auth/logout", None).expect(204);
    let start = Instant::now();
    assert!(out_after(&elsewhere[0], start) < Duration::from_secs(1));
    out_after(&somebody.client, start);
    refresh(&app, &somebody.key).refuse(401, "INVALID_TOKEN");
    elsewhere[1].get("/api/auth/me").expect(200);

    let third = bearer(&app, &app.login(&somebody.email, "right password"));
    elsewhere[1].send("POST", "/api/auth/logout-all", None).expect(204);
    let start = Instant::now();
    for client in [&other, &third, &elsewhere[1], &another.client(&third)] {
        assert!(out_after(client, start) < Duration::from_secs(1));
    }
    elsewhere[2].get("/api/auth/me").expect(200);

    let admin = app.admin().client;
    admin.send("POST", &format!("/api/users/{}/logout", stranger.id), None).expect(204);
    assert!(out_after(&elsewhere[2], Instant::now()) < Duration::from_secs(1));
}

#[test]
fn a_session_is_ended_from_the_list_too_and_a_user_who_is_no_longer_active_is_out_everywhere() {
    let app = App::start();
    let another = app.another();
    let admin = app.admin().client;
    let enter = || {
        let somebody = app.logged_in("USER");
        let elsewhere = another.client(&somebody.client);
        elsewhere.get("/api/auth/me").expect(200);
        (somebody, elsewhere)
    };
    let (somebody, elsewhere) = enter();
    let session = text(&somebody.client.get("/api/auth/me").expect(200).json()["session_id"]);
    somebody.client.delete(&format!("/api/sessions/{session}")).expect(204);
    assert!(out_after(&elsewhere, Instant::now()) < Duration::from_secs(1));
    let path = |somebody: &Somebody| format!("/api/users/{}", somebody.id);
    for status in ["SUSPENDED", "INACTIVE", "PENDING_VERIFICATION"] {
        let (somebody, elsewhere) = enter();
        admin.patch(&path(&somebody), &json!({ "status": status })).expect(200);
        assert!(out_after(&elsewhere, Instant::now()) < Duration::from_secs(1));
        refresh(&app, &somebody.key).refuse(401, "INVALID_TOKEN");
        try_login(&app, &somebody.email, "right password").refuse(401, "INVALID_CREDENTIALS");
    }
    let (somebody, elsewhere) = enter();
    admin.delete(&path(&somebody)).expect(204);
    assert!(out_after(&elsewhere, Instant::now()) < Duration::from_secs(1));
    let (somebody, elsewhere) = enter();
    elsewhere.get("/api/settings").refuse(403, "INSUFFICIENT_PERMISSIONS");
    admin.patch(&path(&somebody), &json!({ "role": "ADMIN" })).expect(200);
    wait_for("the new role counts", Duration::from_secs(10), || {
        (elsewhere.get("/api/settings").status == 200).then_some(())
    });
}

#[test]
fn five_wrong_passwords_lock_an_account_and_an_address_that_nobody_has_alike() {
    let app = App::start();
    let somebody = app.logged_in("USER");
    let admin = app.admin().client;
    let shown = |answer: Answer| {
        let body = answer.json();
        let detail: String = text(&body["detail"]).chars().filter(|letter| !letter.is_ascii_digit()).collect();
        let mut names: Vec<String> = answer.headers.iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        (answer.status, text(&body["code"]), detail, names)
    };
    let attack = |email: &str| (0..7).map(|_| shown(try_login(&app, email, "wrong password"))).collect::<Vec<_>>();
    let (known, unknown) = (attack(&somebody.email), attack("Nobody@example.org"));
    assert_eq!(known, unknown);
    let statuses: Vec<u16> = known.iter().map(|shown| shown.0).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 423, 423, 423]);
    let locked = try_login(&app, &somebody.email, "right password").refuse(423, "ACCOUNT_LOCKED");
    let seconds: u64 = locked.header("Retry-After").unwrap().parse().unwrap();
    assert!((800..=900).contains(&seconds), "{seconds}");
    let nobody = try_login(&app, "nobody@EXAMPLE.org", "right password").refuse(423, "ACCOUNT_LOCKED");
    let seconds: u64 = nobody.header("Retry-After").unwrap().parse().unwrap();
    assert!((800..=900).contains(&seconds), "{seconds}");
    somebody.client.get("/api/auth/me").expect(200);

    let path = format!("/api/users/{}", somebody.id);
    assert_eq!(admin.get(&path).expect(200).json()["failed_logins"], json!(5), "while it is locked nobody counts");
    admin.send("POST", &format!("{path}/unlock"), None).expect(204);
    app.login(&somebody.email, "right password");
    assert_eq!(admin.get(&path).expect(200).json()["failed_logins"], json!(0));
    (0..4).for_each(|_| drop(try_login(&app, &somebody.email, "wrong password").refuse(401, "INVALID_CREDENTIALS")));
    app.login(&somebody.email, "right password");
    try_login(&app, &somebody.email, "wrong password").refuse(401, "INVALID_CREDENTIALS");
    somebody.client.send("POST", &format!("{path}/unlock"), None).refuse(403, "INSUFFICIENT_PERMISSIONS");
    let gone = "/api/users/00000000-0000-0000-0000-000000000000/unlock";
    admin.send("POST", gone, None).refuse(404, "NOT_FOUND");
}

#[test]
fn a_login_takes_as_long_for_an_address_that_nobody_has() {
    // Not a race of the machine against itself: both kinds take turns, so that what else it does slows down both; the
    // median of fifteen forgets the outliers; and with ten rounds a hash takes a hundred times what a query does. For a
    // factor of 1.5, eight of fifteen of one kind would have to meet half a hash of bad luck, and the other kind none.
    let app = App::start_with(&[("BCRYPT_ROUNDS", "10")]);
    let somebody = app.logged_in("USER");
    let copies = "INSERT INTO identity.users (email, status, password_hash)
        SELECT 'known' || index || '@example.org', 'ACTIVE', password_hash
        FROM identity.users, generate_series(1, 15) AS index
        WHERE email = $1";
    app.database.client().execute(copies, &[&somebody.email]).unwrap();
    let time = |email: String| {
        let start = Instant::now();
        try_login(&app, &email, "wrong password").refuse(401, "INVALID_CREDENTIALS");
        start.elapsed()
    };
    let (mut known, mut unknown): (Vec<Duration>, Vec<Duration>) = (1..=15)
        .map(|index| (time(format!("known{index}@example.org")), time(format!("nobody{index}@example.org"))))
        .unzip();
    known.sort();
    unknown.sort();
    let factor = known[7].as_secs_f64() / unknown[7].as_secs_f64();
    assert!((1.0 / 1.5..1.5).contains(&factor), "{:?} and {:?}", known[7], unknown[7]);
}

#[test]
fn logins_are_limited_by_address_and_by_account() {
    let app = App::start_with(&[("RATE_LIMIT_LOGIN", "6")]);
    let statuses: Vec<u16> = (0..8).map(|index| try_login(&app, &format!("{index}@example.org"), "x").status).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 401, 429, 429], "one address, many accounts");
    let refused = try_login(&app, "x@example.org", "x").refuse(429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(refused.header("RateLimit-Limit"), Some("6"));
    for path in
        ["/api/auth/register", "/api/auth/forgot", "/api/auth/reset", "/api/auth/verify-email", "/api/auth/refresh"]
    {
        app.nobody().post(path, &json!({})).refuse(429, "RATE_LIMIT_EXCEEDED");
    }
    app.user().client.get("/api/teams").expect(200);

    let app = App::start_with(&[("RATE_LIMIT_LOGIN", "6"), ("TRUSTED_PROXIES", "127.0.0.1")]);
    let from = |address: String, email: &str| {
        let body = json!({ "email": email, "password": "x" });
        app.nobody().with("X-Forwarded-For", &address).post("/api/auth/login", &body).status
    };
    let statuses: Vec<u16> = (0..8).map(|index| from(format!("192.0.2.{index}"), "Same@example.org")).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 423, 423, 429, 429], "one account, many addresses");
    assert_eq!(from("192.0.2.99".to_owned(), "same@EXAMPLE.org"), 429);
    assert_eq!(from("192.0.2.99".to_owned(), "other@example.org"), 401);
    // Of IPv6 it is the network: a household has more addresses there than there are seconds.
    let statuses: Vec<u16> = (0..8).map(|index| from(format!("2001:db8::{index}"), &format!("{index}@x.yz"))).collect();
    assert_eq!(statuses[5..], [401, 429, 429]);
}

#[test]
fn who_makes_up_a_line_of_x_forwarded_for_is_limited_by_the_one_that_the_proxy_adds() {
    let app = App::start_with(&[("RATE_LIMIT_LOGIN", "6"), ("TRUSTED_PROXIES", "127.0.0.1")]);
    let login = |index: u8| {
        let lines = format!("203.0.113.{index}\r\nX-Forwarded-For: 192.0.2.7");
        let body = json!({ "email": format!("{index}@example.org"), "password": "x" });
        app.nobody().with("X-Forwarded-For", &lines).post("/api/auth/login", &body).status
    };
    assert_eq!((0..8).map(login).collect::<Vec<u16>>()[5..], [401, 429, 429]);
}

#[test]
fn neither_the_time_nor_a_header_tells_who_has_an_account() {
    let app = App::start();
    let somebody = app.logged_in("USER");
    let copies = "INSERT INTO identity.users (email, status, password_hash)
        SELECT 'known' || index || '@example.org', 'ACTIVE', password_hash
        FROM identity.users, generate_series(1, 61) AS index
        WHERE email = $1";
    app.database.client().execute(copies, &[&somebody.email]).unwrap();
    for path in ["/api/auth/forgot", "/api/auth/login"] {
        let time = |email: String| {
            let body = match path {
                "/api/auth/forgot" => json!({ "email": email }),
                _ => json!({ "email": email, "password": "wrong password" }),
            };
            let start = Instant::now();
            let answer = app.nobody().post(path, &body);
            let took = start.elapsed();
            assert_eq!(answer.header("Server-Timing"), None);
            // What is done after the reply is no part of the next one's time.
            thread::sleep(Duration::from_millis(5));
            took
        };
        let (mut known, mut unknown): (Vec<Duration>, Vec<Duration>) = (1..=61)
            .map(|index| (time(format!("known{index}@example.org")), time(format!("nobody{index}@example.org"))))
            .unzip();
        known.sort();
        unknown.sort();
        // Writing a row and committing it takes more than twice what everything else here does.
        let factor = known[20].as_secs_f64() / unknown[20].as_secs_f64();
        assert!((0.5..2.0).contains(&factor), "{path}: {:?} and {:?}", known[20], unknown[20]);
    }
}

#[test]
fn a_key_ends_sessions_only_if_it_says_so() {
    let app = App::start();
    let somebody = app.logged_in("USER");
    let made = somebody.client.post("/api/api-keys", &json!({ "name": "x", "permissions": ["read:teams"] }));
    let key = app.nobody().with("X-API-Key", &text(&made.expect(201).json()["key"]));
    key.send("POST", "/api/auth/logout-all", None).refuse(403, "INSUFFICIENT_PERMISSIONS");
    somebody.client.get("/api/auth/me").expect(200);
    let made = somebody.client.post("/api/api-keys", &json!({ "name": "x", "permissions": ["write:sessions"] }));
    let key = app.nobody().with("X-API-Key", &text(&made.expect(201).json()["key"]));
    key.send("POST", "/api/auth/logout-all", None).expect(204);
    wait_for("the session has ended", Duration::from_secs(10), || {
        (somebody.client.get("/api/auth/me").status == 401).then_some(())
    });
}
