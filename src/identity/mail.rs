//! Mail to users, handed to a command that sends it, such as `sendmail -t`. One at a time, and none for ever.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

/// Mails that may be waiting.
const WAITING_MAX: usize = 1000;
/// How long the command may take for one.
const TIME_MAX: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// Sends mails, or says in the log that it cannot.
pub(super) struct Mail {
    sender: Option<SyncSender<String>>,
    from: String,
    /// Where users find the pages that take a token.
    url: String,
    /// Where a mail that cannot be sent is put, in development.
    outbox: Option<PathBuf>,
}

impl Mail {
    pub fn new(command: Option<&str>, from: &str, url: &str, outbox: Option<PathBuf>) -> Mail {
        let sender = command.map(|command| {
            let (sender, receiver) = mpsc::sync_channel::<String>(WAITING_MAX);
            let command = command.to_owned();
            let send = move || receiver.into_iter().for_each(|mail| send(&command, &mail));
            // Without the thread nothing is received, and each mail is logged as not sent.
            let _ = thread::Builder::new().name("mail".to_owned()).spawn(send);
            sender
        });
        Mail { sender, from: from.to_owned(), url: url.trim_end_matches('/').to_owned(), outbox }
    }

    pub fn verify_email(&self, to: &str, token: &str) {
        let text = format!(
            "Somebody, hopefully you, has registered with this address.\n\n\
             To prove that it is yours: {}/verify-email#{token}\nThe token alone: {token}\n\n\
             It works for two days. If it was not you, do nothing.\n",
            self.url
        );
        self.post(to, "Your e-mail address", &text);
    }

    pub fn reset_password(&self, to: &str, token: &str) {
        let text = format!(
            "Somebody, hopefully you, wants to set a new password.\n\n\
             To do so: {}/reset-password#{token}\nThe token alone: {token}\n\n\
             It works for an hour, once. If it was not you, do nothing.\n",
            self.url
        );
        self.post(to, "A new password", &text);
    }

    pub fn already_registered(&self, to: &str) {
        let text = "Somebody, hopefully you, has tried to register with this address, which has an account already.\n\n\
                    If you forgot the password, ask for a new one. If it was not you, do nothing.\n";
        self.post(to, "You have an account already", text);
    }

    fn post(&self, to: &str, subject: &str, text: &str) {
        // Addresses were checked for their form, which has no line breaks in it.
        let mail = format!(
            "From: {}\nTo: {to}\nSubject: {subject}\nContent-Type: text/plain; charset=utf-8\n\n{text}",
            self.from
        );
        match (&self.sender, &self.outbox) {
            (Some(sender), _) => match sender.try_send(mail) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => log::error!("a mail was not sent: {WAITING_MAX} are waiting already"),
                Err(TrySendError::Disconnected(_)) => log::error!("a mail was not sent: nobody sends them"),
            },
            (None, Some(outbox)) => keep(outbox, &mail),
            (None, None) => log::error!("a mail was not sent: MAIL_COMMAND is not set"),
        }
    }
}

/// Puts a mail where developers find it: without MAIL_COMMAND it goes nowhere else.
fn keep(outbox: &Path, mail: &str) {
    let path = outbox.join(format!("{}.eml", uuid::Uuid::now_v7()));
    match put(outbox, &path, mail) {
        Ok(()) => log::info!("MAIL_COMMAND is not set; a mail is in {}", path.display()),
        Err(error) => log::error!("MAIL_COMMAND is not set, and a mail cannot be kept in {}: {error}", path.display()),
    }
}

/// For nobody else's eyes: there are tokens in it.
fn put(outbox: &Path, path: &Path, mail: &str) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(outbox)?;
    fs::set_permissions(outbox, Permissions::from_mode(0o700))?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(mail.as_bytes())
}

fn send(command: &str, mail: &str) {
    let child = Command::new("/bin/sh").args(["-c", command]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
    let result = child.map_err(|error| error.to_string()).and_then(|child| deliver(child, mail));
    if let Err(problem) = result {
        log::error!("a mail was not sent: {command}: {problem}");
    }
}

fn deliver(mut child: Child, mail: &str) -> Result<(), String> {
    if let Some(mut input) = child.stdin.take() {
        // A mail is smaller than a pipe, so this does not wait for the command.
        let _ = input.write_all(mail.as_bytes());
    }
    let end = Instant::now() + TIME_MAX;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(status.to_string()),
            Ok(None) if Instant::now() < end => thread::sleep(POLL),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("took longer than {} s", TIME_MAX.as_secs()));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}
