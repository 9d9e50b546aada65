//! Trials (`Prefer: tx=rollback`), which leave no trace, and changes of many rows at once, which are all or none.

use serde_json::{Value, json};

use super::column;
use super::specimen::Specimens;
use crate::support::App;
use crate::support::app::text;

/// All that there is in the tables that requests write.
fn everything(app: &App) -> Vec<String> {
    let tables = [
        "identity.users",
        "identity.teams",
        "identity.team_members",
        "identity.api_keys",
        "identity.sessions",
        "identity.user_tokens",
        "ops.settings",
        "ops.idempotency_keys",
    ];
    let mut client = app.database.client();
    // Being used is written when it happens, trial or not.
    let columns = "to_jsonb(t) - 'last_used_at'";
    let mut read = |table: &&str| -> Vec<String> {
        let rows = client.query(&format!("SELECT ({columns})::text FROM {table} AS t ORDER BY id"), &[]).unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    tables.iter().flat_map(&mut read).collect()
}

#[test]
fn a_trial_of_every_kind_of_write_answers_as_the_write_would_and_leaves_no_trace() {
    let app = App::start();
    let admin = app.admin();
    let (user, other) = (app.user(), app.user());
    let team = user.client.post("/api/teams", &json!({ "name": "x", "slug": "x" })).expect(201).json();
    let (team, key) =
        (text(&team["id"]), user.client.post("/api/api-keys", &json!({ "name": "k" })).expect(201).json());
    let key = text(&key["id"]);
    let operations = json!([
        { "method": "POST", "path": "/api/teams", "body": { "name": "b", "slug": "b" } },
        { "method": "DELETE", "path": format!("/api/teams/{team}") },
    ]);
    let before = everything(&app);
    let attempts = [
        (&user, "POST", "/api/teams".to_owned(), json!({ "name": "y", "slug": "y" }), 201),
        (&user, "PATCH", format!("/api/teams/{team}"), json!({ "name": "y" }), 200),
        (&user, "PUT", format!("/api/teams/{team}"), json!({ "name": "y", "slug": "y" }), 200),
        (&user, "DELETE", format!("/api/teams/{team}"), json!(null), 204),
        (&user, "PATCH", "/api/teams?slug=x".to_owned(), json!({ "name": "y" }), 200),
        (&user, "DELETE", "/api/teams?slug=x".to_owned(), json!(null), 200),
        (&user, "POST", "/api/team-members".to_owned(), json!({ "team_id": team, "user_id": other.id }), 201),
        (&user, "POST", "/api/api-keys".to_owned(), json!({ "name": "k" }), 201),
        (&user, "POST", format!("/api/api-keys/{key}/rotate"), json!({}), 201),
        (&user, "POST", format!("/api/api-keys/{key}/revoke"), json!(null), 204),
        (&user, "DELETE", format!("/api/api-keys/{key}"), json!(null), 204),
        (&user, "POST", "/api/batch".to_owned(), json!({ "operations": operations }), 200),
        (&admin, "POST", "/api/users".to_owned(), json!({ "email": "a@b.cd", "password": "a password" }), 201),
        (&admin, "PATCH", format!("/api/users/{}", user.id), json!({ "role": "VIEWER" }), 200),
        (&admin, "DELETE", format!("/api/users/{}", user.id), json!(null), 204),
        (&admin, "POST", format!("/api/users/{}/password", user.id), json!({ "password": "a password" }), 204),
        (&admin, "POST", format!("/api/users/{}/unlock", user.id), json!(null), 204),
        (&admin, "POST", format!("/api/users/{}/logout", user.id), json!(null), 204),
        (&admin, "POST", "/api/settings".to_owned(), json!({ "key": "x", "value": 1 }), 201),
    ];
    for (who, method, path, body, status) in &attempts {
        let client = who.client.with("Prefer", "tx=rollback");
        let body = (!body.is_null()).then(|| body.to_string());
        let answer = client.send(method, path, body.as_ref().map(String::as_bytes)).expect(*status);
        assert_eq!(answer.header("Preference-Applied"), Some("tx=rollback"), "{method} {path}");
        assert_eq!(everything(&app), before, "{method} {path}");
    }
    user.client.get("/api/teams").expect(200);
    for (who, method, path, body, status) in &attempts[..1] {
        let answer = who.client.send(method, path, Some(body.to_string().as_bytes())).expect(*status);
        assert_eq!(answer.header("Preference-Applied"), None);
        assert_ne!(everything(&app), before);
    }
}

#[test]
fn a_trial_finds_what_the_database_would_refuse_even_what_it_checks_only_in_the_end() {
    let app = App::start();
    let user = app.user().client;
    user.post("/api/teams", &json!({ "name": "x", "slug": "x" })).expect(201);
    let trial = user.with("Prefer", "tx=rollback");
    trial.post("/api/teams", &json!({ "name": "y", "slug": "x" })).refuse(409, "CONFLICT");
    trial.post("/api/teams", &json!({ "name": "y", "slug": "X" })).refuse(422, "VALIDATION_ERROR");
    trial.delete("/api/teams/00000000-0000-0000-0000-000000000000").refuse(404, "NOT_FOUND");
    trial.with("If-Match", "\"7\"").delete("/api/teams?slug=x").refuse(400, "MALFORMED_REQUEST");

    let zoo = Specimens::serve();
    zoo.make(&json!({ "name": "x", "size": 7 }));
    let trial = zoo.client.with("Prefer", "tx=rollback");
    for client in [&trial, &zoo.client] {
        let refused = client.post("/api/specimens", &json!({ "name": "y", "size": 7 })).refuse(409, "CONFLICT");
        assert!(refused.header("Preference-Applied").is_none());
    }
    trial.post("/api/specimens", &json!({ "name": "y", "size": 8 })).expect(201);
    assert_eq!(zoo.names(""), ["x"]);
}

#[test]
fn what_cannot_be_tried_says_so_instead_of_doing_it() {
    let app = App::start();
    let user = app.logged_in("USER");
    let trial = user.client.with("Prefer", "tx=rollback");
    let passwords = json!({ "current_password": "right password", "new_password": "other password" });
    trial.post("/api/auth/password", &passwords).refuse(400, "MALFORMED_REQUEST");
    trial.send("POST", "/api/auth/logout", None).refuse(400, "MALFORMED_REQUEST");
    trial.send("POST", "/api/auth/logout-all", None).refuse(400, "MALFORMED_REQUEST");
    let nobody = app.nobody().with("Prefer", "tx=rollback");
    let credentials = json!({ "email": user.email, "password": "right password" });
    nobody.post("/api/auth/login", &credentials).refuse(400, "MALFORMED_REQUEST");
    nobody.post("/api/auth/register", &credentials).refuse(400, "MALFORMED_REQUEST");
    user.client.get("/api/auth/me").expect(200);
    trial.get("/api/auth/me").expect(200);
    app.login(&user.email, "right password");
}

#[test]
fn preferences_that_nobody_knows_are_ignored_and_wrong_ones_are_not() {
    let app = App::start();
    let user = app.user().client;
    let post = |prefer: &str, slug: &str| {
        user.with("Prefer", prefer).post("/api/teams", &json!({ "name": "x", "slug": slug }))
    };
    assert_eq!(post("return=minimal, respond-async", "a").expect(201).header("Preference-Applied"), None);
    for prefer in ["tx=commit", "tx=", "max-affected=x", "max-affected=-1", "max-affected=", "max-affected=1.5"] {
        post(prefer, "b").refuse(400, "MALFORMED_REQUEST");
    }
    for prefer in ["return=minimal,tx=rollback", "tx=\"rollback\"", " tx = rollback ", "max-affected=1, tx=rollback"] {
        assert_eq!(post(prefer, "b").expect(201).header("Preference-Applied"), Some("tx=rollback"), "{prefer}");
    }
    assert_eq!(column(&user.get("/api/teams").expect(200).json(), "slug"), ["a"]);
}

#[test]
fn many_rows_are_changed_or_deleted_by_a_filter_or_none_are() {
    let zoo = Specimens::serve();
    for index in 0..10 {
        zoo.make(&json!({ "name": format!("{index}"), "count": index, "about": { "odd": index % 2 == 1 } }));
    }
    let many = |client: &crate::support::client::Client, method: &str, query: &str, body: Value| {
        let body = (!body.is_null()).then(|| body.to_string());
        client.send(method, &format!("/api/specimens?{query}"), body.as_ref().map(String::as_bytes))
    };
    let all = zoo.client.get("/api/specimens").expect(200).json();
    let limited = |max: u32| zoo.client.with("Prefer", &format!("max-affected={max}"));
    for client in [limited(4), limited(0)] {
        let refused = many(&client, "DELETE", "about.odd=true", json!(null)).refuse(400, "MALFORMED_REQUEST").json();
        assert!(text(&refused["detail"]).contains("nothing was changed"), "{refused}");
        many(&client, "PATCH", "about.odd=true", json!({ "color": "red" })).refuse(400, "MALFORMED_REQUEST");
    }
    for query in [
        "",
        "limit=1",
        "count=1&limit=1",
        "count=1&sort=id",
        "count=1&cursor=x",
        "count=1&page=1",
        "count=1&fields=id",
        "count=1&total=true",
        "nonsense=1",
        "count=x",
    ] {
        many(&zoo.client, "DELETE", query, json!(null)).refuse(400, "MALFORMED_REQUEST");
        many(&zoo.client, "PATCH", query, json!({ "color": "red" })).refuse(400, "MALFORMED_REQUEST");
    }
    many(&zoo.client, "PATCH", "count=1", json!({ "color": "blue" })).refuse(422, "VALIDATION_ERROR");
    many(&zoo.client, "PATCH", "count__in=1,2", json!({ "size": 5 })).refuse(409, "CONFLICT");
    let trial = zoo.client.with("Prefer", "tx=rollback, max-affected=10");
    assert_eq!(many(&trial, "DELETE", "id__null=false", json!(null)).expect(200).json(), json!({ "affected": 10 }));
    assert_eq!(zoo.client.get("/api/specimens").expect(200).json(), all, "nothing has changed so far");

    let changed =
        many(&limited(5), "PATCH", "about.odd=true", json!({ "color": "red", "count": null })).expect(200).json();
    assert_eq!(changed, json!({ "affected": 5 }));
    assert_eq!(zoo.names("color=red&sort=id"), ["1", "3", "5", "7", "9"]);
    assert_eq!(zoo.names("count__null=true&sort=-id"), ["9", "7", "5", "3", "1"]);
    assert_eq!(many(&zoo.client, "DELETE", "color=red", json!(null)).expect(200).json(), json!({ "affected": 5 }));
    assert_eq!(many(&zoo.client, "DELETE", "color=red", json!(null)).expect(200).json(), json!({ "affected": 0 }));
    assert_eq!(zoo.names("sort=id"), ["0", "2", "4", "6", "8"]);
}

#[test]
fn of_many_rows_one_may_see_but_not_change_none_is_changed() {
    let app = App::start();
    let (owner, member) = (app.user(), app.user());
    let made = |client: &crate::support::client::Client, slug: &str| {
        text(&client.post("/api/teams", &json!({ "name": "same", "slug": slug })).expect(201).json()["id"])
    };
    let theirs = made(&owner.client, "theirs");
    made(&member.client, "own");
    owner.client.post("/api/team-members", &json!({ "team_id": theirs, "user_id": member.id })).expect(201);
    for method in ["DELETE", "PATCH"] {
        let body = (method == "PATCH").then_some(b"{\"name\": \"x\"}".as_slice());
        let refused = member.client.send(method, "/api/teams?name=same", body).refuse(403, "INSUFFICIENT_PERMISSIONS");
        assert!(refused.text().contains("nothing was changed"), "{}", refused.text());
    }
    assert_eq!(column(&member.client.get("/api/teams").expect(200).json(), "name"), ["same", "same"]);
    let changed = member.client.patch("/api/teams?slug=own", &json!({ "name": "x" })).expect(200).json();
    assert_eq!(changed["affected"], json!(1));
    let stranger = app.user().client.delete("/api/teams?name=same").expect(200).json();
    assert_eq!(stranger, json!({ "affected": 0 }), "what one does not see is not meant");
}
