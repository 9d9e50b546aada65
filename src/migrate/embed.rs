//! The build script: lists `sql/migrations` for [`super::embedded`], so that a new file needs no second place to name it.

use std::io::{self, Write};
use std::path::PathBuf;
use std::{env, fs};

const FOLDER: &str = "sql/migrations";

fn main() -> io::Result<()> {
    writeln!(io::stdout(), "cargo::rerun-if-changed={FOLDER}")?;
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let mut paths = Vec::new();
    for entry in fs::read_dir(root.join(FOLDER))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            paths.push(path);
        }
    }
    paths.sort();
    let entry = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        format!("    ({name:?}, include_bytes!({path:?})),\n")
    };
    let entries: String = paths.iter().map(entry).collect();
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("migrations.rs"), format!("&[\n{entries}]\n"))
}
