//! Writes: versions and who wins, what is replaced, merged, fixed and cleared, and what nobody sets.

use serde_json::{Value, json};

use super::specimen::Specimens;
use super::{at_once, column};
use crate::support::App;
use crate::support::app::text;
use crate::support::client::Client;

fn team(client: &Client, slug: &str) -> String {
    let made = client.post("/api/teams", &json!({ "name": slug, "slug": slug })).expect(201);
    made.header("Location").unwrap().to_owned()
}

#[test]
fn of_fifty_changes_of_the_same_version_at_once_exactly_one_wins() {
    let app = App::start();
    let user = app.user().client;
    let path = team(&user, "x");
    let change = |index: usize| {
        let user = user.with("If-Match", "\"1\"");
        match index % 3 {
            0 => user.patch(&path, &json!({ "name": format!("{index}") })),
            1 => user.put(&path, &json!({ "name": format!("{index}"), "slug": "x" })),
            _ => user.patch(&path, &json!({ "metadata": { "by": index } })),
        }
    };
    let answers = at_once(50, change);
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), won[0].header("ETag")), (1, Some("\"2\"")));
    for answer in lost {
        let answer = answer.refuse(412, "PRECONDITION_FAILED");
        assert_eq!(answer.header("ETag"), Some("\"2\""), "the loser learns the version that there is");
    }
    assert_eq!(user.get(&path).expect(200).json(), won[0].json());
}

#[test]
fn fifty_who_read_change_and_write_until_they_win_lose_no_update() {
    let app = App::start();
    let user = app.user().client;
    let path = team(&user, "x");
    user.patch(&path, &json!({ "metadata": { "count": 0 } })).expect(200);
    at_once(50, |_| {
        loop {
            let read = user.get(&path).expect(200);
            let count = read.json()["metadata"]["count"].as_i64().unwrap();
            let answer = user
                .with("If-Match", read.header("ETag").unwrap())
                .patch(&path, &json!({ "metadata": { "count": count + 1 } }));
            match answer.status {
                200 => return,
                412 => {}
                status => panic!("{status}: {}", answer.text()),
            }
        }
    });
    let team = user.get(&path).expect(200).json();
    assert_eq!((&team["metadata"]["count"], &team["version"]), (&json!(50), &json!(52)));
}

#[test]
fn if_match_is_a_version_or_any_and_works_for_every_verb_that_changes() {
    let app = App::start();
    let user = app.user().client;
    let path = team(&user, "x");
    let body = json!({ "name": "y", "slug": "x" });
    for nonsense in ["1", "x", "\"1", "1\"", "\"1\", \"2\"", "W/1"] {
        user.with("If-Match", nonsense).patch(&path, &body).refuse(400, "MALFORMED_REQUEST");
    }
    for stale in ["\"2\"", "\"0\"", "\"-1\"", "\"x\"", "\"\"", "W/\"1\"", "\"99999999999\""] {
        let user = user.with("If-Match", stale);
        user.patch(&path, &body).refuse(412, "PRECONDITION_FAILED");
        user.put(&path, &body).refuse(412, "PRECONDITION_FAILED");
        user.delete(&path).refuse(412, "PRECONDITION_FAILED");
    }
    let gone = "/api/teams/00000000-0000-0000-0000-000000000000";
    user.with("If-Match", "\"1\"").patch(gone, &body).refuse(404, "NOT_FOUND");
    user.with("If-Match", "*").patch(&path, &body).expect(200);
    user.with("If-Match", "\"2\"").put(&path, &body).expect(200);
    user.with("If-Match", "\"3\"").delete(&path).expect(204);
    user.with("If-Match", "*").delete(&path).refuse(404, "NOT_FOUND");
    let query = "/api/teams?slug=x";
    user.with("If-Match", "\"1\"").delete(query).refuse(400, "MALFORMED_REQUEST");
    user.with("If-Match", "\"1\"").patch(query, &json!({ "name": "z" })).refuse(400, "MALFORMED_REQUEST");
}

#[test]
fn a_resource_may_demand_that_changes_name_a_version() {
    let zoo = Specimens::serve();
    let path = zoo.make(&json!({ "name": "x" }));
    let body = json!({ "name": "y" });
    zoo.client.patch(&path, &body).refuse(428, "PRECONDITION_REQUIRED");
    zoo.client.put(&path, &body).refuse(428, "PRECONDITION_REQUIRED");
    zoo.client.delete(&path).refuse(428, "PRECONDITION_REQUIRED");
    zoo.client.with("If-Match", "\"1\"").patch(&path, &body).expect(200);
    zoo.client.with("If-Match", "\"2\"").delete(&path).expect(204);
}

#[test]
fn what_the_client_has_already_is_not_sent_again() {
    let app = App::start();
    let user = app.user().client;
    let path = team(&user, "x");
    for tag in ["\"1\"", "W/\"1\"", "*", "\"7\", \"1\"", "\"x\" , W/\"1\""] {
        let answer = user.with("If-None-Match", tag).get(&path).expect(304);
        assert_eq!((answer.header("ETag"), answer.body.len()), (Some("\"1\""), 0), "{tag}");
        assert_eq!((answer.header("Content-Length"), answer.header("Content-Type")), (None, None));
    }
    for tag in ["\"2\"", "\"\"", "\"x\"", ""] {
        user.with("If-None-Match", tag).get(&path).expect(200);
    }
    user.patch(&path, &json!({ "name": "y" })).expect(200);
    user.with("If-None-Match", "\"1\"").get(&path).expect(200);
}

