//! API keys: made, used, bounded, rotated, revoked, deleted, and never a way to more.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::App;
use crate::support::app::{Somebody, text};
use crate::support::client::{Answer, Client};
use crate::support::wait::wait_for;

fn with_key(app: &App, made: &Value) -> Client {
    app.nobody().with("X-API-Key", &text(&made["key"]))
}

fn make(client: &Client, permissions: &[&str]) -> Answer {
    client.post("/api/api-keys", &json!({ "name": "x", "permissions": permissions }))
}

fn path(made: &Value) -> String {
    format!("/api/api-keys/{}", text(&made["id"]))
}

/// Waits until none of the clients is admitted any more. Without being told, a server remembers for longer than this.
#[track_caller]
fn all_out(clients: &[&Client]) {
    for client in clients {
        wait_for("the key works no more", Duration::from_secs(10), || {
            (client.get("/api/auth/me").status == 401).then_some(())
        });
    }
    clients.iter().for_each(|client| drop(client.get("/api/auth/me").refuse(401, "INVALID_API_KEY")));
}

#[test]
fn a_key_is_shown_once_works_in_two_headers_and_says_when_it_was_used() {
    let app = App::start();
    let user = app.user();
    let made = make(&user.client, &["read:teams"]).expect(201);
    let body = made.json();
    let key = text(&body["key"]);
    assert!(key.len() == 53 && key.starts_with("ctm_") && body["prefix"] == json!(key[..12]), "{body}");
    assert_eq!((&body["user_id"], made.header("ETag")), (&json!(user.id), Some("\"1\"")));
    assert_eq!(made.header("Location"), Some(path(&body).as_str()));
    for (name, value) in [
        ("X-API-Key", key.clone()),
        ("Authorization", format!("Bearer {key}")),
        ("authorization", format!("bearer  {key}")),
    ] {
        app.nobody().with(name, &value).get("/api/teams").expect(200);
    }
    let read = user.client.get(&path(&body)).expect(200);
    assert!(!read.text().contains(&key[12..]) && read.json()["last_used_at"].is_string(), "{}", read.text());
    assert!(!user.client.get("/api/api-keys").expect(200).text().contains(&key[12..]));
    let kept = "SELECT key_hash = sha256(convert_to($1, 'UTF8')) FROM identity.api_keys WHERE prefix = left($1, 12)";
    assert!(
        app.database.client().query_one(kept, &[&key]).unwrap().get::<_, bool>(0),
        "of the key there is only a hash"
    );
    let me = with_key(&app, &body).get("/api/auth/me").expect(200).json();
    assert_eq!((&me["api_key_id"], &me["permissions"]), (&body["id"], &json!(["read:teams"])));
}

#[test]
fn a_key_that_is_cut_changed_or_made_up_is_refused() {
    let app = App::start();
    let key = app.user().key;
    let changed: String = key.chars().rev().collect();
    let unknown = {
        let mut client = app.database.client();
        let row = client
            .query_one("SELECT identity.generate_api_key('x', email) ->> 'api_key' FROM identity.users LIMIT 1", &[])
            .unwrap();
        client.execute("DELETE FROM identity.api_keys WHERE name = 'x'", &[]).unwrap();
        row.get::<_, String>(0)
    };
    let mut wrong = vec![
        key[..key.len() - 1].to_owned(),
        key[1..].to_owned(),
        format!("{key}0"),
        key.to_uppercase(),
        key.to_lowercase(),
        changed,
        unknown,
        String::new(),
        "ctm_".to_owned(),
        key.replace("ctm_", "CTM_"),
        format!("{key},{key}"),
        "x".repeat(8000),
        "ctm_".to_owned() + &"0".repeat(49),
    ];
    let other = |letter: char| if letter == 'a' { 'b' } else { 'a' };
    wrong.extend((4..key.len()).step_by(7).map(|at| {
        let letter = key[at..].chars().next().unwrap();
        format!("{}{}{}", &key[..at], other(letter), &key[at + 1..])
    }));
    for wrong in wrong {
        let answer = app.nobody().with("X-API-Key", &wrong).get("/api/auth/me");
        answer.refuse(401, "INVALID_API_KEY");
    }
    app.nobody().with("X-API-Key", &key).get("/api/auth/me").expect(200);
}

