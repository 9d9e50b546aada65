//! Lists: pages, cursors, orders, totals and columns.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::column;
use super::specimen::Specimens;
use crate::support::client::Client;
use crate::support::wait::AtEnd;

/// All rows of a list, page by page.
fn walk(client: &Client, query: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("/api/specimens?{query}{cursor}")).expect(200).json();
        rows.extend(page["data"].as_array().unwrap().iter().cloned());
        match page["page"]["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
}

fn texts(rows: &[Value], name: &str) -> Vec<String> {
    column(&json!({ "data": rows }), name)
}

/// Twelve rows, with three names, four each.
fn dozen() -> Specimens {
    let zoo = Specimens::serve();
    for index in 0..12 {
        let name = ["b", "a", "B"][index % 3];
        zoo.make(&json!({ "name": name, "count": index }));
    }
    zoo
}

#[test]
fn a_walk_meets_every_row_once_in_order_by_every_sort_both_ways_whatever_the_limit() {
    let zoo = dozen();
    for sort in ["id", "created_at", "updated_at", "name", "size"] {
        let mut forward = walk(&zoo.client, &format!("sort={sort}&limit=200"));
        assert_eq!(forward.len(), 12);
        for limit in [1, 5, 6, 11, 12] {
            assert_eq!(walk(&zoo.client, &format!("sort={sort}&limit={limit}")), forward, "{sort} {limit}");
        }
        forward.reverse();
        assert_eq!(walk(&zoo.client, &format!("sort=-{sort}&limit=5")), forward, "equal values are turned round, too");
    }
    let ids = texts(&walk(&zoo.client, "sort=name&limit=5"), "name");
    let sorted: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(sorted.len(), 3);
    assert!(ids.chunks(4).all(|chunk| chunk.iter().all(|name| *name == chunk[0])), "{ids:?}");
    assert_eq!(walk(&zoo.client, "limit=5"), walk(&zoo.client, "sort=-id&limit=5"), "the newest come first");
}

#[test]
fn a_walk_meets_every_row_that_is_there_all_the_time_once_while_others_come_and_go() {
    let zoo = Specimens::serve();
    let stays: Vec<String> =
        (0..40).map(|index| zoo.make(&json!({ "name": format!("stays {}", index % 7) }))).collect();
    let is_over = AtomicBool::new(false);
    let disturb = |index: usize| {
        while !is_over.load(Ordering::Relaxed) {
            let path = zoo.make(&json!({ "name": format!("stays {}", index % 7) }));
            zoo.client.with("If-Match", "*").delete(&path).expect(204);
        }
    };
    thread::scope(|scope| {
        let _end = AtEnd(&is_over);
        for index in 0..3 {
            scope.spawn(move || disturb(index));
        }
        for sort in ["name", "-name", "-id", "id", "created_at", "-updated_at", "size"] {
            let ids = texts(&walk(&zoo.client, &format!("sort={sort}&limit=3")), "id");
            let met: BTreeSet<&String> = ids.iter().collect();
            assert_eq!(met.len(), ids.len(), "{sort}: a row was met twice");
            let missed = stays.iter().filter(|path| !met.contains(&path["/api/specimens/".len()..].to_owned()));
            assert_eq!(missed.count(), 0, "{sort}: a row was missed");
        }
    });
}

#[test]
fn a_page_says_its_limit_and_where_to_go_on_and_the_rest_when_it_is_asked() {
    let zoo = dozen();
    let get = |query: &str| zoo.client.get(&format!("/api/specimens?{query}")).expect(200).json();
    assert_eq!(get("")["page"], json!({ "limit": 50, "next_cursor": null }));
    let page = get("limit=12&total=true&name=a");
    assert_eq!(page["page"], json!({ "limit": 12, "next_cursor": null, "total": 4 }));
    assert_eq!(get("total=false")["page"].get("total"), None);
    assert_eq!(get("total=true&limit=1")["page"]["total"], json!(12));
    let next = get("total=true&limit=5")["page"]["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!(get(&format!("total=true&limit=5&cursor={next}"))["page"]["total"], json!(12), "behind a cursor, too");
}

#[test]
fn pages_have_numbers_too_to_a_depth_of_ten_thousand_rows() {
    let zoo = dozen();
    let all = texts(&walk(&zoo.client, "sort=name"), "id");
    for (number, expected) in [(1, &all[..5]), (2, &all[5..10]), (3, &all[10..]), (4, &all[12..])] {
        let page = zoo.client.get(&format!("/api/specimens?sort=name&limit=5&page={number}")).expect(200).json();
        assert_eq!(column(&page, "id"), expected);
        assert_eq!(page["page"]["page"], json!(number));
    }
    zoo.client.get("/api/specimens?limit=200&page=51").expect(200);
    for query in ["limit=200&page=52", "page=0", "page=-1", "page=x", "page=10001&limit=1", "page=99999999999999999999"]
    {
        zoo.client.get(&format!("/api/specimens?{query}")).refuse(400, "MALFORMED_REQUEST");
    }
}

#[test]
fn a_limit_is_from_one_to_two_hundred_and_no_word_is_given_twice() {
    let zoo = dozen();
    for (limit, status) in [("1", 200), ("200", 200), ("0", 400), ("201", 400), ("-1", 400), ("1e2", 400), ("", 400)] {
        assert_eq!(zoo.client.get(&format!("/api/specimens?limit={limit}")).status, status, "{limit}");
    }
    for query in
        ["limit=1&limit=2", "sort=id&sort=id", "total=true&total=true", "total=yes", "total=", "fields=id&fields=id"]
    {
        zoo.client.get(&format!("/api/specimens?{query}")).refuse(400, "MALFORMED_REQUEST");
    }
}

#[test]
fn columns_are_picked_and_a_walk_over_them_goes_on_by_what_is_not_shown() {
    let zoo = dozen();
    let rows = walk(&zoo.client, "fields=count,name,count&sort=-name&limit=5");
    assert_eq!(rows.len(), 12);
    assert_eq!(rows, walk(&zoo.client, "fields=count,name&sort=-name"));
    let keys: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["count", "name"]);
}

