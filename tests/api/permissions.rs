//! Permissions: every endpoint, with every role, with each permission alone, and with nothing.

use std::collections::BTreeSet;

use mainstay::http::{Access, Endpoint, Permission, Role, Verb, covers};
use serde_json::{Value, json};

use super::at_once;
use crate::support::App;
use crate::support::binary::mainstay;
use crate::support::client::{Answer, Client};
use crate::support::folder;
use crate::support::serving::Serving;
use crate::support::wait::wait_for;

/// Endpoints of the API that need no credentials. Whoever adds one, adds it here, and has thought about it.
const PUBLIC: [&str; 6] = [
    "POST /api/auth/forgot",
    "POST /api/auth/login",
    "POST /api/auth/refresh",
    "POST /api/auth/register",
    "POST /api/auth/reset",
    "POST /api/auth/verify-email",
];

/// Collections that are read or written with the permissions of another, which they are a part or a view of.
const OTHERS: [(&str, &str); 10] = [
    ("auth", "sessions"),
    ("event-types", "webhooks"),
    ("gateway", "routes"),
    ("generations", "generation-claims"),
    ("health-checks", "services"),
    ("performance-metrics", "metrics"),
    ("revisions", "routes"),
    ("system-metrics", "metrics"),
    ("template-versions", "templates"),
    ("templates", "categories"),
];

/// Endpoints of the API that everybody who is admitted may call.
const SIGNED_IN: [&str; 5] =
    ["GET /api/auth/me", "GET /api/entities", "POST /api/auth/logout", "POST /api/auth/password", "POST /api/batch"];

/// Calls an endpoint so that nothing comes of it but the decision whether one may: about a row that there is none of, and
/// without a body.
fn call(client: &Client, endpoint: &Endpoint) -> Answer {
    let path = endpoint.path.replace("{id}", "00000000-0000-0000-0000-000000000000");
    client.send(endpoint.verb.name(), &path, None)
}

/// Whether an answer says that the permission is missing.
fn is_refused(answer: &Answer) -> bool {
    answer.status == 403
        && answer.json()["detail"].as_str().is_some_and(|detail| detail.contains(" needs the permission "))
}

fn names(endpoints: &[Endpoint], access: Access) -> Vec<String> {
    let is_meant = |endpoint: &&Endpoint| endpoint.path.starts_with("/api/") && endpoint.access == access;
    let mut names: Vec<String> = endpoints.iter().filter(is_meant).map(|endpoint| format!("{endpoint:?}")).collect();
    names.sort();
    names
}

#[test]
fn every_endpoint_admits_exactly_those_whom_its_permission_names() {
    let app = App::start();
    let endpoints = app.running().service().router().endpoints();
    let known: BTreeSet<&str> = endpoints.iter().filter_map(Endpoint::permission).map(|known| known.name).collect();
    assert!(known.len() > 10 && known.contains("admin"), "{known:?}");
    let mut held: Vec<Vec<&str>> = known.iter().map(|name| vec![*name]).collect();
    held.extend([
        vec![],
        vec!["read:*"],
        vec!["write:*"],
        vec!["read:*", "write:*"],
        vec!["read:nothing", "write:nothing"],
    ]);
    let cases: Vec<(Role, &Vec<&str>)> =
        Role::ALL.into_iter().flat_map(|role| held.iter().map(move |held| (role, held))).collect();
    let walk = |(role, held): &(Role, &Vec<&str>)| {
        let client = app.somebody(role.name(), held).client;
        for endpoint in endpoints {
            let may = |permission: Permission| {
                *role >= permission.role && held.iter().any(|held| covers(held, permission.name))
            };
            let is_expected = endpoint.permission().is_none_or(may);
            let answer = call(&client, endpoint);
            assert_eq!(!is_refused(&answer), is_expected, "{endpoint:?} for {role:?} with {held:?}: {}", answer.text());
            if !is_expected {
                let answer = answer.refuse(403, "INSUFFICIENT_PERMISSIONS");
                let missing = endpoint.permission().unwrap().name;
                assert!(answer.text().contains(&format!("needs the permission {missing}")), "{}", answer.text());
            }
        }
    };
    // Four at a time, as one would wait for the other end all the time.
    at_once(4, |thread| cases.iter().skip(thread).step_by(4).for_each(walk));
}

#[test]
fn whoever_is_logged_in_may_all_that_the_role_may() {
    let app = App::start();
    let endpoints = app.running().service().router().endpoints();
    for role in Role::ALL {
        let client = app.logged_in(role.name()).client;
        // Calls that end the session would end the walk.
        for endpoint in endpoints.iter().filter(|endpoint| !endpoint.path.starts_with("/api/auth/logout")) {
            let is_expected = endpoint.permission().is_none_or(|permission| role >= permission.role);
            let answer = call(&client, endpoint);
            assert_eq!(!is_refused(&answer), is_expected, "{endpoint:?} for {role:?}: {}", answer.text());
        }
    }
}

