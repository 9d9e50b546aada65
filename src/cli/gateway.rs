//! `mainstay gateway …`: the routes as files, and files as the routes.

use std::process::ExitCode;

use super::identity::with_session;
use super::{Arguments, Failure, Result, print, print_json, say};
use crate::gateway::export::{self, Format};
use crate::gateway::order;

/// Where an exported gateway listens unless it is told otherwise.
const PORT: u16 = 8000;

pub(super) fn export(arguments: &Arguments) -> Result<ExitCode> {
    let known = || Format::ALL.map(Format::name).join(", ");
    let format = match arguments.value("format") {
        None => return Err(Failure::Usage(format!("--format says for which gateway: {}", known()))),
        Some(name) => Format::parse(name)
            .ok_or_else(|| Failure::Usage(format!("there is no format {name:?}; there are {}", known())))?,
    };
    let port = match arguments.value("port").map(str::parse) {
        None => PORT,
        Some(Ok(port)) if port > 0 => port,
        Some(_) => return Err(Failure::Usage("--port must be a port".to_owned())),
    };
    with_session(arguments, |_, session, _| {
        let routes = order::enabled(session)?;
        let export = export::export(format, port, routes.iter().map(String::as_str))?;
        if arguments.has("json") {
            return print_json(&export);
        }
        for note in &export.notes {
            say(&format!("mainstay: {}", note.line()));
        }
        Ok(print(&export.text))
    })
}