#[test]
fn a_key_ends_on_every_server_at_once_when_it_is_revoked_deleted_or_over_or_its_user_may_not_call() {
    let app = App::start();
    let another = app.another();
    let admin = app.admin().client;
    let enter = || -> (Somebody, Value, Client, Client) {
        let user = app.user();
        let made = make(&user.client, &["read:*"]).expect(201).json();
        let here = with_key(&app, &made);
        let there = another.client(&here);
        for client in [&here, &there] {
            client.get("/api/auth/me").expect(200);
        }
        (user, made, here, there)
    };
    let (user, made, here, there) = enter();
    user.client.send("POST", &format!("{}/revoke", path(&made)), None).expect(204);
    all_out(&[&here, &there]);
    user.client.send("POST", &format!("{}/revoke", path(&made)), None).expect(204);
    user.client.patch(&path(&made), &json!({ "revoked_at": null })).refuse(422, "VALIDATION_ERROR");

    let (user, made, here, there) = enter();
    user.client.delete(&path(&made)).expect(204);
    all_out(&[&here, &there]);

    let (user, made, here, there) = enter();
    user.client.patch(&path(&made), &json!({ "expires_at": "2020-01-01T00:00:00Z" })).expect(200);
    all_out(&[&here, &there]);

    let (user, made, here, there) = enter();
    user.client.patch(&path(&made), &json!({ "permissions": [] })).expect(200);
    wait_for("the key may do less", Duration::from_secs(10), || {
        ([&here, &there].iter().all(|client| client.get("/api/teams").status == 403)).then_some(())
    });

    for change in [json!({ "status": "SUSPENDED" }), json!({ "status": "INACTIVE" })] {
        let (user, _, here, there) = enter();
        admin.patch(&format!("/api/users/{}", user.id), &change).expect(200);
        all_out(&[&here, &there, &user.client]);
        admin.patch(&format!("/api/users/{}", user.id), &json!({ "status": "ACTIVE" })).expect(200);
        here.get("/api/auth/me").expect(200);
    }
    let (user, _, here, there) = enter();
    admin.delete(&format!("/api/users/{}", user.id)).expect(204);
    all_out(&[&here, &there, &user.client]);
}

