//! Accounts: registration, addresses that are proved, passwords that are changed and forgotten, statistics.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::app::text;
use crate::support::client::Answer;
use crate::support::wait::wait_for;
use crate::support::{App, folder};

const PATIENCE: Duration = Duration::from_secs(20);

/// A server whose mails end up in a file.
struct Post {
    app: App,
    file: PathBuf,
}

impl Post {
    fn start() -> Post {
        let file = folder("mail").join("all");
        let command = format!("cat >> {}", file.display());
        Post { app: App::start_with(&[("MAIL_COMMAND", &command)]), file }
    }

    fn send(&self, path: &str, body: &Value) -> Answer {
        self.app.nobody().post(path, body)
    }

    /// The mails so far, as soon as there are so many.
    fn mails(&self, count: usize) -> Vec<String> {
        wait_for("the mails are there", PATIENCE, || {
            let all = fs::read_to_string(&self.file).unwrap_or_default();
            let mails: Vec<String> = all.split("From: ").skip(1).map(str::to_owned).collect();
            (mails.len() >= count && mails.last()?.ends_with(".\n")).then_some(mails)
        })
    }

    /// The token in the last of so many mails, which went to this address.
    fn token(&self, count: usize, to: &str) -> String {
        let mails = self.mails(count);
        let mail = mails.last().unwrap();
        assert!(mail.contains(&format!("To: {to}\n")) && mails.len() == count, "{mail}");
        mail.split_once("The token alone: ").unwrap().1.lines().next().unwrap().to_owned()
    }

    fn login(&self, email: &str, password: &str) -> Answer {
        self.send("/api/auth/login", &json!({ "email": email, "password": password }))
    }
}

#[test]
fn whoever_registers_comes_in_once_the_address_is_proved() {
    let post = Post::start();
    let body = json!({ "email": "New@example.org", "password": "a new password", "name": "Neo" });
    let told = post.send("/api/auth/register", &body).expect(202).json();
    let refused = post.login("new@example.org", "a new password").refuse(401, "INVALID_CREDENTIALS").json();
    assert!(text(&refused["detail"]).contains("not verified"), "{refused}");
    let wrong = post.login("new@example.org", "other password").refuse(401, "INVALID_CREDENTIALS").json();
    assert!(!text(&wrong["detail"]).contains("verified"), "only whoever knows the password is told more");
    let token = post.token(1, "New@example.org");
    post.send("/api/auth/reset", &json!({ "token": token, "password": "other password" }))
        .refuse(422, "VALIDATION_ERROR");
    post.send("/api/auth/verify-email", &json!({ "token": token })).expect(204);
    post.send("/api/auth/verify-email", &json!({ "token": token })).refuse(422, "VALIDATION_ERROR");
    let tokens = post.login("new@example.org", "a new password").expect(200).json();
    assert_eq!(tokens["role"], json!("USER"));
    let admin = post.app.admin().client;
    let user = admin.get("/api/users?email=new@example.org").expect(200).json()["data"][0].clone();
    assert_eq!((&user["name"], &user["status"]), (&json!("Neo"), &json!("ACTIVE")));
    assert!(user["email_verified_at"].is_string() && user["last_login"].is_string());

    // Whoever registers again learns nothing here; the owner of the address does, by mail.
    let again = json!({ "email": "NEW@example.org", "password": "an evil password" });
    assert_eq!(post.send("/api/auth/register", &again).expect(202).json(), told);
    let mails = post.mails(2);
    assert!(mails[1].contains("has an account already") && !mails[1].contains("token"), "{}", mails[1]);
    post.login("new@example.org", "an evil password").refuse(401, "INVALID_CREDENTIALS");
}