#[test]
fn without_credentials_there_is_only_what_is_meant_for_everybody() {
    // In development what tells of the database is open, too.
    let production = [
        ("APP_ENV", "production"),
        ("JWT_SECRET", "0f1e2d3c4b5a69788796a5b4c3d2e1f0"),
        ("ENCRYPTION_KEY", "2f1e0d3c4b5a69788796a5b4c3d2e1f9"),
    ];
    let app = App::start_with(&production);
    let endpoints = app.running().service().router().endpoints();
    assert_eq!(names(endpoints, Access::Public), PUBLIC);
    assert_eq!(names(endpoints, Access::SignedIn), SIGNED_IN);
    for endpoint in endpoints {
        let is_public = endpoint.access == Access::Public;
        let answer = call(&app.nobody(), endpoint);
        assert_eq!(answer.status != 401, is_public, "{endpoint:?}");
        if !is_public {
            answer.refuse(401, "MISSING_API_KEY");
        }
        let answer = call(&app.nobody().with("X-API-Key", "ctm_wrong"), endpoint);
        assert_eq!(answer.status != 401, is_public, "{endpoint:?}: wrong credentials are none where none are needed");
    }
}

#[test]
fn the_table_of_endpoints_is_consistent() {
    let app = App::start();
    let mut others = BTreeSet::new();
    for endpoint in app.running().service().router().endpoints() {
        let reads = endpoint.verb == Verb::Get;
        assert!(!(reads && endpoint.is_write), "{endpoint:?} reads and writes");
        assert!(!(reads && endpoint.input.is_some()), "{endpoint:?} has a body");
        assert!(!endpoint.summary.is_empty() && !endpoint.summary.ends_with('.'), "{endpoint:?}");
        if let Some(permission) = endpoint.permission().filter(|permission| permission.name != "admin") {
            let (verb, collection) = permission.name.split_once(':').unwrap();
            // Some questions are too long for a path.
            let is_right = if verb == "read" { !endpoint.is_write } else { verb == "write" && !reads };
            assert!(is_right, "{endpoint:?}");
            if collection != endpoint.collection() && endpoint.path.starts_with("/api/") {
                others.insert((endpoint.collection(), collection));
            }
        }
        let answers = [200, 201, 202, 204];
        assert!(answers.contains(&endpoint.status), "{endpoint:?}");
    }
    assert_eq!(Vec::from_iter(others), OTHERS, "whose permissions are another collection's");
}

#[test]
fn in_production_nothing_that_tells_of_the_inside_is_open() {
    let secret = "0123456789abcdef0123456789abcdef-of-a-test";
    let app = App::start_with(&[
        ("APP_ENV", "production"),
        ("DB_AUTO_MIGRATE", "true"),
        ("JWT_SECRET", secret),
        ("ENCRYPTION_KEY", secret),
        ("MAIL_COMMAND", "cat > /dev/null"),
    ]);
    let nobody = app.nobody();
    for path in ["/live", "/ready", "/health"] {
        let text = nobody.get(path).expect(200);
        let body: Value = text.json();
        assert!(!body.to_string().contains("postgres") && body.get("pools").is_none(), "{body}");
    }
    assert_eq!(names(app.running().service().router().endpoints(), Access::Public), PUBLIC);
    for path in ["/health/database", "/health/detailed", "/metrics"] {
        nobody.get(path).refuse(401, "MISSING_API_KEY");
    }
    app.somebody("USER", &["read:teams"]).client.get("/health/database").refuse(403, "INSUFFICIENT_PERMISSIONS");
    app.somebody("VIEWER", &["read:metrics"]).client.get("/health/database").expect(200);
    let body = serde_json::json!({ "email": "a@b.cd", "password": "a new password" });
    nobody.post("/api/auth/register", &body).refuse(403, "INSUFFICIENT_PERMISSIONS");
}

#[test]
fn what_is_common_to_all_is_changed_by_administrators_and_those_who_were_granted_it_alone() {
    let app = App::start();
    let endpoints = app.running().service().router().endpoints();
    for endpoint in endpoints.iter().filter(|endpoint| endpoint.is_write && !endpoint.is_guarded) {
        let Some(permission) = endpoint.permission() else { continue };
        assert_eq!(permission.role, Role::Admin, "{endpoint:?} changes what is everybody's");
    }
    let admin = app.admin().client;
    let route = json!({ "name": "x", "path": "/x", "upstream": "http://x.example.org", "methods": ["GET"] });
    let user = app.user().client;
    user.post("/api/routes", &route).refuse(403, "INSUFFICIENT_PERMISSIONS");
    admin.post("/api/routes", &route).expect(201);
    user.delete("/api/routes?name=x").refuse(403, "INSUFFICIENT_PERMISSIONS");
    user.post("/api/gateway/apply", &json!({ "routes": [] })).refuse(403, "INSUFFICIENT_PERMISSIONS");
}

