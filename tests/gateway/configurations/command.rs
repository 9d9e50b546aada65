//! `mainstay gateway plan`, `apply` and their kin, through the binary.

use std::fs;

use serde_json::{Value, json};

use super::{file, file_route};
use crate::support::binary::{Run, mainstay};
use crate::support::database::{Database, migrated};
use crate::support::folder;

fn on(database: &Database, arguments: &[&str]) -> Run {
    mainstay(&[&["gateway"], arguments].concat(), &[("DATABASE_URL", &database.pairs())])
}

/// A file with these contents.
fn saved(contents: &Value) -> String {
    let path = folder("configuration").join("gateway.json");
    fs::write(&path, contents.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_file_is_planned_applied_compared_and_gone_back_from() {
    let database = migrated();
    let first = saved(&file(&[("a", "/a"), ("b", "/b")]));
    let plan = on(&database, &["plan", &first]);
    assert_eq!(plan.code(), 3, "{}", plan.said());
    assert!(plan.text().contains("+ a  GET /a -> http://127.0.0.1:9\n"), "{}", plan.text());
    let applied = on(&database, &["apply", &first, "--message", "the first"]);
    assert_eq!(applied.code(), 0, "{}", applied.said());
    assert!(applied.text().ends_with("2 created, 0 changed, 0 deleted, 0 unchanged\napplied as revision 1\n"));
    let plan = on(&database, &["plan", &first]);
    assert_eq!((plan.code(), plan.text().lines().last()), (0, Some("nothing to do")));

    let mut second = file(&[("a", "/a")]);
    second["routes"][0]["timeout"] = json!(9);
    let second = saved(&second);
    let dry = on(&database, &["apply", &second, "--dry-run"]);
    assert!(dry.text().contains("~ a\n    timeout: null -> 9\n- b  GET /b"), "{}", dry.text());
    assert_eq!(on(&database, &["apply", &second]).code(), 0);
    let stale = on(&database, &["apply", &first, "--if-match", "0"]);
    assert!(stale.code() == 1 && stale.said().contains("by now, not 0"), "{}", stale.said());
    let diff = on(&database, &["diff", "1", "--to", "2"]);
    assert!(diff.text().contains("timeout: null -> 9"), "{}", diff.text());
    let history = on(&database, &["history"]);
    assert!(history.text().contains("the first"), "{}", history.text());
    let back = on(&database, &["rollback", "1"]);
    assert!(back.text().ends_with("applied as revision 3\n"), "{}{}", back.text(), back.said());
    let diff = on(&database, &["diff", "1", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&diff.text()).unwrap()["unchanged"], 2);
    let blame = on(&database, &["blame", "a"]);
    assert!(blame.text().contains("timeout"), "{}{}", blame.text(), blame.said());
    let export = on(&database, &["export"]);
    let export = saved(&serde_json::from_str(&export.text()).unwrap());
    assert_eq!(on(&database, &["plan", &export]).code(), 0);
}

#[test]
fn files_that_cannot_be_applied_are_refused_with_all_that_is_wrong() {
    let database = migrated();
    let wrong = saved(&json!({ "routes": [{ "name": "a", "path": "b" }, file_route("c", "d")] }));
    let run = on(&database, &["apply", &wrong]);
    assert_eq!(run.code(), 1);
    for hint in ["routes[0].path: of a:", "routes[0].upstream: of a:", "routes[1].path: of c:"] {
        assert!(run.said().contains(hint), "{}", run.said());
    }
    for (words, code, hint) in [
        (&["plan", "/nowhere.json"][..], 1, "cannot be read"),
        (&["plan", "/dev/null"], 1, "empty"),
        (&["rollback", "9"], 1, "there is no revision 9"),
        (&["rollback", "x"], 2, "must be a number"),
        (&["blame", "nothing"], 1, "there is no route"),
    ] {
        let run = on(&database, words);
        assert!(run.code() == code && run.said().contains(hint), "{words:?}: {}", run.said());
    }
}