#[test]
fn a_key_that_expires_does_so_by_itself_even_where_it_is_remembered() {
    let app = App::start();
    let user = app.user();
    let made = user
        .client
        .post("/api/api-keys", &json!({ "name": "x", "expires_at": "2999-01-01T00:00:00Z" }))
        .expect(201)
        .json();
    with_key(&app, &made).get("/api/auth/me").expect(200);
    let soon = "SELECT to_json(now() + interval '1 second') #>> '{}'";
    let soon: String = app.database.client().query_one(soon, &[]).unwrap().get(0);
    let made = user.client.post("/api/api-keys", &json!({ "name": "x", "expires_at": soon })).expect(201).json();
    let client = with_key(&app, &made);
    client.get("/api/auth/me").expect(200);
    let start = Instant::now();
    wait_for("it is over", Duration::from_secs(20), || (client.get("/api/auth/me").status == 401).then_some(()));
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_rotated_key_works_beside_its_successor_for_as_long_as_was_asked() {
    let app = App::start();
    let user = app.user();
    let old = make(&user.client, &["read:teams"]).expect(201).json();
    let rotate = |made: &Value, body: Value| user.client.post(&format!("{}/rotate", path(made)), &body);
    let new = rotate(&old, json!({})).expect(201).json();
    assert_eq!(
        (&new["name"], &new["permissions"], &new["user_id"]),
        (&old["name"], &old["permissions"], &old["user_id"])
    );
    assert_ne!((&new["id"], &new["key"]), (&old["id"], &old["key"]));
    for made in [&old, &new] {
        with_key(&app, made).get("/api/teams").expect(200);
    }
    let row = user.client.get(&path(&old)).expect(200).json();
    assert!(row["replaced_by"] == new["id"] && row["expires_at"].is_string(), "{row}");
    rotate(&old, json!({})).refuse(404, "NOT_FOUND");

    let last = rotate(&new, json!({ "overlap_seconds": 0, "expires_at": "2999-01-01T00:00:00Z" })).expect(201).json();
    assert_eq!(last["expires_at"], json!("2999-01-01T00:00:00+00:00"));
    all_out(&[&with_key(&app, &new)]);
    with_key(&app, &last).get("/api/teams").expect(200);
    for body in [
        json!({ "overlap_seconds": -1 }),
        json!({ "overlap_seconds": 2_592_001 }),
        json!({ "permissions": ["admin"] }),
        json!([]),
    ] {
        rotate(&last, body).refuse(422, "VALIDATION_ERROR");
    }
    user.client.send("POST", &format!("{}/revoke", path(&last)), None).expect(204);
    rotate(&last, json!({})).refuse(404, "NOT_FOUND");
    let stranger = app.user().client;
    let other = make(&user.client, &[]).expect(201).json();
    stranger.post(&format!("{}/rotate", path(&other)), &json!({})).refuse(404, "NOT_FOUND");
    stranger.send("POST", &format!("{}/revoke", path(&other)), None).refuse(404, "NOT_FOUND");
}

#[test]
fn of_many_rotations_at_once_one_counts() {
    let app = App::start();
    let user = app.user();
    let made = make(&user.client, &["read:teams"]).expect(201).json();
    let answers = super::at_once(10, |_| user.client.post(&format!("{}/rotate", path(&made)), &json!({})).status);
    assert_eq!(answers.iter().filter(|status| **status == 201).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|status| **status == 404).count(), 9, "{answers:?}");
}

#[test]
fn a_key_never_gives_a_key_more_than_it_has() {
    let app = App::start();
    let admin = app.admin();
    for role in ["ADMIN", "USER"] {
        let weak = app.somebody(role, &["write:api-keys", "read:api-keys", "read:teams"]);
        for permissions in
            [vec!["admin"], vec!["read:*"], vec!["write:*"], vec!["read:teams", "write:teams"], vec!["read:users"]]
        {
            make(&weak.client, &permissions).refuse(403, "INSUFFICIENT_PERMISSIONS");
            let own = text(&weak.client.get("/api/auth/me").expect(200).json()["api_key_id"]);
            let body = json!({ "permissions": permissions });
            weak.client.patch(&format!("/api/api-keys/{own}"), &body).refuse(403, "INSUFFICIENT_PERMISSIONS");
            weak.client.patch("/api/api-keys?name=test", &body).refuse(403, "INSUFFICIENT_PERMISSIONS");
            let batch = json!({ "operations": [{ "method": "POST", "path": "/api/api-keys", "body": { "name": "x", "permissions": permissions } }] });
            weak.client.post("/api/batch", &batch).refuse(403, "INSUFFICIENT_PERMISSIONS");
        }
        make(&weak.client, &["read:teams"]).expect(201);
        make(&weak.client, &[]).expect(201);

        // A stronger key of the same user cannot be had by rotating it.
        let strong = "SELECT identity.generate_api_key('strong', $1::uuid::text, '[\"admin\"]')";
        let user: uuid::Uuid = weak.id.parse().unwrap();
        app.database.client().execute(strong, &[&user]).unwrap();
        let strong =
            weak.client.get(&format!("/api/api-keys?name=strong&user_id={user}")).expect(200).json()["data"][0].clone();
        let rotate = format!("{}/rotate", path(&strong));
        weak.client.post(&rotate, &json!({})).refuse(403, "INSUFFICIENT_PERMISSIONS");
        let row = weak.client.get(&path(&strong)).expect(200).json();
        assert_eq!(row, strong, "and it is as it was");
    }
    // Nor can a key in another's name, by one that may do nothing for others.
    let weak = app.somebody("ADMIN", &["write:api-keys"]);
    let user = app.user();
    let theirs = make(&user.client, &[]).expect(201).json();
    weak.client.post(&format!("{}/rotate", path(&theirs)), &json!({})).refuse(403, "INSUFFICIENT_PERMISSIONS");
    let body = json!({ "name": "x", "user_id": user.id });
    weak.client.post("/api/api-keys", &body).refuse(403, "INSUFFICIENT_PERMISSIONS");
    admin.client.post(&format!("{}/rotate", path(&theirs)), &json!({})).expect(201);
    let made = admin.client.post("/api/api-keys", &body).expect(201).json();
    assert_eq!(made["user_id"], json!(user.id));
}

