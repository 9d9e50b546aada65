//! `mainstay templates import`, and the example that `mainstay seed` makes.

use std::fs;

use serde_json::{Value, json};

use super::names;
use crate::support::App;
use crate::support::app::text;
use crate::support::binary::{Run, mainstay};
use crate::support::folder;

const BACKSTAGE: &str = r#"
apiVersion: scaffolder.backstage.io/v1beta3
kind: Template
metadata:
  name: Python_Service.v2
  title: Python service
  description: |
    A service in Python.
  tags: [Python, web app]
  annotations:
    backstage.io/source-location: url:https://git.example.org/python/
spec:
  owner: group:platform
  type: service
  parameters:
    - title: Who
      required: [name]
      properties:
        name: { type: string, pattern: "^[a-z]+$", ui:autofocus: true }
    - title: Where
      properties:
        region: { type: string, enum: [eu, us], default: eu }
  steps:
    - id: fetch
      action: fetch:template
"#;

fn run(app: &App, arguments: &[&str]) -> Run {
    let variables = app.variables_of_the_binary();
    mainstay(arguments, &variables.iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<_>>())
}

#[track_caller]
fn import(app: &App, path: &str, flags: &[&str]) -> Value {
    let done = run(app, &[&["templates", "import", path, "--json"], flags].concat());
    assert_eq!(done.code(), 0, "{}", done.said());
    serde_json::from_str(&done.text()).unwrap()
}

#[test]
fn a_folder_is_imported_once_and_again_only_where_it_has_changed() {
    let app = App::start();
    let user = app.user().client;
    let home = folder("catalogue");
    fs::create_dir_all(home.join("python/skeleton")).unwrap();
    fs::write(home.join("python/template.yaml"), BACKSTAGE).unwrap();
    fs::write(home.join("python/skeleton/data.json"), "[1]").unwrap();
    let catalogue = |description: &str| {
        let catalogue = json!({
            "categories": [{ "name": "Below", "slug": "below", "parent": "top" }, { "name": "Top", "slug": "top" }],
            "technologies": [{ "name": "Go", "slug": "go", "kind": "language" }],
            "templates": [
                { "name": "Go API", "slug": "go-api", "category": "below", "technologies": ["go"],
                  "description": description, "template_version": "1.2.3", "publish": true },
                { "name": "Draft", "slug": "draft" },
            ],
        });
        fs::write(home.join("own.json"), catalogue.to_string()).unwrap();
    };
    catalogue("first");
    let path = home.to_str().unwrap();
    let counts = |created: u32, updated: u32, unchanged: u32, published: u32| json!({ "created": created, "updated": updated, "unchanged": unchanged, "published": published });
    let trial = import(&app, path, &["--dry-run"]);
    assert_eq!((&trial["counts"], &trial["dry_run"]), (&counts(6, 0, 0, 2), &json!(true)));
    assert_eq!(names(&user, "/api/templates"), [] as [&str; 0], "a trial leaves nothing");
    assert_eq!(import(&app, path, &[])["counts"], counts(6, 0, 0, 2));
    assert_eq!(import(&app, path, &[])["counts"], counts(0, 0, 6, 0));
    assert_eq!(names(&user, "/api/templates?category=top"), ["Go API"]);
    catalogue("second");
    assert_eq!(import(&app, path, &[])["counts"], counts(0, 1, 5, 1));
    assert_eq!(import(&app, path, &[])["counts"], counts(0, 0, 6, 0));
    let go = user.get("/api/templates?slug=go-api").json()["data"][0].clone();
    assert_eq!((&go["published_version"], &go["description"]), (&json!("1.2.4"), &json!("second")));
    let python = user.get("/api/templates?q=python").json()["data"][0].clone();
    assert_eq!((&python["slug"], &python["name"]), (&json!("python-service-v2"), &json!("Python service")));
    assert_eq!(python["tags"], json!(["python", "service", "web-app"]));
    assert_eq!(python["repository_url"], "https://git.example.org/python/");
    assert_eq!(python["parameters"]["required"], json!(["name"]));
    let properties: Vec<&String> = python["parameters"]["properties"].as_object().unwrap().keys().collect();
    assert_eq!(properties, ["name", "region"]);
    let wrong = json!({ "template_id": python["id"], "input_params": { "name": "x", "region": "mars" } });
    user.post("/api/generations", &wrong).refuse(422, "VALIDATION_ERROR");
    let who = app.admin().client.get("/api/audit-logs?resource_type=templates&limit=1").json();
    assert!(text(&who["data"][0]["user_agent"]).starts_with("mainstay "), "{who}");
}

