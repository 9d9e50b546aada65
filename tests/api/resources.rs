//! What every resource does, shown on those that there are.

use serde_json::json;

use crate::support::App;

#[test]
fn a_row_is_made_read_changed_replaced_and_deleted() {
    let app = App::start();
    let admin = app.admin().client;
    let made = admin.post("/api/settings", &json!({ "key": "theme", "value": { "dark": true } })).expect(201);
    let path = made.header("Location").unwrap().to_owned();
    assert_eq!(made.header("ETag"), Some("\"1\""));
    let read = admin.get(&path).expect(200);
    assert_eq!(read.json(), made.json());
    let changed = admin.patch(&path, &json!({ "description": "how it looks" })).expect(200).json();
    assert_eq!((&changed["value"], &changed["description"]), (&json!({ "dark": true }), &json!("how it looks")));
    let replaced = admin.put(&path, &json!({ "key": "theme", "value": 1 })).expect(200).json();
    assert_eq!(
        (&replaced["value"], &replaced["description"], &replaced["version"]),
        (&json!(1), &json!(""), &json!(3))
    );
    admin.delete(&path).expect(204);
    admin.get(&path).refuse(404, "NOT_FOUND");
}
