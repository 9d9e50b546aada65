//! `mainstay openapi` and `mainstay types`: the API as other programs read it.

use std::process::ExitCode;

use super::{Arguments, Result, configuration, print, print_json};
use crate::http::{openapi, types};
use crate::serve::described;

pub(super) fn openapi(arguments: &Arguments) -> Result<ExitCode> {
    print_json(&openapi::document(&described(&configuration(arguments)?)?))
}

pub(super) fn types(arguments: &Arguments) -> Result<ExitCode> {
    Ok(print(&types::source(&described(&configuration(arguments)?)?)))
}