#[test]
fn registration_gives_no_rights_and_is_closed_where_it_is_not_open() {
    let post = Post::start();
    let body = json!({ "email": "a@b.cd", "password": "a new password" });
    for (field, value) in
        [("role", "ADMIN"), ("status", "ACTIVE"), ("id", "x"), ("password_hash", "x"), ("email_verified_at", "x")]
    {
        let mut body = body.clone();
        body[field] = json!(value);
        post.send("/api/auth/register", &body).refuse(422, "VALIDATION_ERROR");
    }
    for (email, password) in [
        ("nobody", "a new password"),
        ("a@b.cd\nBcc: x@y.z", "a new password"),
        ("a@b", "a new password"),
        ("", "a new password"),
        ("a@b.cd", "short"),
        ("a@b.cd", ""),
        ("a@b.cd", &"x".repeat(72)),
        ("a@b.cd", &"ä".repeat(36)),
    ] {
        let body = json!({ "email": email, "password": password });
        post.send("/api/auth/register", &body).refuse(422, "VALIDATION_ERROR");
    }
    for variables in [
        [("AUTH_REGISTRATION", "closed"), ("APP_ENV", "development")],
        [("AUTH_REGISTRATION", "closed"), ("APP_ENV", "test")],
    ] {
        let app = App::start_with(&[variables[0], variables[1], ("DB_AUTO_MIGRATE", "true")]);
        app.nobody().post("/api/auth/register", &body).refuse(403, "INSUFFICIENT_PERMISSIONS");
    }
}

#[test]
fn a_forgotten_password_is_set_anew_once_by_mail_and_ends_all_sessions() {
    let post = Post::start();
    let somebody = post.app.logged_in("USER");
    let (email, forgot) =
        (somebody.email.as_str(), |email: &str| post.send("/api/auth/forgot", &json!({ "email": email })));
    let told = forgot(email).expect(202).json();
    assert_eq!(forgot("nobody@example.org").expect(202).json(), told, "whether there is an account is told to nobody");
    let token = post.token(1, email);
    forgot(&email.to_uppercase()).expect(202);
    let newer = post.token(2, &email.to_uppercase());
    (0..5).for_each(|_| drop(post.login(email, "wrong password")));
    let reset =
        |token: &str, password: &str| post.send("/api/auth/reset", &json!({ "token": token, "password": password }));
    reset(&token, "short").refuse(422, "VALIDATION_ERROR");
    post.send("/api/auth/verify-email", &json!({ "token": token })).refuse(422, "VALIDATION_ERROR");
    for wrong in [&token[1..], &token.to_lowercase(), "x", &format!("{token}x"), &format!(" {token}")] {
        reset(wrong, "other password").refuse(422, "VALIDATION_ERROR");
    }
    reset(&token, "other password").expect(204);
    wait_for("the session has ended", Duration::from_secs(10), || {
        (somebody.client.get("/api/auth/me").status == 401).then_some(())
    });
    post.login(email, "right password").refuse(401, "INVALID_CREDENTIALS");
    post.login(email, "other password").expect(200);
    for used in [&token, &newer] {
        reset(used, "third password").refuse(422, "VALIDATION_ERROR");
    }
    forgot(email).expect(202);
    let late = post.token(3, email);
    post.app.database.client().execute("UPDATE identity.user_tokens SET expires_at = now()", &[]).unwrap();
    reset(&late, "third password").refuse(422, "VALIDATION_ERROR");
    post.login(email, "other password").expect(200);
}

#[test]
fn a_password_is_changed_by_whoever_knows_it_and_ends_the_other_sessions() {
    let app = App::start();
    let somebody = app.logged_in("USER");
    let other = app.login(&somebody.email, "right password");
    let other = app.nobody().with("Authorization", &format!("Bearer {}", text(&other["access_token"])));
    let change = |current: &str, new: &str| {
        somebody.client.post("/api/auth/password", &json!({ "current_password": current, "new_password": new }))
    };
    change("wrong password", "other password").refuse(401, "INVALID_CREDENTIALS");
    change("right password", "short").refuse(422, "VALIDATION_ERROR");
    change("right password", &"x".repeat(72)).refuse(422, "VALIDATION_ERROR");
    other.get("/api/auth/me").expect(200);
    change("right password", "other password").expect(204);
    wait_for("the other session has ended", Duration::from_secs(10), || {
        (other.get("/api/auth/me").status == 401).then_some(())
    });
    somebody.client.get("/api/auth/me").expect(200);
    app.login(&somebody.email, "other password");
    let keyed = app.user().client;
    let passwords = json!({ "current_password": "right password", "new_password": "other password" });
    keyed.post("/api/auth/password", &passwords).refuse(403, "INSUFFICIENT_PERMISSIONS");

    let admin = app.admin().client;
    let path = format!("/api/users/{}/password", somebody.id);
    keyed.post(&path, &json!({ "password": "third password" })).refuse(403, "INSUFFICIENT_PERMISSIONS");
    admin.post(&path, &json!({ "password": "third password" })).expect(204);
    wait_for("all sessions have ended", Duration::from_secs(10), || {
        (somebody.client.get("/api/auth/me").status == 401).then_some(())
    });
    app.login(&somebody.email, "third password");
    let gone = "/api/users/00000000-0000-0000-0000-000000000000/password";
    admin.post(gone, &json!({ "password": "third password" })).refuse(404, "NOT_FOUND");
}

