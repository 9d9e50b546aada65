//! `mainstay openapi`, `mainstay types` and `mainstay permissions`: the API as others read it.

use std::process::ExitCode;

use super::{Arguments, Result, configuration, print, print_json};
use crate::http::{openapi, rights, types};
use crate::serve::described;

pub(super) fn openapi(arguments: &Arguments) -> Result<ExitCode> {
    print_json(&openapi::document(&described(&configuration(arguments)?)?))
}

pub(super) fn types(arguments: &Arguments) -> Result<ExitCode> {
    Ok(print(&types::source(&described(&configuration(arguments)?)?)))
}

pub(super) fn permissions(arguments: &Arguments) -> Result<ExitCode> {
    Ok(print(&rights::table(&described(&configuration(arguments)?)?)))
}