#[test]
fn patch_keeps_what_is_not_named_and_null_clears_while_put_begins_anew() {
    let zoo = Specimens::serve();
    let all =
        json!({ "name": "x", "count": 1, "size": 7, "color": "red", "days": ["mo"], "about": {"a": 1}, "anything": 1 });
    let path = zoo.make(&all);
    let zoo = zoo.client.with("If-Match", "*");
    let merged = zoo.patch(&path, &json!({ "count": null, "color": null, "about": {"b": 2} })).expect(200).json();
    let seen = |row: &Value| {
        [&row["name"], &row["count"], &row["size"], &row["color"], &row["days"], &row["about"]].map(Clone::clone)
    };
    assert_eq!(seen(&merged), [json!("x"), json!(null), json!(7), json!(null), json!(["mo"]), json!({"b": 2})]);
    assert_eq!(zoo.patch(&path, &json!({})).expect(200).json()["name"], json!("x"), "nothing is a change too");
    for field in ["name", "size", "about"] {
        let answer = zoo.patch(&path, &json!({ field: null })).refuse(422, "VALIDATION_ERROR").json();
        assert_eq!(answer["fields"], json!([{ "field": field, "message": "must not be null" }]));
    }
    let replaced = zoo.put(&path, &json!({ "name": "y" })).expect(200).json();
    assert_eq!(seen(&replaced), [json!("y"), json!(null), json!(0), json!(null), json!(null), json!({})]);
    assert_eq!(replaced["id"], merged["id"]);
    zoo.put(&path, &json!({ "count": 1 })).refuse(422, "VALIDATION_ERROR");
}

#[test]
fn nobody_sets_what_mainstay_sets_and_only_administrators_what_is_theirs_to_set() {
    let app = App::start();
    let (admin, user) = (app.admin(), app.user());
    let path = format!("/api/users/{}", user.id);
    for (field, value) in [
        ("id", json!("00000000-0000-0000-0000-000000000000")),
        ("version", json!(99)),
        ("created_at", json!("2020-01-01T00:00:00Z")),
        ("updated_at", json!("2020-01-01T00:00:00Z")),
        ("enabled", json!(true)),
        ("failed_logins", json!(0)),
        ("locked_until", json!(null)),
        ("last_login", json!("2020-01-01T00:00:00Z")),
        ("email_verified_at", json!("2020-01-01T00:00:00Z")),
        ("password_hash", json!("$2b$04$x")),
        ("password", json!("another password")),
        ("sso_subject", json!("somebody")),
    ] {
        for client in [&admin.client, &user.client] {
            let refused = client.patch(&path, &json!({ field: value })).refuse(422, "VALIDATION_ERROR").json();
            assert_eq!(refused["fields"][0]["field"], json!(field));
        }
    }
    for (field, value) in [("role", json!("ADMIN")), ("status", json!("ACTIVE")), ("email", json!("a@example.org"))] {
        let refused = user.client.patch(&path, &json!({ field: value })).refuse(422, "VALIDATION_ERROR").json();
        assert_eq!(refused["fields"][0]["message"], json!("may only be set by an administrator"));
        user.client.put(&path, &json!({ field: value })).refuse(422, "VALIDATION_ERROR");
        user.client.patch("/api/users?name=x", &json!({ field: value })).refuse(422, "VALIDATION_ERROR");
        let batch = json!({ "operations": [{ "method": "PATCH", "path": path, "body": { field: value } }] });
        user.client.post("/api/batch", &batch).refuse(422, "VALIDATION_ERROR");
    }
    let user_row = user.client.put(&path, &json!({ "name": "me" })).expect(200).json();
    assert_eq!(
        (&user_row["role"], &user_row["status"], &user_row["name"]),
        (&json!("USER"), &json!("ACTIVE"), &json!("me"))
    );
    let team = json!({ "name": "x", "slug": "x", "created_by": admin.id });
    user.client.post("/api/teams", &team).refuse(422, "VALIDATION_ERROR");
    for field in ["prefix", "key_hash", "revoked_at", "replaced_by", "last_used_at", "key"] {
        let key = json!({ "name": "x", field: null });
        user.client.post("/api/api-keys", &key).refuse(422, "VALIDATION_ERROR");
    }
}

#[test]
fn what_is_fixed_is_set_once() {
    let app = App::start();
    let owner = app.user();
    let other = app.user();
    let path = team(&owner.client, "x");
    let id = path.rsplit_once('/').unwrap().1;
    let member = json!({ "team_id": id, "user_id": other.id });
    let made = owner.client.post("/api/team-members", &member).expect(201);
    let path = made.header("Location").unwrap();
    for field in ["team_id", "user_id"] {
        let refused = owner.client.patch(path, &json!({ field: member[field] })).refuse(422, "VALIDATION_ERROR").json();
        assert_eq!(refused["fields"], json!([{ "field": field, "message": "cannot be changed" }]));
    }
    let replaced = owner.client.put(path, &json!({ "role": "OWNER" })).expect(200).json();
    assert_eq!((&replaced["user_id"], &replaced["role"]), (&member["user_id"], &json!("OWNER")));
}

