//! Tables that teams declare: a file for each, and out of it the table, its API, its types and its audit.
//!
//! The declarations are read when a server starts, and served by the same engine as our own tables. Knows nothing of which
//! entities there are, and of the other domains only who is calling.

mod lines;
mod faults;
mod declaration;
mod reader;
mod column;
mod read;
mod agree;
mod schema;
mod kept;
mod text;
mod statements;
mod table;
mod catalogue;
mod renamed;
mod widen;
mod plan;
mod data;
mod diff;
mod pieces;
mod apply;
mod resource;
mod definitions;
mod restore;
mod jobs;
mod sealed;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::http::Endpoint;
use crate::secret::Keys;

pub use apply::{check, migrate, plan, write};
pub use declaration::Entity;
pub use jobs::jobs;
pub use plan::{Plan, Refusal, Step};
pub use schema::schema;
pub use sealed::reveal;

/// Declarations in a folder.
const FILES_MAX: usize = 500;

/// All declared entities, in the order of their names.
#[derive(Debug, Clone, Default)]
pub struct Entities {
    pub list: Vec<Entity>,
    /// Where they were read; none if there is no such folder.
    pub folder: Option<PathBuf>,
    /// What their secrets are sealed with, while a server runs.
    pub keys: Option<Arc<Keys>>,
}

impl Entities {
    /// Reads the folder of `ENTITIES_PATH`. Where nothing is set there need not be one.
    pub fn configured(config: &Config) -> Result<Entities> {
        match config.path("ENTITIES_PATH") {
            Some(folder) if folder.is_dir() => Entities::read(folder),
            _ => Ok(Entities::default()),
        }
    }

    /// Reads all declarations in a folder, or says everything that is wrong with them.
    pub fn read(folder: &Path) -> Result<Entities> {
        let unreadable = |path: &Path, error: std::io::Error| {
            Error::new(Code::ValidationError, format!("{} cannot be read: {error}", path.display()))
        };
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, error))? {
            let path = entry.map_err(|error| unreadable(folder, error))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.ends_with(".json") && !name.starts_with('.') && path.is_file() {
                paths.push(path);
            }
        }
        if paths.len() > FILES_MAX {
            let message = format!("{} has more than {FILES_MAX} declarations", folder.display());
            return Err(Error::new(Code::ValidationError, message));
        }
        paths.sort();
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            let bytes = fs::read(&path).map_err(|error| unreadable(&path, error))?;
            files.push((path.display().to_string(), bytes));
        }
        let list = assemble(&files)?;
        Ok(Entities { list, folder: Some(folder.to_owned()), keys: None })
    }

    pub fn sealed_by(self, keys: Arc<Keys>) -> Entities {
        Entities { keys: Some(keys), ..self }
    }

    /// The endpoints of all of them.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let mut endpoints = definitions::endpoints(&self.list);
        for entity in &self.list {
            let resource = resource::resource(entity, &self.list, self.keys.as_ref());
            if entity.models.soft_deletable {
                endpoints.extend(resource::deleted(entity).endpoints());
                endpoints.push(restore::endpoint(entity, resource.shown_fields()));
            }
            endpoints.extend(resource.endpoints());
        }
        endpoints
    }
}

/// Entities from the texts of their files.
pub fn assemble(files: &[(String, Vec<u8>)]) -> Result<Vec<Entity>> {
    let (mut declared, mut faults) = (Vec::new(), Vec::new());
    for (file, bytes) in files {
        match read::read(file, bytes) {
            Ok(entity) => {
                let lines = lines::Lines::of(&String::from_utf8_lossy(bytes));
                declared.push(agree::Declared { entity, lines });
            }
            Err(found) => faults.extend(found),
        }
    }
    // What others are said to be makes sense only once all of them could be read.
    if faults.is_empty() {
        faults = agree::faults(&declared);
    }
    if !faults.is_empty() {
        return Err(faults::error(faults));
    }
    let mut list: Vec<Entity> = declared.into_iter().map(|it| it.entity).collect();
    list.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(list)
}
