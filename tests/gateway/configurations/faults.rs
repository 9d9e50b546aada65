//! Files that are wrong.

use serde_json::{Value, json};

use super::{apply, faults, file, file_route, routes};
use crate::support::App;

#[test]
fn all_faults_of_a_file_are_told_at_once_with_the_name_and_the_field() {
    let app = App::start();
    let client = app.operator().client;
    let wrong = json!({ "routes": [
        file_route("good", "/good"),
        { "name": "no path", "upstream": "http://a" },
        { "name": "three", "path": "three", "upstream": "ftp://a", "timeout": 0 },
        { "name": "odd", "path": "/odd", "upstream": "http://a", "colour": "red" },
        7,
    ], "version": 2 });
    for path in ["/api/gateway/plan", "/api/gateway/apply"] {
        let answer = client.post(path, &wrong).refuse(422, "VALIDATION_ERROR");
        let faults = faults(&answer);
        let fields: Vec<&str> = faults.iter().map(|(field, _)| &**field).collect();
        let expected = [
            "version",
            "routes[1].path",
            "routes[2].path",
            "routes[2].upstream",
            "routes[2].timeout",
            "routes[3].colour",
            "routes[4]",
        ];
        assert_eq!(fields, expected, "{faults:?}");
        assert!(faults[1].1.starts_with("of no path: is required"), "{faults:?}");
    }
    let auth = json!({ "routes": [
        { "name": "auth", "path": "/a", "upstream": "http://a", "auth": { "type": "basic", "issuer": "x" } },
        { "name": "same", "path": "/same", "upstream": "http://a" },
        { "name": "same", "path": "/same/too", "upstream": "http://a" },
    ] });
    let told = faults(&client.post("/api/gateway/apply", &auth).refuse(422, "VALIDATION_ERROR"));
    let fields: Vec<&str> = told.iter().map(|(field, _)| &**field).collect();
    assert_eq!(fields, ["routes[0].auth.issuer", "routes[2].name"], "{told:?}");
    assert_eq!(routes(&client), []);
}

#[test]
fn all_routes_that_a_request_could_take_as_well_are_told_at_once() {
    let app = App::start();
    let client = app.operator().client;
    let mut wrong = file(&[("a", "/x/{id}"), ("b", "/x/{name}"), ("c", "/y"), ("d", "/y"), ("e", "/y")]);
    wrong["routes"][4]["enabled"] = json!(false);
    let answer = client.post("/api/gateway/apply", &wrong).refuse(409, "CONFLICT");
    let told = faults(&answer);
    assert_eq!(told[0], ("routes[1].path".to_owned(), "of b: is that of the route a, which takes GET too".to_owned()));
    assert_eq!((told.len(), &*told[1].0), (2, "routes[3].path"));
    assert_eq!(routes(&client), []);
}

#[test]
fn bodies_that_are_no_configurations_are_refused_and_change_nothing() {
    let app = App::start();
    let client = app.operator().client;
    apply(&client, &file(&[("stays", "/stays")]));
    for (body, status) in [
        ("", 400),
        ("{", 400),
        ("[]", 422),
        ("{}", 422),
        (r#"{"routes":null}"#, 422),
        (r#"{"routes":{}}"#, 422),
        (r#"{"routes":[],"routes":[]}"#, 400),
        (r#"{"routes":[],"tags":"payments"}"#, 422),
        (r#"{"routes":[],"tags":[1]}"#, 422),
        (r#"{"routes":[],"message":7}"#, 422),
    ] {
        let answer = client.send("POST", "/api/gateway/apply", Some(body.as_bytes()));
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
    let many: Vec<Value> = (0..1000).map(|_| json!({})).collect();
    let answer = client.post("/api/gateway/apply", &json!({ "routes": many })).refuse(422, "VALIDATION_ERROR");
    assert_eq!(faults(&answer).len(), 100);
    app.viewer().client.post("/api/gateway/apply", &file(&[])).refuse(403, "INSUFFICIENT_PERMISSIONS");
    app.viewer().client.post("/api/gateway/plan", &file(&[])).expect(200);
    app.nobody().get("/api/gateway/configuration").refuse(401, "MISSING_API_KEY");
    assert_eq!(routes(&client).len(), 1);
}