#[test]
fn a_cursor_that_was_not_given_out_for_this_order_is_refused() {
    let zoo = dozen();
    let page = zoo.client.get("/api/specimens?sort=name&limit=5").expect(200).json();
    let good = page["page"]["next_cursor"].as_str().unwrap();
    zoo.client.get(&format!("/api/specimens?sort=name&cursor={good}")).expect(200);
    for query in ["", "sort=-name&", "sort=id&", "page=2&sort=name&"] {
        zoo.client.get(&format!("/api/specimens?{query}cursor={good}")).refuse(400, "MALFORMED_REQUEST");
    }
    let make = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let id = "00000000-0000-0000-0000-000000000000";
    let tampered = [
        String::new(),
        "x".to_owned(),
        "%%%".replace('%', "%25"),
        good[1..].to_owned(),
        format!("{good}="),
        format!("{good}AA"),
        good.to_uppercase(),
        make(json!(["name", "a"])),
        make(json!(["name", "a", id, 1])),
        make(json!(["name", 1, id])),
        make(json!(["name", "a", "1"])),
        make(json!(["name", "a\u{0}", id])),
        make(json!({ "name": "a" })),
        make(json!(null)),
        URL_SAFE_NO_PAD.encode([0xff, 0xfe]),
    ];
    for cursor in tampered {
        zoo.client.get(&format!("/api/specimens?sort=name&cursor={cursor}")).refuse(400, "MALFORMED_REQUEST");
    }
    for (sort, value) in [("size", "x"), ("size", "1.5"), ("created_at", "x"), ("created_at", "infinity"), ("id", "1")]
    {
        let cursor = make(json!([sort, value, id]));
        zoo.client.get(&format!("/api/specimens?sort={sort}&cursor={cursor}")).refuse(400, "MALFORMED_REQUEST");
    }
    // What is in a cursor is a value like any other: whoever makes one up gets a page, and nothing else.
    let cursor = make(json!(["name", "'; DROP TABLE trial.specimens; --", id]));
    zoo.client.get(&format!("/api/specimens?sort=name&cursor={cursor}")).expect(200);
    assert_eq!(walk(&zoo.client, "").len(), 12);
}

#[test]
fn numbers_and_texts_of_every_size_have_their_place_in_a_walk() {
    let zoo = Specimens::serve();
    for (name, size) in [("", i64::MIN), ("😀", -1), ("a\"b\\c", 0), ("a\nb", 1), ("zz", i64::MAX)] {
        zoo.make(&json!({ "name": format!("x{name}"), "size": size }));
    }
    let sizes = texts(&walk(&zoo.client, "sort=size&limit=1"), "size");
    assert_eq!(sizes, ["-9223372036854775808", "-1", "0", "1", "9223372036854775807"]);
    assert_eq!(walk(&zoo.client, "sort=name&limit=1").len(), 5);
}

#[test]
fn a_page_has_no_more_bytes_than_anybody_should_wait_for_and_the_cursor_goes_on_behind_it() {
    let zoo = Specimens::serve();
    let long = "x".repeat(900_000);
    for index in 0..12 {
        zoo.make(&json!({ "name": format!("n{index:02}"), "about": { "long": long } }));
    }
    let first = zoo.client.get("/api/specimens?limit=200&sort=name").expect(200);
    assert!(first.body.len() < 6 << 20, "{} bytes", first.body.len());
    let rows = first.json()["data"].as_array().unwrap().len();
    assert!((4..=6).contains(&rows), "{rows}");
    assert!(first.json()["page"]["next_cursor"].is_string());
    for query in ["sort=name&limit=200", "sort=-name&limit=200", "fields=name,about&limit=200", "limit=3"] {
        let mut names = texts(&walk(&zoo.client, query), "name");
        names.sort();
        assert_eq!(names, (0..12).map(|index| format!("n{index:02}")).collect::<Vec<String>>(), "{query}");
    }
    let refused = zoo.client.get("/api/specimens?limit=200&page=1").refuse(400, "MALFORMED_REQUEST").json();
    assert!(refused["detail"].as_str().unwrap().contains("smaller limit"), "{refused}");
    zoo.client.get("/api/specimens?limit=3&page=4").expect(200);
    // What was not read of the answer is in nobody's way.
    assert_eq!(
        zoo.client.get("/api/specimens?limit=200&fields=name").expect(200).json()["data"].as_array().unwrap().len(),
        12
    );
}