#[test]
fn a_machine_has_what_it_was_granted_and_its_keys_no_more_and_never_logs_in() {
    let app = App::start();
    let admin = app.admin().client;
    let machine = json!({ "email": "ci@example.org", "kind": "SERVICE", "role": "VIEWER", "grants": ["write:routes"] });
    let made = admin.post("/api/users", &machine).expect(201);
    let (id, path) = (made.json()["id"].clone(), made.header("Location").unwrap().to_owned());
    let key = |permissions: Value| {
        let body = json!({ "name": "ci", "user_id": id, "permissions": permissions });
        let made = admin.post("/api/api-keys", &body).expect(201).json();
        app.nobody().with("X-API-Key", made["key"].as_str().unwrap())
    };
    let route = |name: &str| json!({ "name": name, "path": format!("/{name}"), "upstream": "http://x.example.org" });
    let (all, reads) = (key(json!(["read:*", "write:*"])), key(json!(["read:*"])));
    all.post("/api/routes", &route("a")).expect(201);
    all.post("/api/teams", &json!({ "name": "x", "slug": "x" })).refuse(403, "INSUFFICIENT_PERMISSIONS");
    reads.post("/api/routes", &route("b")).refuse(403, "INSUFFICIENT_PERMISSIONS");
    // Nobody grants anything but an administrator, and nobody grants that.
    for body in [json!({ "grants": ["write:settings"] }), json!({ "kind": "PERSON" })] {
        assert_eq!(app.user().client.patch(&path, &body).status / 100, 4);
    }
    let own = app.user();
    own.client
        .patch(&format!("/api/users/{}", own.id), &json!({ "grants": ["write:routes"] }))
        .refuse(422, "VALIDATION_ERROR");
    admin.patch(&path, &json!({ "grants": ["admin"] })).refuse(422, "VALIDATION_ERROR");
    admin.patch(&path, &json!({ "kind": "PERSON" })).refuse(422, "VALIDATION_ERROR");
    // It has no password, is given none, and asks for none.
    admin.post(&format!("{path}/password"), &json!({ "password": "a new password" })).refuse(422, "VALIDATION_ERROR");
    let with = json!({ "email": "b@example.org", "kind": "SERVICE", "password": "a new password" });
    admin.post("/api/users", &with).refuse(422, "VALIDATION_ERROR");
    app.nobody().post("/api/auth/forgot", &json!({ "email": "ci@example.org" })).expect(202);
    let tokens = "SELECT count(*) FROM identity.user_tokens";
    assert_eq!(app.database.client().query_one(tokens, &[]).unwrap().get::<_, i64>(0), 0);
    // What is taken back is gone at once.
    admin.patch(&path, &json!({ "grants": [] })).expect(200);
    wait_for("it may no more", std::time::Duration::from_secs(10), || {
        (all.post("/api/routes", &route("a")).status == 403).then_some(())
    });
}

#[test]
fn the_document_of_permissions_is_the_table_of_endpoints() {
    let none = folder("entities");
    let run = mainstay(&["permissions"], &[("ENTITIES_PATH", none.to_str().unwrap())]);
    assert_eq!(run.code(), 0, "{}", run.said());
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/PERMISSIONS.md");
    let document = std::fs::read_to_string(path).unwrap();
    assert!(
        document.contains(&run.text()),
        "docs/PERMISSIONS.md lacks what `mainstay permissions` prints:\n{}",
        run.text()
    );
}

#[test]
fn in_production_nobody_is_told_where_the_database_is_that_does_not_answer() {
    let secret = "0123456789abcdef0123456789abcdef-of-a-test";
    let data = folder("data");
    let serving = Serving::start(&[
        ("APP_ENV", "production"),
        ("MAINSTAY_DATA", data.to_str().unwrap()),
        ("JWT_SECRET", secret),
        ("ENCRYPTION_KEY", secret),
        ("MAIL_COMMAND", "cat > /dev/null"),
        ("DATABASE_URL", "postgres://someuser@127.0.0.1:1/somedatabase"),
    ]);
    let client = Client::new(serving.address());
    for path in ["/ready", "/health"] {
        let answer = client.get(path).expect(503);
        let tells = |word: &str| answer.text().contains(word);
        assert!(!tells("someuser") && !tells("somedatabase") && !tells("127.0.0.1"), "{}", answer.text());
    }
}
