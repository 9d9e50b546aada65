//! From words to a command, and the help for it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write;

use lexopt::{Arg, Parser, ValueExt};

use super::{COMMANDS, COMMON, Command, Flag};

/// What a command was given.
#[derive(Debug, Default)]
pub struct Arguments {
    positional: Vec<String>,
    flags: BTreeMap<&'static str, String>,
}

impl Arguments {
    /// An argument that the command needs, so it is there.
    pub fn positional(&self, index: usize) -> &str {
        self.positional.get(index).map_or("", String::as_str)
    }

    pub fn has(&self, flag: &str) -> bool {
        self.flags.contains_key(flag)
    }

    pub fn value(&self, flag: &str) -> Option<&str> {
        self.flags.get(flag).map(String::as_str)
    }
}

/// What is to be done.
pub enum Parsed {
    Help(String),
    Run(&'static Command, Arguments),
}

/// Reads the words behind the program's name. The problem, if there is one, says what would have been right.
pub fn parse(words: Vec<OsString>) -> Result<Parsed, String> {
    let mut parser = Parser::from_args(words);
    let mut command: Option<&'static Command> = None;
    let mut words: Vec<String> = Vec::new();
    let mut arguments = Arguments::default();
    while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
        match arg {
            Arg::Short('h') => arguments.flags.insert("help", String::new()),
            Arg::Short('V') => return Ok(Parsed::Help(version())),
            Arg::Long("version") => return Ok(Parsed::Help(version())),
            Arg::Long(name) => {
                let flag = find_flag(command, name).ok_or_else(|| unknown_flag(command, name))?;
                let value = match flag.value {
                    Some(_) => {
                        let value = parser.value().and_then(ValueExt::string);
                        value.map_err(|_| format!("--{} needs a value: {}", flag.name, flag.help))?
                    }
                    None => String::new(),
                };
                arguments.flags.insert(flag.name, value)
            }
            Arg::Short(letter) => return Err(format!("there is no option -{letter}; {}", see(command))),
            Arg::Value(word) => {
                let word = word.string().map_err(|error| error.to_string())?;
                words.push(word);
                if let Some(found) = find_command(&words) {
                    command = Some(found);
                }
                None
            }
        };
    }
    let is_help = arguments.has("help") || words.first().is_some_and(|word| word == "help");
    if is_help {
        words.retain(|word| word != "help");
        return Ok(Parsed::Help(match find_command(&words) {
            Some(command) => help(command, &words),
            None => overview(&words),
        }));
    }
    let Some(command) = command else {
        return match words.first() {
            None => Ok(Parsed::Help(overview(&[]))),
            Some(word) => Err(format!("there is no command {word:?}; `mainstay --help` lists all")),
        };
    };
    arguments.positional = words.split_off(command.name.split(' ').count());
    if arguments.positional.len() != command.arguments.len() {
        return Err(format!("usage: {}", usage(command)));
    }
    Ok(Parsed::Run(command, arguments))
}

/// The command that the words begin with; of two, the longer one.
fn find_command(words: &[String]) -> Option<&'static Command> {
    let begins = |command: &&Command| {
        let mut name = command.name.split(' ');
        let length = name.clone().count();
        words.len() >= length && words.iter().take(length).all(|word| name.next() == Some(word))
    };
    COMMANDS.iter().filter(begins).max_by_key(|command| command.name.len())
}

fn find_flag(command: Option<&'static Command>, name: &str) -> Option<&'static Flag> {
    let own = command.map_or(&[][..], |command| command.flags);
    own.iter().chain(COMMON).find(|flag| flag.name == name)
}

fn unknown_flag(command: Option<&Command>, name: &str) -> String {
    match command {
        Some(command) => format!("`mainstay {}` has no option --{name}; {}", command.name, see(Some(command))),
        None => format!("there is no option --{name} before a command; {}", see(None)),
    }
}

fn see(command: Option<&Command>) -> String {
    match command {
        Some(command) => format!("see `mainstay {} --help`", command.name),
        None => "see `mainstay --help`".to_owned(),
    }
}

fn version() -> String {
    format!("mainstay {}\n", env!("CARGO_PKG_VERSION"))
}

fn usage(command: &Command) -> String {
    let mut text = format!("mainstay {}", command.name);
    for argument in command.arguments {
        let _ = write!(text, " {argument}");
    }
    for flag in command.flags {
        let _ = write!(text, " [{}]", show(flag));
    }
    text
}

fn show(flag: &Flag) -> String {
    match flag.value {
        Some(value) => format!("--{} {value}", flag.name),
        None => format!("--{}", flag.name),
    }
}

fn help(command: &Command, words: &[String]) -> String {
    let mut text = format!("{}\n\nusage: {}\n\n", command.summary, usage(command));
    for flag in command.flags.iter().chain(COMMON) {
        let _ = writeln!(text, "  {:<20} {}", show(flag), flag.help);
    }
    if !command.details.is_empty() {
        let _ = write!(text, "\n{}\n", command.details);
    }
    let prefix = format!("{} ", command.name);
    let others: Vec<&Command> = COMMANDS.iter().filter(|other| other.name.starts_with(&prefix)).collect();
    if !others.is_empty() {
        text.push_str("\nSee also:\n");
        list(&others, &mut text);
    }
    if words.first().is_some_and(|word| word == "config") {
        text.push_str(&super::config::settings_help());
    }
    text
}

fn overview(words: &[String]) -> String {
    let mut text = "mainstay keeps what an internal platform must not lose, on PostgreSQL.\n\n\
        usage: mainstay COMMAND [OPTIONS]\n\n"
        .to_owned();
    let prefix = words.first().map_or(String::new(), |word| format!("{word} "));
    let all: Vec<&Command> = COMMANDS.iter().filter(|command| command.name.starts_with(&prefix)).collect();
    list(if all.is_empty() { COMMANDS.iter().collect() } else { all }.as_slice(), &mut text);
    text.push_str("\n`mainstay COMMAND --help` says more. Exit codes: 0 done, 1 failed, 2 not understood.\n");
    text
}

fn list(commands: &[&Command], text: &mut String) {
    for command in commands {
        let name = [&[command.name], command.arguments].concat().join(" ");
        let _ = writeln!(text, "  {name:<26} {}", command.summary);
    }
}
