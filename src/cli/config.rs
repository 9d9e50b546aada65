//! `mainstay config`, and the lists of settings that are made from the one in `config::SETTINGS`.

use std::fmt::Write;
use std::process::ExitCode;

use serde::Serialize;

use super::{Arguments, Result, configuration, print, print_json, say};
use crate::config::Fallback;
use crate::config::settings::all;
use crate::config::{SETTINGS, Setting};

#[derive(Serialize)]
struct Shown {
    name: &'static str,
    value: Option<String>,
    source: String,
    is_secret: bool,
}

pub(super) fn show(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.has("example") {
        return Ok(print(&example_file()));
    }
    if arguments.has("table") {
        return Ok(print(&table()));
    }
    let config = configuration(arguments)?;
    if arguments.has("json") {
        let shown = config.effective().map(|effective| Shown {
            name: effective.setting.name,
            value: effective.value.as_ref().map(|_| effective.shown()),
            source: effective.source.to_string(),
            is_secret: effective.setting.is_secret,
        });
        return print_json(&shown.collect::<Vec<_>>());
    }
    let width = all().map(|setting| setting.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for group in SETTINGS {
        let _ = writeln!(text, "{}", group.title);
        let names: Vec<&str> = group.settings.iter().map(|setting| setting.name).collect();
        for effective in config.effective().filter(|effective| names.contains(&effective.setting.name)) {
            let source = effective.source.to_string();
            let _ = writeln!(text, "  {:<width$}  {:<32} {source}", effective.setting.name, effective.shown());
        }
    }
    if let Some(missing) = config.what_is_missing() {
        say(&missing);
    }
    Ok(print(&text))
}

/// What holds when a setting is not set, in words.
fn fallback(setting: &Setting) -> &'static str {
    match setting.default {
        Fallback::Value(text) => text,
        Fallback::Words(words) => words,
    }
}

/// The settings as `mainstay config --help` lists them.
pub(super) fn settings_help() -> String {
    let mut text = String::from("\nSettings, from the environment or a file of NAME=value lines:\n");
    for group in SETTINGS {
        let _ = writeln!(text, "\n{}", group.title);
        for setting in group.settings {
            let _ = writeln!(text, "  {}\n      {} It {}.", setting.name, setting.help, setting.kind.allowed());
            let _ = writeln!(text, "      Default: {}.", fallback(setting));
            if !setting.aliases.is_empty() {
                let _ = writeln!(text, "      Also called {}.", setting.aliases.join(", "));
            }
            if setting.is_secret {
                let _ = writeln!(text, "      May come from the file that {}_FILE names.", setting.name);
            }
        }
    }
    text
}

/// `etc/mainstay.env.example`: every setting with its meaning, each commented out.
fn example_file() -> String {
    let mut text = String::from(
        "# Every setting of mainstay, with its default. Take the # off to change one.\n\
         # Made from the table in src/config/settings.rs; a test compares them.\n",
    );
    for group in SETTINGS {
        let _ = writeln!(text, "\n## {}", group.title);
        for setting in group.settings {
            let _ = writeln!(text, "\n# {} It {}.", setting.help, setting.kind.allowed());
            if !setting.aliases.is_empty() {
                let _ = writeln!(text, "# Also called {}.", setting.aliases.join(", "));
            }
            if setting.is_secret {
                let _ = writeln!(text, "# May come from the file that {}_FILE names.", setting.name);
            }
            let _ = match setting.default {
                Fallback::Value(value) => writeln!(text, "#{}={value}", setting.name),
                Fallback::Words(words) => writeln!(text, "# Default: {words}.\n#{}=", setting.name),
            };
        }
    }
    text
}

/// The README's table of settings.
fn table() -> String {
    let mut text = String::from("| setting | also | default | meaning |\n| --- | --- | --- | --- |\n");
    for setting in all() {
        let aliases: Vec<String> = setting.aliases.iter().map(|alias| format!("`{alias}`")).collect();
        let default = match setting.default {
            Fallback::Value(value) => format!("`{value}`"),
            Fallback::Words(words) => words.to_owned(),
        };
        let _ = writeln!(text, "| `{}` | {} | {default} | {} |", setting.name, aliases.join(", "), setting.help);
    }
    text
}
