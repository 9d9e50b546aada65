//! The search: words find templates, the best first.

use serde_json::json;

use super::{category, names, published, technologies, template};
use crate::support::App;
use crate::support::app::text;

#[test]
fn words_find_templates_by_name_tags_technologies_and_description_the_best_first() {
    let app = App::start();
    let (admin, user) = (app.admin().client, app.user().client);
    technologies(&admin, &["React"]);
    for body in [
        json!({ "name": "Dashboard", "description": "Shows figures; made with react and care" }),
        json!({ "name": "Portal", "technologies": ["react"] }),
        json!({ "name": "React starter" }),
        json!({ "name": "React" }),
        json!({ "name": "Worker", "description": "Runs jobs" }),
    ] {
        template(&user, &body);
    }
    assert_eq!(names(&user, "/api/templates?q=react"), ["React", "React starter", "Portal", "Dashboard"]);
    assert_eq!(names(&user, "/api/templates?q=REACT+start"), ["React starter"], "all words, and the beginning of one");
    assert_eq!(names(&user, "/api/templates?q=running"), ["Worker"], "whatever form a word has");
    assert_eq!(names(&user, "/api/templates?q=react+-starter"), ["React", "Portal", "Dashboard"]);
    assert_eq!(names(&user, "/api/templates?q=portal+OR+worker").len(), 2);
    assert_eq!(names(&user, "/api/templates?q=%22figures+made%22"), ["Dashboard"]);
    for nothing in ["cobol", "the", "%27%3B--", "%28", "a%26%26", "%22", "%3A%2A", "%5C", "%F0%9F%A6%80"] {
        assert_eq!(names(&user, &format!("/api/templates?q={nothing}")), [] as [&str; 0], "{nothing}");
    }
}

#[test]
fn a_search_is_filtered_paged_and_cut_to_fields_like_any_list() {
    let app = App::start();
    let (admin, user) = (app.admin().client, app.user().client);
    technologies(&admin, &["Go", "Rust"]);
    let web = category(&admin, "Web", None);
    let front = category(&admin, "Front", Some(&web));
    for number in 1..=7 {
        let technology = if number % 2 == 0 { "go" } else { "rust" };
        let body = json!({
            "name": format!("Service {number}"), "technologies": [technology], "tags": ["api"],
            "category_id": front["id"], "description": "service ".repeat(number),
        });
        if number < 5 {
            published(&user, &body)
        } else {
            template(&user, &body)
        };
    }
    assert_eq!(names(&user, "/api/templates?q=service&technology=go").len(), 3);
    assert_eq!(names(&user, "/api/templates?q=service&category=web&status=PUBLISHED&tag=api").len(), 4);
    assert_eq!(names(&user, "/api/templates?q=service&name__contains=7&category=front"), ["Service 7"]);
    let all = names(&user, "/api/templates?q=service");
    let (mut walked, mut path) = (Vec::new(), "/api/templates?q=service&limit=3&total=true".to_owned());
    loop {
        let page = user.get(&path).expect(200).json();
        assert_eq!(page["page"]["total"], 7);
        walked.extend(page["data"].as_array().unwrap().iter().map(|row| text(&row["name"])));
        match page["page"]["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/templates?q=service&limit=3&total=true&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(walked, all);
    let cut = user.get("/api/templates?q=service&fields=name,id&limit=1").expect(200).json();
    assert_eq!(cut["data"][0].as_object().unwrap().keys().collect::<Vec<_>>(), ["id", "name"]);
    let cursor = text(&cut["page"]["next_cursor"]);
    user.get(&format!("/api/templates?q=other&cursor={cursor}")).refuse(400, "MALFORMED_REQUEST");
    user.get(&format!("/api/templates?cursor={cursor}")).refuse(400, "MALFORMED_REQUEST");
}

#[test]
fn what_is_no_search_is_refused_and_nothing_is_changed_by_one() {
    let app = App::start();
    let user = app.user().client;
    template(&user, &json!({ "name": "A" }));
    let long = "x".repeat(201);
    for query in ["q=", "q=+", &format!("q={long}"), "q=a&sort=name", "q=a&q=b", "q=a&colour=red", "q=a&limit=0"] {
        user.get(&format!("/api/templates?{query}")).refuse(400, "MALFORMED_REQUEST");
    }
    user.delete("/api/templates?q=a").refuse(400, "MALFORMED_REQUEST");
    user.delete("/api/templates?q=a&status=DRAFT").refuse(400, "MALFORMED_REQUEST");
    user.get("/api/teams?q=a").refuse(400, "MALFORMED_REQUEST");
    assert_eq!(names(&user, "/api/templates"), ["A"]);
    let affected = user.delete("/api/templates?tag=nothing").expect(200).json();
    assert_eq!(affected["affected"], 0);
}

#[test]
fn the_popular_are_found_first_and_the_rare_are_found_at_all_among_thousands() {
    let app = App::start();
    let user = app.user().client;
    let mut client = app.database.client();
    client
        .batch_execute(
            "INSERT INTO templates.templates (name, slug, description, downloads)
            SELECT
                'Service ' || n,
                'service-' || n,
                CASE WHEN n % 1000 = 7 THEN 'a rare unicorn' ELSE 'nothing special' END,
                n
            FROM generate_series(1, 5000) AS n;
            INSERT INTO templates.templates (name, slug) VALUES ('Special', 'special');
            ANALYZE templates.templates",
        )
        .unwrap();
    let popular = names(&user, "/api/templates?q=service&limit=2");
    assert_eq!(popular, ["Service 5000", "Service 4999"]);
    let rare = names(&user, "/api/templates?q=unicorn");
    assert_eq!(rare, ["Service 4007", "Service 3007", "Service 2007", "Service 1007", "Service 7"]);
    assert_eq!(names(&user, "/api/templates?q=special&limit=1"), ["Special"], "whatever is called so comes first");
    let total = user.get("/api/templates?q=special&limit=1&total=true").json()["page"]["total"].clone();
    assert_eq!(total, 4996);
}