#[test]
fn users_make_neither_users_nor_keys_for_others_and_a_key_does_not_exceed_its_user() {
    let app = App::start();
    let (user, other, viewer) = (app.user(), app.user(), app.viewer());
    let logged_in = app.logged_in("USER");
    for client in [&user.client, &logged_in.client] {
        client.post("/api/users", &json!({ "email": "a@b.cd" })).refuse(403, "INSUFFICIENT_PERMISSIONS");
        let body = json!({ "name": "x", "user_id": other.id });
        client.post("/api/api-keys", &body).refuse(403, "INSUFFICIENT_PERMISSIONS");
    }
    make(&viewer.client, &[]).refuse(403, "INSUFFICIENT_PERMISSIONS");
    // As after the user was an administrator: what the key says counts for as much as its user has.
    let demoted = app.somebody("USER", &["admin"]);
    let key = &demoted.client;
    key.get("/api/settings").refuse(403, "INSUFFICIENT_PERMISSIONS");
    key.post("/api/users", &json!({ "email": "a@b.cd" })).refuse(403, "INSUFFICIENT_PERMISSIONS");
    key.get(&format!("/api/users/{}", other.id)).refuse(404, "NOT_FOUND");
    let role = json!({ "role": "ADMIN" });
    key.patch(&format!("/api/users/{}", demoted.id), &role).refuse(422, "VALIDATION_ERROR");
    for permissions in [
        vec!["nonsense"],
        vec!["admin:*"],
        vec!["read"],
        vec!["*"],
        vec!["read:"],
        vec!["ADMIN"],
        vec!["read:Teams"],
        vec![""; 101],
    ] {
        make(&logged_in.client, &permissions).refuse(422, "VALIDATION_ERROR");
    }
    make(&logged_in.client, &[format!("read:{}", "x".repeat(65)).as_str()]).refuse(422, "VALIDATION_ERROR");
}

