//! Lists of routes: filters, text search, and the indexes that serve them.

use serde_json::json;

use super::{names, route, with};
use crate::support::App;

#[test]
fn routes_are_found_by_what_they_are_about() {
    let app = App::start();
    let client = app.operator().client;
    for (name, path, members) in [
        ("Payments API", "/pay/*", json!({ "methods": ["GET", "POST"], "metadata": { "team": "pay", "tier": 1 } })),
        ("Payments hooks", "/pay/hooks", json!({ "methods": ["POST"], "enabled": false })),
        ("Kaffee für alle", "/coffee", json!({ "upstream": "https://coffee.example.org/v1" })),
        ("100%_sure", "/sure/{id}", json!({ "metadata": { "team": "sure" } })),
    ] {
        client.post("/api/routes", &with(route(name, path), members)).expect(201);
    }
    for (query, expected) in [
        ("enabled=false", vec!["Payments hooks"]),
        ("methods=POST", vec!["Payments API", "Payments hooks"]),
        ("methods=POST&enabled=true", vec!["Payments API"]),
        ("upstream=https://coffee.example.org/v1", vec!["Kaffee für alle"]),
        ("upstream__contains=COFFEE.example", vec!["Kaffee für alle"]),
        ("path=/pay/*", vec!["Payments API"]),
        ("path__contains=hook", vec!["Payments hooks"]),
        ("metadata.team=pay", vec!["Payments API"]),
        ("metadata.tier=1", vec!["Payments API"]),
        ("name__contains=payments", vec!["Payments API", "Payments hooks"]),
        ("name__contains=ments%20h", vec!["Payments hooks"]),
        ("name__contains=F%C3%9CR", vec!["Kaffee für alle"]),
        ("name__contains=%25_s", vec!["100%_sure"]),
        ("name__contains=0%25", vec!["100%_sure"]),
        ("name__contains=%25%25", vec![]),
        ("name__contains=pay%25nts", vec![]),
        ("name__contains=%5C%5C%5C", vec![]),
        ("name__contains=payments%20apis", vec![]),
        ("name__contains=", vec!["100%_sure", "Kaffee für alle", "Payments API", "Payments hooks"]),
    ] {
        assert_eq!(names(&client, &format!("/api/routes?sort=name&{query}")), expected, "{query}");
    }
}

#[test]
fn searches_among_many_routes_are_served_by_indexes() {
    let app = App::start();
    let mut client = app.database.client();
    client
        .batch_execute(
            "INSERT INTO gateway.routes (name, path, upstream, metadata)
             SELECT format('Service %s of %s', n, md5(n::text)), format('/%s/%s/{id}', md5(n::text), n),
                 format('http://%s.example.org', md5(n::text)), jsonb_build_object('team', n % 1000)
             FROM generate_series(1, 20000) AS n;
             ANALYZE gateway.routes",
        )
        .unwrap();
    let select = include_str!("../../sql/gateway/routes/select.sql");
    let mut plan = |condition: &str, order: &str| -> String {
        let text = format!("EXPLAIN SELECT * FROM ({select}) AS t WHERE {condition} ORDER BY {order} LIMIT 51");
        client.query(&text, &[]).unwrap().iter().map(|row| row.get::<_, String>(0) + "\n").collect()
    };
    let contains = |column: &str, text: &str| {
        format!("ops.trigrams(t.{column}) @> ops.trigrams('{text}') AND t.{column} ILIKE '%{text}%'")
    };
    for (condition, order, index) in [
        (contains("name", "c4ca4238a0"), "t.id DESC", "routes_name_trigrams"),
        (contains("path", "c4ca4238a0"), "t.id DESC", "routes_path_trigrams"),
        ("t.path = '/a'".to_owned(), "t.id DESC", "routes_path"),
        ("t.upstream = 'http://a'".to_owned(), "t.id DESC", "routes_upstream"),
        ("NOT t.enabled".to_owned(), "t.id DESC", "routes_disabled"),
        ("t.methods @> '{PATCH}'".to_owned(), "t.id DESC", "routes_methods"),
        ("t.metadata @> '{\"team\": 7}'".to_owned(), "t.id DESC", "routes_metadata"),
        ("true".to_owned(), "t.name, t.id", "routes_name_is_unique"),
        ("(t.path, t.id) > ('/b', '00000000-0000-0000-0000-000000000000')".to_owned(), "t.path, t.id", "routes_path"),
        ("true".to_owned(), "t.id DESC", "routes_pkey"),
    ] {
        let plan = plan(&condition, order);
        assert!(plan.contains(index) && !plan.contains("Seq Scan"), "{condition}: {plan}");
    }
    let found = names(&app.operator().client, "/api/routes?name__contains=C4CA4238A0");
    assert_eq!(found, ["Service 1 of c4ca4238a0b923820dcc509a6f75849b"]);
}
