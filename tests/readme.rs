//! The README's worked example, followed to the letter in a copy of this project.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::support::app::App;
use crate::support::binary::Run;
use crate::support::client::Client;
use crate::support::folder;
use crate::support::serving::Serving;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The files that a section shows, each under its name: a line with nothing but the name, and the text below it.
fn files(section: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut lines = section.lines().peekable();
    while let Some(line) = lines.next() {
        let name = line.strip_prefix('`').and_then(|line| line.strip_suffix('`'));
        if let (Some(name), true) = (name, lines.peek().is_some_and(|next| next.starts_with("```"))) {
            lines.next();
            let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            files.push((name.to_owned(), text.join("\n") + "\n"));
        }
    }
    files
}

/// Copies what a build reads.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let is_built = path.is_dir() && ["target", ".git", "var"].iter().any(|name| entry.file_name() == *name);
        match entry.file_type().unwrap() {
            _ if is_built => {}
            kind if kind.is_dir() => copy(&path, &target),
            kind if kind.is_file() => drop(fs::copy(&path, &target).unwrap()),
            _ => {}
        }
    }
}

/// What is built already of others' crates, as links: only the project itself is built again.
fn share_builds(target: &Path) {
    let built = PathBuf::from(env!("CARGO_BIN_EXE_mainstay")).parent().unwrap().to_owned();
    fs::create_dir_all(target).unwrap();
    let mut command = Command::new("cp");
    command.arg("-al").args(["deps", "build", ".fingerprint"].map(|name| built.join(name))).arg(target);
    assert!(command.status().unwrap().success());
    // A link is the same file: what is built again must not be written over what this test runs.
    for folder in ["deps", "build", ".fingerprint"].map(|name| target.join(name)) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            match name.contains("mainstay-") || name.contains("tiny_http-") {
                true if entry.file_type().unwrap().is_dir() => fs::remove_dir_all(entry.path()).unwrap(),
                true => fs::remove_file(entry.path()).unwrap(),
                false => {}
            }
        }
    }
}

#[test]
fn the_worked_example_adds_a_table_and_serves_it() {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let section = readme.split("\n## ").find(|section| section.starts_with("Adding a resource")).unwrap();
    let home = folder("example");
    copy(Path::new(ROOT), &home);
    let files = files(section);
    assert_eq!(files.len(), 7);
    for (name, text) in files {
        let path = home.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let domain = home.join("src/ops/mod.rs");
    let text = fs::read_to_string(&domain).unwrap();
    let text = text.replacen("mod settings;", "mod labels;\nmod settings;", 1);
    let last = "    endpoints.extend(settings::endpoints(keys));\n";
    assert!(section.contains("`mod labels;` and `endpoints.extend(labels::endpoints());`") && text.contains(last));
    fs::write(&domain, text.replacen(last, &format!("{last}    endpoints.extend(labels::endpoints());\n"), 1)).unwrap();

    share_builds(&home.join("target/debug"));
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--offline", "--bin", "mainstay"]).current_dir(&home);
    let built = Run::of(cargo.env("CARGO_TARGET_DIR", home.join("target")));
    assert_eq!(built.code(), 0, "{}", built.said());
    assert_eq!(built.said(), "", "it builds without a warning");

    let app = App::start();
    let user = app.user();
    let url = app.database.pairs();
    let serving = Serving::start_program(&home.join("target/debug/mainstay"), &[("DATABASE_URL", &url)]);
    serving.wait_until_ready();
    let client = Client::new(serving.address()).with("X-API-Key", &user.key);
    let made = client.post("/api/labels", &json!({ "name": "urgent" })).expect(201);
    let found = client.get("/api/labels?name__contains=urg").expect(200).json();
    assert_eq!(found["data"][0], made.json());
    let path = made.header("Location").unwrap();
    client.post("/api/labels", &json!({ "name": "urgent" })).refuse(409, "CONFLICT");
    let changed = client.with("If-Match", "\"1\"").patch(path, &json!({ "color": "red" })).expect(200);
    assert_eq!(changed.json()["color"], "red");
    client.delete(path).expect(204);
    app.viewer().client.at(serving.address()).post("/api/labels", &json!({ "name": "x" })).expect(403);
    assert!(client.get("/openapi.json").expect(200).text().contains("/api/labels"));
}