#[test]
fn a_key_that_ends_makes_none_that_ends_later_by_no_way() {
    let app = App::start();
    let user = app.user();
    let body = json!({ "name": "x", "permissions": ["read:*", "write:*"], "expires_at": "2098-01-01T00:00:00.25Z" });
    let short = user.client.post("/api/api-keys", &body).expect(201).json();
    let client = with_key(&app, &short);
    let longer = user.client.post("/api/api-keys", &json!({ "name": "longer" })).expect(201).json();
    for later in [json!(null), json!("2098-01-01T00:00:00.26Z"), json!("2098-01-01T00:00:00-00:01")] {
        let new = json!({ "name": "y", "expires_at": later });
        client.post("/api/api-keys", &new).refuse(403, "INSUFFICIENT_PERMISSIONS");
        let change = json!({ "expires_at": later });
        for key in [&short, &longer] {
            client.patch(&path(key), &change).refuse(403, "INSUFFICIENT_PERMISSIONS");
            client.post(&format!("{}/rotate", path(key)), &change).refuse(403, "INSUFFICIENT_PERMISSIONS");
        }
        let batch = json!({ "operations": [{ "method": "PATCH", "path": path(&short), "body": change }] });
        client.post("/api/batch", &batch).refuse(403, "INSUFFICIENT_PERMISSIONS");
    }
    // Who does not say when it ends gets as long as there is; the same and less may be asked for.
    let made = make(&client, &[]).expect(201).json();
    assert_eq!(made["expires_at"], json!("2098-01-01T00:00:00.25+00:00"));
    client.patch(&path(&made), &json!({ "expires_at": "2098-01-01T01:00:00.25+01:00" })).expect(200);
    client.patch(&path(&made), &json!({ "expires_at": "2097-01-01T00:00:00Z" })).expect(200);
    let rotated = client.post(&format!("{}/rotate", path(&short)), &json!({})).expect(201).json();
    assert_eq!(rotated["expires_at"], json!("2098-01-01T00:00:00.25+00:00"));
    let past = json!({ "name": "x", "expires_at": "2020-01-01T00:00:00Z" });
    user.client.post("/api/api-keys", &past).refuse(422, "VALIDATION_ERROR");
}

#[test]
fn a_key_leaves_alone_those_that_may_do_more() {
    let app = App::start();
    let user = app.user();
    let strong = make(&user.client, &["read:*", "write:*"]).expect(201).json();
    let equal = make(&user.client, &["write:api-keys"]).expect(201).json();
    let weak = with_key(&app, &make(&user.client, &["write:api-keys", "read:api-keys"]).expect(201).json());
    let earlier = json!({ "expires_at": "2098-01-01T00:00:00Z" });
    for refused in [
        weak.patch(&path(&strong), &earlier),
        weak.patch(&path(&strong), &json!({ "permissions": [] })),
        weak.patch("/api/api-keys?name=x", &earlier),
        weak.post(&format!("{}/rotate", path(&strong)), &json!({})),
        weak.send("POST", &format!("{}/revoke", path(&strong)), None),
        weak.delete(&path(&strong)),
    ] {
        refused.refuse(403, "INSUFFICIENT_PERMISSIONS");
    }
    with_key(&app, &strong).get("/api/teams").expect(200);
    weak.patch(&path(&equal), &earlier).expect(200);
    weak.delete(&path(&equal)).expect(204);
    with_key(&app, &strong).send("POST", &format!("{}/revoke", path(&strong)), None).expect(204);
}

#[test]
fn all_keys_of_a_user_share_what_the_user_may_ask_in_a_minute() {
    let app = App::start_with(&[("RATE_LIMIT", "20")]);
    let user = app.user();
    let statuses: Vec<u16> = (0..6)
        .flat_map(|_| {
            let made = make(&user.client, &["read:*"]);
            let other = (made.status == 201).then(|| with_key(&app, &made.json()));
            let mut statuses = vec![made.status];
            statuses.extend(other.into_iter().flat_map(|key| [0; 4].map(|_| key.get("/api/teams").status)));
            statuses
        })
        .collect();
    assert_eq!(statuses.iter().filter(|status| **status < 300).count(), 20, "{statuses:?}");
    app.user().client.get("/api/teams").expect(200);
}

#[test]
fn nobody_but_an_administrator_makes_a_key_that_says_admin() {
    let app = App::start();
    make(&app.logged_in("USER").client, &["read:*", "admin"]).refuse(403, "INSUFFICIENT_PERMISSIONS");
    make(&app.somebody("USER", &["admin"]).client, &["admin"]).refuse(403, "INSUFFICIENT_PERMISSIONS");
    make(&app.logged_in("ADMIN").client, &["admin"]).expect(201);
}
