//! The binary, run as a user runs it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The binary.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_mainstay");

/// What a run of the binary came to.
pub struct Run(Output);

impl Run {
    /// Runs a command to the end.
    pub fn of(command: &mut Command) -> Run {
        Run(command.output().unwrap())
    }

    /// What it printed for programs.
    pub fn text(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    /// What it told people.
    pub fn said(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    pub fn code(&self) -> i32 {
        self.0.status.code().unwrap()
    }
}

/// The binary with these arguments and variables, and nothing else from this process's environment but the path.
pub fn command(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    // Nobody's .env is in the way there.
    command_in(&std::env::temp_dir(), arguments, variables)
}

/// The same in a folder.
pub fn command_in(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = command_of(Path::new(PROGRAM), arguments, variables);
    command.current_dir(folder);
    command
}

/// The same of another build.
pub fn command_of(program: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(variables.iter().copied()).stdin(Stdio::null());
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command.current_dir(std::env::temp_dir());
    command
}

/// Runs it to the end.
pub fn mainstay(arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    Run::of(&mut command(arguments, variables))
}
