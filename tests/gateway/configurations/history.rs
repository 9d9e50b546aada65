//! Revisions, the way back, and who it was.

use serde_json::{Value, json};

use super::{apply, counts, file, routes};
use crate::support::App;

#[test]
fn each_change_is_a_numbered_revision_with_its_author_and_one_can_go_back_to_any() {
    let app = App::start();
    let user = app.operator();
    let client = &user.client;
    for (paths, message) in [(&[("a", "/a")][..], "first"), (&[("a", "/b"), ("c", "/c")], "second"), (&[], "third")] {
        let mut file = file(paths);
        file["message"] = json!(message);
        apply(client, &file);
    }
    let page = client.get("/api/revisions?sort=number").expect(200).json();
    let column =
        |name: &str| page["data"].as_array().unwrap().iter().map(|row| row[name].clone()).collect::<Vec<Value>>();
    assert_eq!(column("number"), [1, 2, 3]);
    assert_eq!(column("message"), ["first", "second", "third"]);
    assert!(column("author").iter().all(|author| *author == *user.id));
    assert_eq!(
        page["data"][1]["summary"]["routes"],
        json!({ "created": 1, "updated": 1, "deleted": 0, "unchanged": 0 })
    );

    let back = client.post("/api/gateway/rollback", &json!({ "revision": 1 })).expect(200).json();
    assert_eq!((counts(&back), &back["revision"]), ([1, 0, 0, 0], &json!(4)));
    assert_eq!(routes(client), [("a".to_owned(), "/a".to_owned())]);
    let last = client.get("/api/revisions?number=4").expect(200).json()["data"][0].clone();
    assert_eq!((&last["restored_from"], &last["message"]), (&json!(1), &json!("back to revision 1")));
    assert_eq!(last["checksum"], page["data"][0]["checksum"]);
    client.post("/api/gateway/rollback", &json!({ "revision": 9 })).refuse(404, "NOT_FOUND");
    client.with("If-Match", "\"0\"").post("/api/gateway/rollback", &json!({ "revision": 2 })).expect(412);

    let diff = client.get("/api/gateway/diff?from=1&to=2").expect(200).json();
    assert_eq!(diff["routes"]["update"], json!([{ "name": "a", "fields": { "path": ["/a", "/b"] } }]));
    assert_eq!(diff["routes"]["create"][0]["name"], "c");
    let diff = client.get("/api/gateway/diff?from=2").expect(200).json();
    assert_eq!(diff["routes"]["update"][0]["fields"]["path"], json!(["/b", "/a"]));
    client.get("/api/gateway/diff?from=1&to=77").refuse(404, "NOT_FOUND");
    client.get("/api/gateway/diff").refuse(400, "MALFORMED_REQUEST");
    let old = client.get("/api/gateway/configuration?revision=2").expect(200).json();
    assert_eq!(old["routes"].as_array().unwrap().len(), 2);
}

#[test]
fn going_back_to_a_part_leaves_the_other_parts_alone() {
    let app = App::start();
    let client = app.operator().client;
    let part = |tag: &str, paths: &[(&str, &str)]| {
        let mut file = file(paths);
        file["tags"] = json!([tag]);
        apply(&client, &file)
    };
    let first = part("one", &[("a", "/a")])["revision"].clone();
    part("two", &[("b", "/b")]);
    let empty = part("one", &[])["revision"].clone();
    client.post("/api/gateway/rollback", &json!({ "revision": first })).expect(200);
    assert_eq!(routes(&client).len(), 2);
    client.post("/api/gateway/rollback", &json!({ "revision": empty })).expect(200);
    assert_eq!(routes(&client), [("b".to_owned(), "/b".to_owned())]);
    client.get("/api/gateway/diff?from=1&to=2").refuse(422, "VALIDATION_ERROR");
}

#[test]
fn blame_names_who_changed_each_field_last() {
    let app = App::start();
    let (ada, bob) = (app.operator(), app.operator());
    let mut wanted = file(&[("a", "/a")]);
    apply(&ada.client, &wanted);
    wanted["routes"][0]["timeout"] = json!(7);
    apply(&bob.client, &wanted);
    let blame = ada.client.get("/api/gateway/blame?route=a").expect(200).json();
    let whose = |field: &str| {
        let row = blame.as_array().unwrap().iter().find(|row| row["field"] == field).unwrap();
        (row["user"].as_str().unwrap().to_owned(), row["value"].clone())
    };
    assert_eq!(whose("path"), (ada.email.clone(), json!("/a")));
    assert_eq!(whose("timeout"), (bob.email.clone(), json!(7)));
    ada.client.get("/api/gateway/blame?route=b").refuse(404, "NOT_FOUND");
    ada.client.get("/api/gateway/blame").refuse(400, "MALFORMED_REQUEST");
}
