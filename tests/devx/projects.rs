//! Projects belong to a user, and to a team that shares them.

use serde_json::json;

use super::{project, team};
use crate::support::App;
use crate::support::app::text;

#[test]
fn a_project_is_its_owners_and_its_teams_and_nobody_elses() {
    let app = App::start();
    let (owner, member, looker, stranger) = (app.user(), app.user(), app.user(), app.user());
    let team = team(&owner, &[(&member, "MEMBER"), (&looker, "VIEWER")]);
    let alone = project(&owner.client, "Alone");
    let body = json!({ "name": "Shared", "team_id": team["id"], "metadata": { "tier": 1 } });
    let shared = owner.client.post("/api/projects", &body).expect(201).json();
    assert_eq!((&shared["slug"], &shared["owner_id"]), (&json!("shared"), &json!(owner.id)));
    let (alone, shared) =
        (format!("/api/projects/{}", text(&alone["id"])), format!("/api/projects/{}", text(&shared["id"])));
    for (who, sees_shared, changes) in
        [(&owner, true, true), (&member, true, true), (&looker, true, false), (&stranger, false, false)]
    {
        assert_eq!(who.client.get(&shared).status, if sees_shared { 200 } else { 404 });
        let expected = if changes {
            200
        } else if sees_shared {
            403
        } else {
            404
        };
        assert_eq!(who.client.patch(&shared, &json!({ "description": who.email })).status, expected);
    }
    for who in [&member, &looker, &stranger] {
        who.client.get(&alone).refuse(404, "NOT_FOUND");
    }
    member.client.delete(&shared).expect(403);
    app.admin().client.get(&alone).expect(200);
    assert_eq!(owner.client.get("/api/projects?metadata.tier=1&total=true").json()["page"]["total"], 1);
    owner.client.delete(&alone).expect(204);
}

#[test]
fn nobody_puts_a_project_into_a_team_or_a_name_that_is_not_theirs() {
    let app = App::start();
    let (owner, looker, stranger) = (app.user(), app.user(), app.user());
    let team = team(&owner, &[(&looker, "VIEWER")]);
    for body in [json!({ "name": "A", "team_id": team["id"] }), json!({ "name": "A", "owner_id": owner.id })] {
        for client in [&looker.client, &stranger.client] {
            client.post("/api/projects", &body).expect(403);
        }
    }
    let own = project(&stranger.client, "Own");
    let path = format!("/api/projects/{}", text(&own["id"]));
    stranger.client.patch(&path, &json!({ "team_id": team["id"] })).expect(403);
    stranger.client.patch(&path, &json!({ "owner_id": owner.id })).expect(403);
    let nowhere = json!({ "team_id": "0192aaaa-0000-7000-8000-000000000000" });
    app.admin().client.patch(&path, &nowhere).refuse(409, "CONFLICT");
    app.viewer().client.post("/api/projects", &json!({ "name": "A" })).expect(403);
}

