//! Categories are a tree, and technologies a list; administrators keep both.

use serde_json::{Value, json};

use super::{category, names, published, technologies, template};
use crate::support::App;
use crate::support::app::text;

#[test]
fn the_tree_of_categories_counts_what_is_published_in_each_and_below_it() {
    let app = App::start();
    let (admin, user) = (app.admin().client, app.user().client);
    let web = category(&admin, "Web", None);
    let front = category(&admin, "Frontends", Some(&web));
    category(&admin, "Data", None);
    published(&user, &json!({ "name": "A", "category_id": web["id"] }));
    published(&user, &json!({ "name": "B", "category_id": front["id"] }));
    template(&user, &json!({ "name": "Draft", "category_id": front["id"] }));
    let tree = app.viewer().client.get("/api/templates/categories").expect(200).json();
    let shown: Vec<(String, i64, i64, i64)> = tree["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let number = |name: &str| row[name].as_i64().unwrap();
            (text(&row["slug"]), number("depth"), number("templates"), number("templates_total"))
        })
        .collect();
    let expected = [("data", 0, 0, 0), ("web", 0, 1, 2), ("frontends", 1, 1, 1)];
    let expected: Vec<_> = expected.iter().map(|(slug, a, b, c)| ((*slug).to_owned(), *a, *b, *c)).collect();
    assert_eq!(shown, expected);
    assert_eq!(names(&user, "/api/templates?category=web&sort=name"), ["A", "B", "Draft"], "with what is below it");
    assert_eq!(names(&user, "/api/templates?category=frontends&status=PUBLISHED"), ["B"]);
    assert_eq!(names(&user, "/api/templates?category=nothing"), [] as [&str; 0]);
}

#[test]
fn no_category_is_below_itself_and_one_that_is_in_use_stays() {
    let app = App::start();
    let admin = app.admin().client;
    let top = category(&admin, "Top", None);
    let mut lowest = top.clone();
    for level in 1..9 {
        lowest = category(&admin, &format!("Level {level}"), Some(&lowest));
    }
    let path = format!("/api/categories/{}", text(&top["id"]));
    for parent in [&top["id"], &lowest["id"]] {
        let refusal = admin.patch(&path, &json!({ "parent_id": parent })).refuse(422, "VALIDATION_ERROR");
        assert_eq!(refusal.json()["fields"][0]["field"], "parent_id");
    }
    let last = category(&admin, "Level 9", Some(&lowest));
    admin
        .post("/api/categories", &json!({ "name": "Too deep", "parent_id": last["id"] }))
        .refuse(422, "VALIDATION_ERROR");
    let above = category(&admin, "Above", None);
    admin.patch(&path, &json!({ "parent_id": above["id"] })).refuse(422, "VALIDATION_ERROR");
    admin.delete(&path).refuse(409, "CONFLICT");
    admin.delete(&format!("/api/categories/{}", text(&last["id"]))).expect(204);
    admin.patch(&path, &json!({ "parent_id": above["id"] })).expect(200);
}

#[test]
fn slugs_are_made_from_names_and_kept_unique_even_of_many_at_once() {
    let app = App::start();
    let admin = app.admin().client;
    for (name, slug) in [("Été à Paris!", "ete-a-paris"), ("日本", "category"), ("  x", ""), ("R&D", "r-d")] {
        let answer = admin.post("/api/categories", &json!({ "name": name }));
        match slug {
            "" => drop(answer.refuse(422, "VALIDATION_ERROR")),
            _ => assert_eq!(answer.expect(201).json()["slug"], slug),
        }
    }
    let mut slugs: Vec<String> = std::thread::scope(|scope| {
        let make = || text(&admin.post("/api/categories", &json!({ "name": "Same" })).expect(201).json()["slug"]);
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    slugs.sort();
    assert_eq!(slugs, ["same", "same-2", "same-3", "same-4", "same-5", "same-6", "same-7", "same-8"]);
    admin.post("/api/categories", &json!({ "name": "Other", "slug": "same" })).refuse(409, "CONFLICT");
}

#[test]
fn templates_name_technologies_that_exist_and_follow_their_slugs() {
    let app = App::start();
    let (admin, user) = (app.admin().client, app.user().client);
    technologies(&admin, &["Rust", "PostgreSQL"]);
    let made = template(&user, &json!({ "name": "A", "technologies": ["rust", "postgresql"] }));
    let path = format!("/api/templates/{}", text(&made["id"]));
    for wrong in [json!(["rust", "cobol"]), json!(["rust", "rust"]), json!(["Rust"]), json!("rust")] {
        user.patch(&path, &json!({ "technologies": wrong })).refuse(422, "VALIDATION_ERROR");
        let new = json!({ "name": "B", "technologies": wrong });
        let refusal = user.post("/api/templates", &new).refuse(422, "VALIDATION_ERROR").json();
        assert!(text(&refusal["fields"][0]["field"]).starts_with("technologies"), "{refusal}");
    }
    let rust = text(&admin.get("/api/technologies?slug=rust").json()["data"][0]["id"]);
    let rust = format!("/api/technologies/{rust}");
    admin.patch(&rust, &json!({ "slug": "rust-lang" })).expect(200);
    assert_eq!(user.get(&path).json()["technologies"], json!(["rust-lang", "postgresql"]));
    assert_eq!(names(&user, "/api/templates?technology=rust-lang"), ["A"]);
    admin.delete(&rust).refuse(409, "CONFLICT");
    user.patch(&path, &json!({ "technologies": ["postgresql"] })).expect(200);
    admin.delete(&rust).expect(204);
    for client in [&user, &app.viewer().client] {
        client.post("/api/technologies", &json!({ "name": "X", "kind": "tool" })).expect(403);
        client.post("/api/categories", &json!({ "name": "X" })).expect(403);
        assert_eq!(client.get("/api/technologies").expect(200).json()["data"].as_array().map(Vec::len), Some(1));
    }
    assert_eq!(user.get(&path).json()["version"].as_i64(), Some(3), "a new slug of a technology is a change, too");
    let _: Value = made;
}
