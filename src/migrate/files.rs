//! The files of migrations: built into the binary, or in a folder.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::header::{self, Header};
use super::text;
use crate::config::Config;
use crate::error::{Code, Error, Result};

/// mainstay's own migrations, by their files' names. Made by the build script from `sql/migrations`.
const EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Versions have at most so many digits: all of them fit a `bigint`.
const DIGITS_MAX: usize = 18;

/// Where the files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In the binary.
    Embedded,
    /// In a folder, which may be another project's.
    Folder(PathBuf),
}

/// One direction of a migration.
#[derive(Debug, Clone)]
pub(super) struct File {
    /// The file's name, without its folder.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) no_transaction: bool,
}

/// A migration.
#[derive(Debug, Clone)]
pub struct Migration {
    pub version: i64,
    /// The version as the file's name writes it.
    pub number: String,
    pub name: String,
    pub description: String,
    /// SHA-256 of the text, with line ends normalised, in hexadecimal.
    pub checksum: String,
    pub(super) file: File,
    pub(super) rollback: Option<File>,
}

impl Migration {
    pub fn file_name(&self) -> &str {
        &self.file.name
    }

    /// What will be run.
    pub fn sql(&self) -> &str {
        &self.file.text
    }
}

/// All migrations of a source, by version.
#[derive(Debug, Clone, Default)]
pub struct Migrations {
    pub list: Vec<Migration>,
    /// What is odd about the files but does not stop them.
    pub warnings: Vec<String>,
}

impl Source {
    /// The folder of `DB_MIGRATE_PATH`, or what is built into the binary.
    pub fn configured(config: &Config) -> Source {
        match config.path("DB_MIGRATE_PATH") {
            Some(folder) => Source::Folder(folder.to_owned()),
            None => Source::Embedded,
        }
    }

    /// Reads all files. What is wrong with them is reported at once.
    pub fn read(&self) -> Result<Migrations> {
        match self {
            Source::Embedded => {
                let files = EMBEDDED.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec()));
                assemble(files.collect(), "the binary")
            }
            Source::Folder(folder) => assemble(read_folder(folder)?, &folder.display().to_string()),
        }
    }
}

impl Migrations {
    pub fn find(&self, version: i64) -> Option<&Migration> {
        let index = self.list.binary_search_by_key(&version, |migration| migration.version).ok()?;
        self.list.get(index)
    }

    pub fn newest(&self) -> Option<i64> {
        self.list.last().map(|migration| migration.version)
    }

    /// Those with these versions only.
    pub(super) fn only(&self, versions: &[i64]) -> Migrations {
        let kept = self.list.iter().filter(|migration| versions.contains(&migration.version));
        Migrations { list: kept.cloned().collect(), warnings: Vec::new() }
    }
}

/// What a file's name says.
pub(super) struct FileName<'a> {
    pub(super) number: &'a str,
    pub(super) version: i64,
    /// What stands between the number and `.sql`; `rollback` for the way back.
    pub(super) name: &'a str,
}

impl FileName<'_> {
    /// Reads `NNN_name.sql`.
    pub(super) fn parse(file: &str) -> Result<FileName<'_>, String> {
        let advice = "rename it to NNN_name.sql (or NNN_rollback.sql), or move it out of the folder";
        let stem = &file[..file.len().saturating_sub(".sql".len())];
        let Some((number, name)) = stem.split_once('_') else {
            return Err(format!("{file}: the name has no number and underscore in front: {advice}"));
        };
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("{file}: {number:?} is not a number: {advice}"));
        }
        let version = match number.parse() {
            Ok(version) if number.len() <= DIGITS_MAX => version,
            _ => return Err(format!("{file}: the number has more than {DIGITS_MAX} digits: {advice}")),
        };
        let is_plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-');
        if name.is_empty() || !name.chars().all(is_plain) {
            return Err(format!("{file}: a name is letters, digits, `_` and `-`: {advice}"));
        }
        Ok(FileName { number, version, name })
    }
}