#[test]
fn passwords_of_seventy_one_bytes_are_taken_whole_and_longer_ones_are_wrong() {
    let app = App::start();
    let admin = app.admin().client;
    for (index, password) in
        ["x".repeat(71), format!("{}x", "ä".repeat(35)), "pass\\word'\"$1 %00".to_owned(), "        ".to_owned()]
            .iter()
            .enumerate()
    {
        let email = format!("{index}@example.org");
        admin.post("/api/users", &json!({ "email": email, "password": password })).expect(201);
        app.login(&email, password);
        for wrong in
            [&password[..password.len() - 1], &format!("{password}x"), &password.to_uppercase(), &password.repeat(2)]
        {
            if wrong != password {
                let body = json!({ "email": email, "password": wrong });
                assert_ne!(app.nobody().post("/api/auth/login", &body).status, 200, "{wrong:?}");
            }
        }
    }
    let long = json!({ "email": "0@example.org", "password": "x".repeat(1025) });
    app.nobody().post("/api/auth/login", &long).refuse(422, "VALIDATION_ERROR");
}

#[test]
fn statistics_count_users_for_administrators_alone() {
    let app = App::start();
    let admin = app.admin();
    app.logged_in("USER");
    app.viewer();
    let statistics = admin.client.get("/api/users/statistics").expect(200).json();
    assert_eq!(statistics["by_role"], json!({ "ADMIN": 2, "USER": 1, "VIEWER": 1 }));
    assert_eq!((&statistics["total"], &statistics["active_sessions"]), (&json!(4), &json!(1)));
    assert_eq!((&statistics["active_api_keys"], &statistics["logged_in_in_24_hours"]), (&json!(3), &json!(1)));
    app.user().client.get("/api/users/statistics").refuse(403, "INSUFFICIENT_PERMISSIONS");
}

#[test]
fn a_new_password_names_the_keys_that_go_on_working_or_ends_them() {
    let app = App::start();
    let somebody = app.logged_in("USER");
    let made = somebody.client.post("/api/api-keys", &json!({ "name": "stolen?" })).expect(201).json();
    let key = app.nobody().with("X-API-Key", &text(&made["key"]));
    let body = json!({ "current_password": "right password", "new_password": "another password" });
    somebody.client.post("/api/auth/password", &body).expect(204);
    key.get("/api/auth/me").expect(200);
    let told = somebody.client.get("/api/notifications").expect(200).json()["data"].clone();
    assert_eq!(
        (&told[0]["type"], &told[0]["data"]),
        (&json!("users.password_changed"), &json!({ "api_keys": [made["id"]] }))
    );
    assert!(text(&told[0]["body"]).contains(&format!("stolen? ({}", text(&made["prefix"]))), "{told}");
    let body =
        json!({ "current_password": "another password", "new_password": "third password", "revoke_api_keys": true });
    somebody.client.post("/api/auth/password", &body).expect(204);
    wait_for("the key has ended", Duration::from_secs(10), || (key.get("/api/auth/me").status == 401).then_some(()));
    assert_eq!(somebody.client.get("/api/notifications").expect(200).json()["data"].as_array().unwrap().len(), 1);
}

#[test]
fn mails_that_were_not_sent_are_for_nobody_else_s_eyes() {
    let app = App::start();
    let somebody = app.logged_in("USER");
    app.nobody().post("/api/auth/forgot", &json!({ "email": somebody.email })).expect(202);
    let outbox = app.data().join("mail");
    let mail = wait_for("a mail", PATIENCE, || fs::read_dir(&outbox).ok()?.next()?.ok());
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&outbox), mode(&mail.path())), (0o700, 0o600));
}