#[test]
fn all_that_is_wrong_is_told_with_its_file_and_nothing_is_imported() {
    let app = App::start();
    let home = folder("catalogue");
    let good = json!({ "technologies": [{ "name": "Go", "slug": "go", "kind": "language" }] });
    fs::write(home.join("a-good.json"), good.to_string()).unwrap();
    fs::write(home.join("b-broken.json"), "{").unwrap();
    let wrong = json!({
        "templates": [{ "name": "A", "slug": "a", "parameters": { "type": "strin" } }, { "slug": "B b" }],
        "colours": [],
    });
    fs::write(home.join("c-wrong.json"), wrong.to_string()).unwrap();
    fs::write(home.join("template.yaml"), "kind: Component\napiVersion: backstage.io/v1\n").unwrap();
    let refused = run(&app, &["templates", "import", home.to_str().unwrap()]);
    assert_eq!(refused.code(), 1);
    let said = refused.said();
    for expected in [
        "nothing was imported",
        "b-broken.json: is no JSON",
        "c-wrong.json: templates[0].parameters: is no JSON Schema",
        "c-wrong.json: templates[1].name: is required",
        "c-wrong.json: templates[1].slug: must be",
        "c-wrong.json: colours: is not known",
        "template.yaml: is a Component of backstage.io/v1",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert_eq!(names(&app.user().client, "/api/technologies"), [] as [&str; 0]);
    for (name, text, expected) in [
        ("category.json", r#"{"templates":[{"name":"A","slug":"a","category":"none"}]}"#, "there is no category none"),
        ("technology.json", r#"{"templates":[{"name":"A","slug":"a","technologies":["none"]}]}"#, "template a"),
        ("circle.json", r#"{"categories":[{"name":"A","slug":"a","parent":"a"}]}"#, "in a circle"),
        ("list.json", "[]", "must be an object"),
        ("empty.json", "", "is no JSON"),
    ] {
        let path = home.join(name);
        fs::write(&path, text).unwrap();
        let refused = run(&app, &["templates", "import", path.to_str().unwrap()]);
        assert_eq!(refused.code(), 1, "{name}");
        assert!(refused.said().contains(expected), "{name}: {}", refused.said());
    }
    let missing = run(&app, &["templates", "import", "/no/such/folder"]);
    assert_eq!((missing.code(), missing.said().contains("cannot be read")), (1, true));
}

#[test]
fn yaml_that_grows_when_it_is_read_is_refused_quickly() {
    let app = App::start();
    let home = folder("catalogue");
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb += &format!("a{level}: &a{level} [{items}]\n");
    }
    let deep = format!("a: {}{}", "[".repeat(5000), "]".repeat(5000));
    let start = std::time::Instant::now();
    for text in [bomb, deep, "a: b: c".to_owned(), "%".to_owned(), "---\na: 1\n---\nb: 2\n".to_owned()] {
        let path = home.join("template.yaml");
        fs::write(&path, &text).unwrap();
        let refused = run(&app, &["templates", "import", path.to_str().unwrap()]);
        assert_eq!(refused.code(), 1);
        assert!(refused.said().contains("is no YAML that can be read"), "{}", refused.said());
    }
    assert!(start.elapsed().as_secs() < 60);
}

#[test]
fn the_seed_has_a_small_catalogue_and_makes_it_once() {
    let app = App::start();
    let first = run(&app, &["seed"]);
    assert!(first.text().contains("catalogue made 12 categories, technologies and templates"), "{}", first.text());
    assert!(run(&app, &["seed"]).text().contains("catalogue was there already"));
    let user = app.user().client;
    assert_eq!(names(&user, "/api/templates?q=react&status=PUBLISHED"), ["React app"]);
    assert_eq!(user.get("/api/templates/categories").json()["data"].as_array().map(Vec::len), Some(4));
}
