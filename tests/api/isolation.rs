//! Who sees and changes which rows, through HTTP.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::column;
use crate::support::App;
use crate::support::app::{Somebody, join, text};

/// The values of one column of all rows that somebody sees.
fn seen(somebody: &Somebody, collection: &str, name: &str) -> BTreeSet<String> {
    column(&somebody.client.get(&format!("/api/{collection}?limit=200")).expect(200).json(), name).into_iter().collect()
}

fn set(values: &[&str]) -> BTreeSet<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn team(owner: &Somebody, slug: &str) -> String {
    text(&owner.client.post("/api/teams", &json!({ "name": slug, "slug": slug })).expect(201).json()["id"])
}

#[test]
fn everybody_sees_their_own_rows_and_those_of_their_teams_and_administrators_all() {
    let app = App::start();
    let (admin, owner, member, stranger) =
        (app.admin(), app.logged_in("USER"), app.logged_in("USER"), app.logged_in("VIEWER"));
    let shared = team(&owner, "shared");
    team(&owner, "private");
    join(&owner, &json!(shared), &member, "MEMBER");
    let everybody = [&owner, &member, &stranger];
    assert_eq!(seen(&owner, "teams", "slug"), set(&["shared", "private"]));
    assert_eq!(seen(&member, "teams", "slug"), set(&["shared"]));
    assert_eq!(seen(&stranger, "teams", "slug"), set(&[]));
    assert_eq!(seen(&admin, "teams", "slug"), set(&["shared", "private"]));
    for somebody in everybody {
        assert_eq!(seen(somebody, "users", "id"), set(&[&somebody.id]));
    }
    assert!(seen(&admin, "users", "id").len() >= 4);
    assert_eq!(seen(&member, "team-members", "user_id"), set(&[&owner.id, &member.id]));
    assert_eq!(seen(&stranger, "team-members", "user_id"), set(&[]));
    for somebody in everybody {
        assert_eq!(seen(somebody, "sessions", "user_id"), set(&[&somebody.id]));
    }
    for somebody in [&owner, &member] {
        somebody.client.post("/api/api-keys", &json!({ "name": "x" })).expect(201);
        assert_eq!(seen(somebody, "api-keys", "user_id"), set(&[&somebody.id]));
    }
    assert_eq!(seen(&stranger, "api-keys", "user_id"), set(&[]));
    let total =
        |somebody: &Somebody| somebody.client.get("/api/teams?total=true").expect(200).json()["page"]["total"].clone();
    assert_eq!(everybody.map(total), [json!(2), json!(1), json!(0)], "totals count what one sees");
    let by_filter = stranger.client.get(&format!("/api/users?email={}", owner.email)).expect(200).json();
    assert_eq!(by_filter["data"], json!([]), "a filter finds nothing that one does not see");
}

#[test]
fn what_one_does_not_see_is_not_there_and_what_one_may_only_read_is_not_changed() {
    let app = App::start();
    let (owner, member, stranger) = (app.logged_in("USER"), app.user(), app.user());
    let team = team(&owner, "x");
    let membership = join(&owner, &json!(team), &member, "MEMBER");
    let key = text(&owner.client.post("/api/api-keys", &json!({ "name": "x" })).expect(201).json()["id"]);
    let session = text(&owner.client.get("/api/auth/me").expect(200).json()["session_id"]);
    let attempts = |somebody: &Somebody, path: &str, body: Value, read: u16, write: u16| {
        let client = &somebody.client;
        assert_eq!(client.get(path).status, read, "GET {path}");
        let trial = client.with("Prefer", "tx=rollback");
        for client in [client, &trial] {
            if !body.is_null() {
                assert_eq!(client.patch(path, &body).status, write, "PATCH {path}");
            }
            assert_eq!(client.delete(path).status, write, "DELETE {path}");
        }
    };
    let name = json!({ "name": "mine" });
    attempts(&stranger, &format!("/api/teams/{team}"), name.clone(), 404, 404);
    attempts(&stranger, &format!("/api/team-members/{membership}"), json!({ "role": "OWNER" }), 404, 404);
    for somebody in [&stranger, &member] {
        attempts(somebody, &format!("/api/api-keys/{key}"), name.clone(), 404, 404);
        attempts(somebody, &format!("/api/sessions/{session}"), json!(null), 404, 404);
    }
    attempts(&stranger, &format!("/api/users/{}", owner.id), name.clone(), 404, 404);
    attempts(&member, &format!("/api/users/{}", owner.id), name.clone(), 404, 404);
    attempts(&member, &format!("/api/teams/{team}"), name, 200, 403);
    let path = format!("/api/team-members/{membership}");
    member.client.patch(&path, &json!({ "role": "OWNER" })).refuse(403, "INSUFFICIENT_PERMISSIONS");
    let body = json!({ "team_id": team, "user_id": stranger.id });
    member.client.post("/api/team-members", &body).refuse(403, "INSUFFICIENT_PERMISSIONS");
    stranger.client.post("/api/team-members", &body).refuse(403, "INSUFFICIENT_PERMISSIONS");
    owner.client.patch(&path, &json!({ "role": "VIEWER" })).expect(200);
    // Whoever is in a team may leave it, and has left it at once.
    member.client.delete(&path).expect(204);
    member.client.get(&format!("/api/teams/{team}")).refuse(404, "NOT_FOUND");
    member.client.get(&format!("/api/users/{}", owner.id)).refuse(404, "NOT_FOUND");
}

