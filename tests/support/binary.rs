//! The binary, run as a user runs it.

use std::process::{Command, Output, Stdio};

/// What a run of the binary came to.
pub struct Run(Output);

impl Run {
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
    let mut command = Command::new(env!("CARGO_BIN_EXE_mainstay"));
    command.args(arguments).env_clear().envs(variables.iter().copied()).stdin(Stdio::null());
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    // Nobody's .env is in the way there.
    command.current_dir(std::env::temp_dir());
    command
}

/// Runs it to the end.
pub fn mainstay(arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    Run(command(arguments, variables).output().unwrap())
}