#[test]
fn members_work_on_what_is_their_teams_and_take_nothing_of_it_with_them() {
    let app = App::start();
    let (owner, member, lead) = (app.user(), app.user(), app.user());
    let team = team(&owner, &[(&member, "MEMBER"), (&lead, "OWNER")]);
    let body = json!({ "name": "Shop", "team_id": team["id"] });
    let shop = member.client.post("/api/projects", &body).expect(201).json();
    let theirs = owner.client.post("/api/projects", &body).expect(201).json();
    let path = |row: &serde_json::Value| format!("/api/projects/{}", text(&row["id"]));
    let secret = json!({ "T": { "secret": true, "value": "hunter2" } });
    let body = json!({ "name": "Pay", "project_id": theirs["id"], "environment_vars": secret });
    let service = member.client.post("/api/services", &body).expect(201).json();
    let service = format!("/api/services/{}", text(&service["id"]));
    let own = project(&member.client, "Own");
    // Neither the project nor what runs for it.
    for taken in [
        json!({ "owner_id": member.id }),
        json!({ "team_id": null }),
        json!({ "owner_id": member.id, "team_id": null }),
    ] {
        member.client.patch(&path(&theirs), &taken).refuse(403, "INSUFFICIENT_PERMISSIONS");
    }
    member.client.delete(&path(&theirs)).refuse(403, "INSUFFICIENT_PERMISSIONS");
    for taken in [json!({ "project_id": own["id"] }), json!({ "project_id": null }), json!({ "user_id": lead.id })] {
        member.client.patch(&service, &taken).refuse(403, "INSUFFICIENT_PERMISSIONS");
    }
    member.client.patch(&path(&theirs), &json!({ "description": "worked on" })).expect(200);
    member.client.post(&format!("{service}/reveal"), &json!({})).expect(200);
    // Owners of the team own what is in it, whoever made it.
    lead.client.patch(&path(&theirs), &json!({ "owner_id": lead.id })).expect(200);
    let asked = json!({ "generation_type": "service", "project_id": theirs["id"], "input": {} });
    let _ = member.client.post("/api/generations", &asked);
    // Whoever leaves leaves it all there.
    let membership = format!("/api/team-members?team_id={}&user_id={}", text(&team["id"]), member.id);
    let membership = text(&lead.client.get(&membership).json()["data"][0]["id"]);
    lead.client.delete(&format!("/api/team-members/{membership}")).expect(204);
    for gone in [&path(&theirs), &path(&shop), &service] {
        member.client.get(gone).refuse(404, "NOT_FOUND");
        member.client.patch(gone, &json!({ "description": "mine" })).refuse(404, "NOT_FOUND");
        member.client.delete(gone).refuse(404, "NOT_FOUND");
    }
    member.client.post(&format!("{service}/reveal"), &json!({})).refuse(404, "NOT_FOUND");
    assert_eq!(member.client.get("/api/generations").json()["data"], json!([]));
    lead.client.delete(&path(&shop)).expect(204);
}

#[test]
fn names_may_be_the_same_and_slugs_never_are_even_of_projects_that_one_does_not_see() {
    let app = App::start();
    let (one, other) = (app.user().client, app.user().client);
    let slugs: Vec<String> = [&one, &other, &one].iter().map(|client| text(&project(client, "Shop")["slug"])).collect();
    assert_eq!(slugs, ["shop", "shop-2", "shop-3"]);
    let refusal = other.post("/api/projects", &json!({ "name": "X", "slug": "shop" })).refuse(409, "CONFLICT").json();
    assert_eq!(refusal["fields"][0]["field"], "slug");
    let mut all: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..10).map(|_| scope.spawn(|| text(&project(&one, "At once")["slug"]))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 10);
}

#[test]
fn what_happens_is_told_in_words_by_project_user_and_team() {
    let app = App::start();
    let (owner, member, stranger) = (app.user(), app.user(), app.user());
    let team = team(&owner, &[(&member, "MEMBER")]);
    let body = json!({ "name": "Shop", "team_id": team["id"] });
    let project = owner.client.post("/api/projects", &body).expect(201).json();
    let service = json!({ "name": "Pay", "project_id": project["id"] });
    let service = member.client.post("/api/services", &service).expect(201).json();
    let path = format!("/api/services/{}", text(&service["id"]));
    member.client.patch(&path, &json!({ "status": "deploying" })).expect(200);
    owner.client.patch(&path, &json!({ "port": 8080 })).expect(200);
    owner.client.patch(&path, &json!({ "port": 8080 })).expect(200);
    member.client.delete(&path).expect(204);
    let told = |query: &str| -> Vec<String> {
        let rows = owner.client.get(&format!("/api/activity?sort=id&{query}")).expect(200).json();
        rows["data"].as_array().unwrap().iter().map(|row| text(&row["summary"])).collect()
    };
    let expected = [
        "USER created the project Shop",
        "USER created the service Pay in Shop",
        "USER: the service Pay is deploying in Shop",
        "USER changed the service Pay in Shop: port",
        "USER deleted the service Pay in Shop",
    ];
    assert_eq!(told(&format!("project_id={}", text(&project["id"]))), expected);
    assert_eq!(told(&format!("team_id={}", text(&team["id"]))), expected);
    assert_eq!(told(&format!("user_id={}", member.id)).len(), 3);
    let page = owner.client.get("/api/activity?limit=2&sort=id").expect(200).json();
    let cursor = text(&page["page"]["next_cursor"]);
    let next = owner.client.get(&format!("/api/activity?limit=2&sort=id&cursor={cursor}")).expect(200).json();
    assert_eq!(next["data"][0]["verb"], "deploying");
    assert_eq!(stranger.client.get("/api/activity").expect(200).json()["data"], json!([]));
    assert_eq!(app.admin().client.get("/api/activity?total=true").json()["page"]["total"], 5);
}
