//! Another process: this test program itself, started again to play one part.
//!
//! A part is an ignored test that does something only when it is started by [`Other::play`].

use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const FOLDER: &str = "MAINSTAY_TEST_FOLDER";
/// Before each line that is meant for the test that waits; the test harness says things of its own.
const MARK: &str = "<part> ";

/// A process that plays a part; it is killed when this value is dropped.
pub struct Other {
    pub child: Child,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Other {
    /// Starts the part of this name (`file::function`) on a folder.
    pub fn play(part: &str, folder: &Path) -> Other {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([part, "--exact", "--ignored", "--nocapture"]).env(FOLDER, folder);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
        Other { child, input, lines: BufReader::new(output).lines() }
    }

    /// The next line that the part says.
    pub fn line(&mut self) -> String {
        loop {
            let line = self.lines.next().expect("the other process has ended").unwrap();
            if let Some((_, line)) = line.split_once(MARK) {
                return line.to_owned();
            }
        }
    }

    /// Kills it as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Lets it end, and waits until it has done so well.
    pub fn finish(mut self) {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The folder for the part that this process plays; `None` if it plays none.
pub fn part_folder() -> Option<std::path::PathBuf> {
    std::env::var_os(FOLDER).map(Into::into)
}

/// Says something to the test that waits.
#[allow(clippy::print_stdout)] // the other process's way to say something
pub fn tell(line: &str) {
    println!("{MARK}{line}");
}

/// Returns when the test says [`Other::finish`], or has ended.
pub fn wait_for_end() {
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
}