#[test]
fn a_broken_rule_names_its_field_and_what_is_wrong() {
    let app = App::start();
    let (admin, user) = (app.admin(), app.user());
    team(&user.client, "taken");
    let conflict = |answer: crate::support::client::Answer| {
        let fault = answer.refuse(409, "CONFLICT").json()["fields"][0].clone();
        format!("{} {}", text(&fault["field"]), text(&fault["message"]))
    };
    let team = json!({ "name": "x", "slug": "taken" });
    assert_eq!(conflict(user.client.post("/api/teams", &team)), "slug is another team's");
    let email = json!({ "email": user.email.to_uppercase() });
    assert_eq!(conflict(admin.client.post("/api/users", &email)), "email is another user's");
    let nobody = "00000000-0000-0000-0000-000000000000";
    let member = json!({ "team_id": nobody, "user_id": user.id });
    assert_eq!(conflict(admin.client.post("/api/team-members", &member)), "team_id is no team");
    let key = json!({ "name": "x", "user_id": nobody });
    assert_eq!(conflict(admin.client.post("/api/api-keys", &key)), "user_id is no user");
    let half = json!({ "email": "sso@example.org", "sso_provider": "google" });
    let fault = admin.client.post("/api/users", &half).refuse(422, "VALIDATION_ERROR").json()["fields"][0].clone();
    assert_eq!(fault["field"], json!("sso_subject"));
    let settings = admin.client.get("/api/users?email=sso@example.org").expect(200).json();
    assert!(column(&settings, "id").is_empty());
}

#[test]
fn of_forty_rows_made_at_once_with_one_name_there_is_one_in_the_end() {
    let app = App::start();
    let user = app.user().client;
    let answers = at_once(40, |_| user.post("/api/teams", &json!({ "name": "x", "slug": "x" })).status);
    assert_eq!(answers.iter().filter(|status| **status == 201).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 409).count(), 39, "{answers:?}");
}

#[test]
fn every_text_field_of_every_resource_keeps_what_sql_would_choke_on() {
    let app = App::start();
    let (admin, user) = (app.admin().client, app.user());
    let team_id = team(&user.client, "t").rsplit_once('/').unwrap().1.to_owned();
    for nasty in [
        "'; DROP TABLE identity.users; --",
        "\" OR \"\"=\"",
        "$1",
        "$$; SELECT 1; $$",
        "\\'; --",
        "%s{}%n",
        "1); DELETE FROM x",
        "\u{202e}\u{0301}😀",
        "${jndi:ldap://x}",
        "<script>alert(1)</script>",
        "..//..//etc",
        "' UNION SELECT password_hash",
    ] {
        let metadata = json!({ nasty: nasty });
        let bodies = [
            (
                "users",
                json!({ "email": format!("{}@example.org", uuid::Uuid::now_v7()), "name": nasty, "metadata": metadata,
                "sso_provider": nasty, "sso_subject": format!("{nasty}{}", uuid::Uuid::now_v7()) }),
            ),
            ("teams", json!({ "name": nasty, "slug": format!("t-{}", uuid::Uuid::now_v7()), "metadata": metadata })),
            ("api-keys", json!({ "name": nasty, "metadata": metadata })),
            ("settings", json!({ "key": nasty, "value": metadata, "description": nasty })),
        ];
        for (collection, body) in bodies {
            let made = admin.post(&format!("/api/{collection}"), &body).expect(201);
            let path = made.header("Location").unwrap();
            let read = admin.get(path).expect(200).json();
            for (field, sent) in body.as_object().unwrap() {
                assert_eq!(&read[field], sent, "{collection} {field}");
            }
            let name = if collection == "settings" { "description" } else { "name" };
            let changed = admin.patch(path, &json!({ name: format!("{nasty}{nasty}") })).expect(200).json();
            assert_eq!(changed[name], json!(format!("{nasty}{nasty}")));
            let found = admin.get(&format!("/api/{collection}?{name}={}", super::encoded(&format!("{nasty}{nasty}"))));
            assert_eq!(column(&found.expect(200).json(), "id"), [text(&read["id"])], "{collection}");
        }
        for body in [json!({ "email": nasty, "password": nasty }), json!({ "email": "a@b.cd", "password": nasty })] {
            let status = app.nobody().post("/api/auth/login", &body).status;
            assert!(matches!(status, 401 | 423), "{status}");
        }
        admin.get(&format!("/api/teams/{}", super::encoded(nasty))).refuse(404, "NOT_FOUND");
        app.nobody().with("X-API-Key", nasty.split('\u{202e}').next().unwrap()).get("/api/teams");
        let member = json!({ "team_id": team_id, "user_id": nasty });
        user.client.post("/api/team-members", &member).refuse(422, "VALIDATION_ERROR");
    }
}
