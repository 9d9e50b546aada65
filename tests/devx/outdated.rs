//! Which projects are behind their template, and what has changed since.

use serde_json::{Value, json};

use super::{claim, path, project, worker};
use crate::support::App;
use crate::support::app::{Somebody, text};
use crate::templates::published;

/// Has a project made from a template, as it is published now.
fn generate(app: &App, user: &Somebody, template: &Value, project: &Value, input: &Value) {
    let wish = json!({ "template_id": template["id"], "project_id": project["id"], "input_params": input });
    user.client.post("/api/generations", &wish).expect(201);
    let worker = worker(app);
    let mine = claim(&worker, "w", 60).unwrap();
    worker.post(&format!("{}/complete", path(&mine)), &json!({ "fence": mine["fence"] })).expect(200);
}

#[test]
fn projects_behind_their_template_are_listed_with_their_inputs_and_what_has_changed() {
    let app = App::start();
    let (user, stranger) = (app.user(), app.user());
    let body = json!({
        "name": "App", "template_version": "1.0.0", "tags": ["a", "b"],
        "files": [{ "path": "a/b.txt", "content": "old" }],
        "parameters": { "type": "object", "properties": { "a/b": { "type": "string" } } },
    });
    let template = published(&user.client, &body);
    let (shop, fresh) = (project(&user.client, "Shop"), project(&user.client, "Fresh"));
    generate(&app, &user, &template, &shop, &json!({ "a/b": "x" }));
    let list = |client: &crate::support::client::Client, query: &str| {
        client.get(&format!("/api/projects/outdated{query}")).expect(200).json()
    };
    assert_eq!(list(&user.client, "")["data"], json!([]), "nobody is behind");
    let at = format!("/api/templates/{}", text(&template["id"]));
    let change = json!({
        "tags": ["a"], "files": [{ "path": "a/b.txt", "content": "new" }, { "path": "c" }],
        "parameters": { "type": "object", "properties": { "a/b": { "type": "integer" }, "n": {} } },
    });
    user.client.patch(&at, &change).expect(200);
    assert_eq!(list(&user.client, "")["data"], json!([]), "what is not published is nobody's business");
    user.client.post(&format!("{at}/publish"), &json!({ "template_version": "1.1.0" })).expect(200);
    generate(&app, &user, &template, &fresh, &json!({}));
    let found = list(&user.client, "");
    assert_eq!(found["data"].as_array().map(Vec::len), Some(1), "{found}");
    let row = &found["data"][0];
    assert_eq!((&row["project_id"], &row["template_id"]), (&shop["id"], &template["id"]));
    assert_eq!((&row["generated_version"], &row["published_version"]), (&json!("1.0.0"), &json!("1.1.0")));
    assert_eq!(row["input_params"], json!({ "a/b": "x" }));
    let mut changes: Vec<String> = row["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| format!("{} {}", text(&change["op"]), text(&change["path"])))
        .collect();
    changes.sort();
    let expected = [
        "add /files/-",
        "add /parameters/properties/n",
        "remove /tags/1",
        "replace /files/0/content",
        "replace /parameters/properties/a~1b/type",
        "replace /template_version",
    ];
    assert_eq!((changes, &row["is_complete"]), (expected.map(str::to_owned).to_vec(), &json!(true)));
    assert_eq!(list(&stranger.client, "")["data"], json!([]));
    assert_eq!(list(&user.client, &format!("?template_id={}", text(&shop["id"])))["data"], json!([]));
    generate(&app, &user, &template, &shop, &json!({}));
    assert_eq!(list(&user.client, "")["data"], json!([]), "it has caught up");
}

#[test]
fn the_list_of_those_behind_is_walked_page_by_page() {
    let app = App::start();
    let user = app.user();
    let template = published(&user.client, &json!({ "name": "App", "template_version": "1.0.0" }));
    let other = published(&user.client, &json!({ "name": "Other", "template_version": "1.0.0" }));
    for number in 0..3 {
        let project = project(&user.client, &format!("P{number}"));
        generate(&app, &user, &template, &project, &json!({}));
        generate(&app, &user, &other, &project, &json!({}));
    }
    for template in [&template, &other] {
        let at = format!("/api/templates/{}/publish", text(&template["id"]));
        user.client.post(&at, &json!({ "template_version": "2.0.0" })).expect(200);
    }
    let (mut names, mut query) = (Vec::new(), "?limit=1".to_owned());
    loop {
        let page = user.client.get(&format!("/api/projects/outdated{query}")).expect(200).json();
        let rows = page["data"].as_array().unwrap();
        assert_eq!(rows.len(), 2, "both templates of a project are on its page");
        names.push(text(&rows[0]["project_name"]));
        match page["next"].as_str() {
            Some(next) => query = format!("?limit=1&after={next}"),
            None => break,
        }
    }
    assert_eq!(names, ["P0", "P1", "P2"]);
    for wrong in ["?limit=0", "?limit=101", "?after=x", "?colour=red", "?project_id=1"] {
        user.client.get(&format!("/api/projects/outdated{wrong}")).refuse(400, "MALFORMED_REQUEST");
    }
}