/// The `.sql` files of a folder. Other files may lie there, and hidden ones are editors'.
fn read_folder(folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let entries = fs::read_dir(folder).map_err(|error| {
        let message = format!("the folder of migrations, {}, cannot be read: check DB_MIGRATE_PATH", folder.display());
        Error::new(Code::ValidationError, message).because(error)
    })?;
    let mut files = Vec::new();
    for entry in entries {
        let unreadable = |path: &Path, error: std::io::Error| {
            Error::new(Code::ValidationError, format!("{} cannot be read: {error}", path.display())).because(error)
        };
        let path = entry.map_err(|error| unreadable(folder, error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || !name.to_ascii_lowercase().ends_with(".sql") {
            continue;
        }
        // Of a thousand files each call counts: this is most of what a run with nothing to do does.
        let mut file = fs::File::open(&path).map_err(|error| unreadable(&path, error))?;
        let metadata = file.metadata().map_err(|error| unreadable(&path, error))?;
        if metadata.is_dir() {
            continue;
        }
        if metadata.len() > FILE_BYTES_MAX {
            let limit = FILE_BYTES_MAX >> 20;
            let message = format!("{} is larger than {limit} MiB: split it, or load data another way", path.display());
            return Err(Error::new(Code::ValidationError, message));
        }
        let mut bytes = Vec::with_capacity(metadata.len() as usize + 1);
        file.read_to_end(&mut bytes).map_err(|error| unreadable(&path, error))?;
        files.push((name, bytes));
    }
    Ok(files)
}

/// Puts the two directions of each migration together.
fn assemble(mut files: Vec<(String, Vec<u8>)>, place: &str) -> Result<Migrations> {
    files.sort();
    let mut problems = Vec::new();
    let mut list: BTreeMap<i64, Migration> = BTreeMap::new();
    let mut rollbacks: BTreeMap<i64, File> = BTreeMap::new();
    let mut warnings = Vec::new();
    for (file, bytes) in &files {
        let (name, text, header) = match read(file, bytes) {
            Ok(parts) => parts,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let of_header = header.version.as_deref().and_then(|version| version.parse().ok());
        if of_header.is_some_and(|version: i64| version != name.version) {
            warnings
                .push(format!("{file}: its header says version {}; the name counts", of_header.unwrap_or_default()));
        }
        let content = File { name: file.clone(), text, no_transaction: header.no_transaction };
        if name.name.eq_ignore_ascii_case("rollback") {
            if let Some(other) = rollbacks.insert(name.version, content) {
                problems.push(format!("{} and {file}: two rollbacks of one version: keep one", other.name));
            }
            continue;
        }
        if header.title.is_none() && header.description.is_none() {
            warnings.push(format!("{file}: no header (-- Migration:, -- Version:, -- Description:, -- Created:)"));
        }
        let migration = Migration {
            version: name.version,
            number: name.number.to_owned(),
            name: name.name.to_owned(),
            description: header.description.or(header.title).unwrap_or_default(),
            checksum: text::checksum(&content.text),
            file: content,
            rollback: None,
        };
        if let Some(other) = list.insert(name.version, migration) {
            problems.push(format!(
                "{} and {file} have the same number: give the newer one the next free number; the way back is called \
                 {}_rollback.sql",
                other.file.name, name.number
            ));
        }
    }
    for (version, rollback) in rollbacks {
        match list.get_mut(&version) {
            Some(migration) => migration.rollback = Some(rollback),
            None => warnings.push(format!("{}: there is no migration {version} that it could undo", rollback.name)),
        }
    }
    let without = list.values().filter(|migration| migration.rollback.is_none());
    warnings.extend(without.map(|it| format!("{}: there is no {}_rollback.sql", it.file.name, it.number)));
    match problems.is_empty() {
        true => Ok(Migrations { list: list.into_values().collect(), warnings }),
        false => {
            let message = format!("the migrations in {place} cannot be used:\n  {}", problems.join("\n  "));
            Err(Error::new(Code::ValidationError, message))
        }
    }
}

fn read<'a>(file: &'a str, bytes: &[u8]) -> Result<(FileName<'a>, String, Header), String> {
    let name = FileName::parse(file)?;
    let told = |problem| format!("{file} {problem}");
    let text = text::normalise(bytes).map_err(told)?;
    let header = header::parse(&text).map_err(told)?;
    Ok((name, text, header))
}
