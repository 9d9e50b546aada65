//! Declared tables: what declarations say, what becomes of them, and how they are served.

mod chance;
mod edits;
mod declarations;
mod served;
mod models;
mod businesses;
mod migrations;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{App, folder};

/// The entities of one of the systems that mainstay replaces.
const COLLEX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/etc/entities/collex");

/// A folder with these declarations.
fn declare(entities: &[Value]) -> PathBuf {
    let folder = folder("entities");
    write(&folder, entities);
    folder
}

fn write(folder: &Path, entities: &[Value]) {
    for entity in entities {
        fs::write(folder.join(format!("{}.json", entity["name"].as_str().unwrap())), entity.to_string()).unwrap();
    }
}

/// A server with these entities.
fn serving(entities: &[Value]) -> App {
    App::start_with(&[("ENTITIES_PATH", declare(entities).to_str().unwrap())])
}
