//! The audit in words.

use serde_json::{Value, json};

use super::rows;
use crate::support::App;
use crate::support::app::text;

fn summaries(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| text(&row["summary"])).collect()
}

#[test]
fn users_read_what_they_did_in_words_and_administrators_what_everybody_did() {
    let app = App::start();
    let (admin, user, other) = (app.admin(), app.user(), app.user());
    let team = user.client.post("/api/teams", &json!({ "name": "Payments", "slug": "payments" })).expect(201).json();
    let path = format!("/api/teams/{}", text(&team["id"]));
    user.client.patch(&path, &json!({ "name": "Money", "slug": "money" })).expect(200);
    user.client.delete(&path).expect(204);
    let own = rows(&user.client, "/api/activity-logs?sort=id&resource_type=teams");
    assert_eq!(
        summaries(&own),
        ["USER created the team Payments", "USER changed the team Money: name, slug", "USER deleted the team Money"]
    );
    let first = &own[0];
    assert_eq!(
        (&first["user"], &first["verb"], &first["resource"]),
        (&json!("USER"), &json!("created"), &json!("team"))
    );
    assert_eq!((&first["user_id"], &first["resource_id"]), (&json!(user.id), &team["id"]));
    assert_eq!(rows(&other.client, "/api/activity-logs"), [] as [Value; 0]);
    other.client.get(&format!("/api/activity-logs/{}", text(&first["id"]))).refuse(404, "NOT_FOUND");
    user.client.get(&format!("/api/activity-logs/{}", text(&first["id"]))).expect(200);
    let all = rows(&admin.client, &format!("/api/activity-logs?sort=id&resource_type=teams&user_id={}", user.id));
    assert_eq!(summaries(&all), summaries(&own));
    app.viewer().client.get("/api/activity-logs").expect(200);
}

#[test]
fn what_nobody_with_a_name_did_is_told_too() {
    let app = App::start();
    let admin = app.admin().client;
    let gone = app.user();
    gone.client.post("/api/teams", &json!({ "name": "A", "slug": "a" })).expect(201);
    let mut client = app.database.client();
    client.batch_execute("UPDATE identity.team_members SET role = 'MEMBER'").unwrap();
    client.execute("DELETE FROM identity.users WHERE id = $1::text::uuid", &[&gone.id]).unwrap();
    client.batch_execute("TRUNCATE identity.team_members").unwrap();
    let told = summaries(&rows(&admin, "/api/activity-logs?sort=id&limit=200"));
    for expected in ["A former user created the team A", "postgres emptied the team members"] {
        assert!(told.iter().any(|summary| summary == expected), "{expected}: {told:#?}");
    }
    assert!(told.iter().any(|summary| summary.starts_with("postgres changed the team member ")), "{told:#?}");
}