#[test]
fn whoever_is_named_is_asked_first_and_team_mates_see_a_name_and_no_more() {
    let app = App::start();
    let (owner, guest, stranger) = (app.user(), app.user(), app.user());
    owner.client.patch(&format!("/api/users/{}", owner.id), &json!({ "name": "Owner" })).expect(200);
    let team = team(&owner, "x");
    let body = json!({ "team_id": team, "user_id": guest.id, "role": "OWNER" });
    let invited = owner.client.post("/api/team-members", &body).expect(201).json();
    assert_eq!((&invited["accepted_at"], &invited["user_name"]), (&json!(null), &json!(null)));
    let (path, accept) = {
        let path = format!("/api/team-members/{}", text(&invited["id"]));
        (path.clone(), format!("{path}/accept"))
    };
    // Neither sees anything of the other yet, but the invitation and the name of the team.
    assert_eq!(seen(&guest, "team-members", "id"), set(&[&text(&invited["id"])]));
    assert_eq!(seen(&guest, "teams", "slug"), set(&["x"]));
    let told = guest.client.get("/api/notifications?type=team_members.invited").expect(200).json();
    assert_eq!(told["data"][0]["data"]["team_member_id"], invited["id"]);
    guest.client.patch(&format!("/api/teams/{team}"), &json!({ "name": "mine" })).expect(403);
    let another = json!({ "team_id": team, "user_id": stranger.id });
    guest.client.post("/api/team-members", &another).refuse(403, "INSUFFICIENT_PERMISSIONS");
    for somebody in [&owner, &stranger] {
        somebody.client.post(&accept, &json!({})).refuse(404, "NOT_FOUND");
    }
    owner.client.patch(&path, &json!({ "accepted_at": "2026-01-01T00:00:00Z" })).refuse(422, "VALIDATION_ERROR");
    guest.client.post(&accept, &json!({})).expect(204);
    guest.client.post(&accept, &json!({})).expect(204);
    let names: BTreeSet<String> = seen(&guest, "team-members", "user_name");
    assert!(names.contains("Owner") && names.len() == 2, "{names:?}");
    guest.client.patch(&format!("/api/teams/{team}"), &json!({ "name": "ours" })).expect(200);
    // Whoever made it is a member as any other: when they are out, they are out.
    let own = text(&owner.client.get(&format!("/api/team-members?user_id={}", owner.id)).json()["data"][0]["id"]);
    guest.client.delete(&format!("/api/team-members/{own}")).expect(204);
    owner.client.get(&format!("/api/teams/{team}")).refuse(404, "NOT_FOUND");
    // An administrator asks nobody.
    let added = app.admin().client.post("/api/team-members", &another).expect(201).json();
    assert!(added["accepted_at"].is_string());
    // To decline is to delete.
    let more = self::team(&owner, "y");
    let body = json!({ "team_id": more, "user_id": guest.id });
    let declined = text(&owner.client.post("/api/team-members", &body).expect(201).json()["id"]);
    guest.client.delete(&format!("/api/team-members/{declined}")).expect(204);
    assert_eq!(seen(&guest, "teams", "slug"), set(&["x"]));
}

#[test]
fn users_change_their_name_and_neither_their_own_nor_others_rights_nor_remove_anybody() {
    let app = App::start();
    let user = app.user();
    let path = format!("/api/users/{}", user.id);
    let changed = user.client.patch(&path, &json!({ "name": "me", "phone_number": "+49 30 1234" })).expect(200).json();
    assert_eq!((&changed["name"], &changed["role"]), (&json!("me"), &json!("USER")));
    user.client.delete(&path).refuse(403, "INSUFFICIENT_PERMISSIONS");
    user.client.delete("/api/users?name=me").refuse(403, "INSUFFICIENT_PERMISSIONS");
    user.client.get("/api/auth/me").expect(200);
    let all = user.client.patch("/api/users?id__null=false", &json!({ "name": "all" })).expect(200).json();
    assert_eq!(all, json!({ "affected": 1 }), "all is what one sees");
}

#[test]
fn a_connection_that_served_one_user_serves_the_next_as_the_next() {
    let app = App::start_with(&[
        ("DB_POOL_MIN", "1"),
        ("DB_POOL_MAX", "1"),
        ("DB_POOL_READONLY_MIN", "1"),
        ("DB_POOL_READONLY_MAX", "1"),
    ]);
    let (admin, one, other) = (app.admin(), app.user(), app.user());
    team(&one, "one");
    team(&other, "other");
    let check = |index: usize| {
        let (somebody, expected) = match index % 3 {
            0 => (&one, set(&["one"])),
            1 => (&other, set(&["other"])),
            _ => (&admin, set(&["one", "other"])),
        };
        // Some of them fail halfway.
        somebody.client.post("/api/teams", &json!({ "name": "x", "slug": "one" })).refuse(409, "CONFLICT");
        assert_eq!(seen(somebody, "teams", "slug"), expected);
    };
    super::at_once(12, |thread| (0..6).for_each(|index| check(thread + index)));
}
