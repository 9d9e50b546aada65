//! `mainstay user`, `mainstay key` and `mainstay seed`, through the binary.

use serde_json::Value;

use crate::support::app::{App, text};
use crate::support::binary::{Run, command, mainstay};
use crate::support::database::{Database, migrated};

/// Runs a command on a database.
fn on(database: &Database, arguments: &[&str]) -> Run {
    mainstay(arguments, &[("DATABASE_URL", &database.pairs()), ("BCRYPT_ROUNDS", "4")])
}

fn json(run: &Run) -> Value {
    assert_eq!(run.code(), 0, "{}", run.said());
    serde_json::from_str(&run.text()).unwrap()
}

#[test]
fn a_user_is_made_listed_promoted_and_unlocked() {
    let database = migrated();
    let made = on(&database, &["user", "create", "ada@example.org", "--name", "Ada", "--json"]);
    assert!(made.said().contains("the password is "), "{}", made.said());
    assert_eq!(json(&made)[0]["role"], "USER");
    let again = on(&database, &["user", "create", "ADA@example.org"]);
    assert_eq!(again.code(), 1);
    assert!(again.said().contains("email is another user's"), "{}", again.said());
    json(&on(&database, &["user", "set-role", "ada@example.org", "admin", "--json"]));
    let lock = "UPDATE identity.users SET failed_logins = 5, locked_until = now() + interval '1 hour'";
    database.client().batch_execute(lock).unwrap();
    json(&on(&database, &["user", "unlock", "ada@example.org", "--json"]));
    let users = json(&on(&database, &["user", "list", "--json"]));
    assert_eq!((&users[0]["role"], &users[0]["locked_until"]), (&"ADMIN".into(), &Value::Null));
    assert!(on(&database, &["user", "list"]).text().contains("ada@example.org"));
}

#[test]
fn a_password_from_the_standard_input_is_the_one_that_logs_in() {
    use std::io::Write;
    let app = App::start();
    let pairs = app.database.pairs();
    let words = ["user", "create", "ada@example.org", "--password-stdin"];
    let mut command = command(&words, &[("DATABASE_URL", &pairs), ("BCRYPT_ROUNDS", "4")]);
    let mut child = command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"from the pipe\n").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(app.login("ada@example.org", "from the pipe")["role"], "USER");
}

#[test]
fn what_is_wrong_with_a_user_or_a_key_is_said_before_anything_is_made() {
    let database = migrated();
    let cases: [(&[&str], i32, &str); 6] = [
        (&["user", "create", "nobody"], 1, "must be an e-mail address"),
        (&["user", "create", "a@b.de", "--role", "king"], 2, "there is no role KING"),
        (&["user", "create", "a@b.de", "--role", "user", "--admin"], 2, "give one"),
        (&["user", "unlock", "a@b.de"], 1, "there is no user a@b.de"),
        (&["key", "create", "ci"], 2, "--user says whose key it is"),
        (&["key", "create", "ci", "--user", "a@b.de", "--permissions", "fly"], 2, "\"fly\" is no permission"),
    ];
    for (words, code, hint) in cases {
        let run = on(&database, words);
        assert_eq!(run.code(), code, "{words:?}: {}", run.said());
        assert!(run.said().contains(hint), "{words:?}: {}", run.said());
    }
    assert_eq!(json(&on(&database, &["user", "list", "--json"])), Value::Array(Vec::new()));
}

#[test]
fn a_key_from_the_command_line_works_is_rotated_and_revoked() {
    let app = App::start();
    let database = &app.database;
    let admin = app.admin();
    let created = on(database, &["key", "create", "ci", "--user", &admin.email, "--permissions", "read:users"]);
    let key = created.text().trim().to_owned();
    let status = |key: &str| app.nobody().with("X-API-Key", key).get("/api/users").status;
    assert_eq!(status(&key), 200);
    let rotated = json(&on(database, &["key", "rotate", &key[..12], "--overlap", "1h", "--json"]));
    let new = text(&rotated["key"]);
    assert_eq!((status(&key), status(&new)), (200, 200));
    let again = on(database, &["key", "rotate", &key[..12]]);
    assert!(again.code() == 1 && again.said().contains("replaced already"), "{}", again.said());
    assert_eq!(on(database, &["key", "revoke", &new[..12]]).code(), 0);
    crate::support::wait::wait_for("the key stops", std::time::Duration::from_secs(10), || {
        (status(&new) == 401).then_some(())
    });
    let keys = json(&on(database, &["key", "list", "--user", &admin.email, "--json"]));
    assert!(!keys.to_string().contains(&new[12..]), "a key is shown twice");
}

#[test]
fn the_seed_is_planted_once_and_never_in_production() {
    let database = migrated();
    let lines = |run: Run| run.text().lines().map(str::to_owned).collect::<Vec<_>>();
    let (first, second) = (lines(on(&database, &["seed"])), lines(on(&database, &["seed"])));
    assert!(first.iter().all(|line| line.contains(" made ")), "{first:?}");
    assert!(second.iter().all(|line| line.contains(" was there already: ")), "{second:?}");
    assert_eq!((first.len(), second.len()), (5, 5), "an administrator, two routes, a webhook and the catalogue");
    let variables = [("DATABASE_URL", database.pairs()), ("APP_ENV", "production".to_owned())];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let run = mainstay(&["seed"], &variables);
    assert!(run.code() == 1 && run.said().contains("not in production"), "{}", run.said());
}

#[test]
fn a_database_without_the_tables_says_what_to_run() {
    let database = crate::support::database();
    let run = on(&database, &["user", "list"]);
    assert!(run.code() == 1 && run.said().contains("run `mainstay migrate`"), "{}", run.said());
}

#[test]
fn an_administrator_who_is_named_by_address_alone_has_a_key_and_no_password() {
    let app = App::start_with(&[("CREATE_ADMIN_API_KEY", "true"), ("ADMIN_USER_ID", "admin@company.com")]);
    let key = std::fs::read_to_string(app.data().join("admin_api_key")).unwrap();
    let me = app.nobody().with("X-API-Key", key.trim()).get("/api/auth/me").expect(200).json();
    assert_eq!((text(&me["email"]), text(&me["role"])), ("admin@company.com".to_owned(), "ADMIN".to_owned()));
    let login = serde_json::json!({ "email": "admin@company.com", "password": "" });
    assert!(app.nobody().post("/api/auth/login", &login).status >= 400);
}

#[test]
fn the_first_start_makes_the_administrator_and_the_key_that_it_is_told_to() {
    let variables =
        [("ADMIN_EMAIL", "root@example.org"), ("ADMIN_PASSWORD", "first secret"), ("CREATE_ADMIN_API_KEY", "true")];
    let mut app = App::start_with(&variables);
    assert_eq!(app.login("root@example.org", "first secret")["role"], "ADMIN");
    let path = app.data().join("admin_api_key");
    let key = std::fs::read_to_string(&path).unwrap();
    app.nobody().with("X-API-Key", key.trim()).get("/api/settings").expect(200);
    app.restart();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), key, "a second start makes nothing");
    let keys = app.nobody().with("X-API-Key", key.trim()).get("/api/api-keys?total=true").expect(200).json();
    assert_eq!(keys["page"]["total"], 1);
}
