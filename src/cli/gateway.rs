//! `mainstay gateway …`: the routes as files, and files as the routes.

use std::process::ExitCode;

use super::{Arguments, Failure, Result, configuration, print, print_json, say, with_database};
use crate::db::Database;
use crate::gateway::Gateway;
use crate::gateway::export::{self, Format};

pub(super) fn export(arguments: &Arguments) -> Result<ExitCode> {
    let known = || Format::ALL.map(Format::name).join(", ");
    let format = match arguments.value("format") {
        None => return Err(Failure::Usage(format!("--format says for which gateway: {}", known()))),
        Some(name) => Format::parse(name)
            .ok_or_else(|| Failure::Usage(format!("there is no format {name:?}; there are {}", known())))?,
    };
    let port = match arguments.value("port").map(str::parse) {
        None => export::PORT,
        Some(Ok(port)) if port > 0 => port,
        Some(_) => return Err(Failure::Usage("--port must be a port".to_owned())),
    };
    let config = configuration(arguments)?;
    let export = with_database(&config, |address| {
        // Nobody listens to the database here, so what there is now is read out of it.
        let snapshot = Gateway::new(Database::open(&config, address)?).snapshot()?;
        Ok(export::export(format, port, snapshot.objects())?)
    })?;
    if arguments.has("json") {
        return print_json(&export);
    }
    for note in &export.notes {
        say(&format!("mainstay: {}", note.line()));
    }
    Ok(print(&export.text))
}
