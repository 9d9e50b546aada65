//! A new pair of files.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::files::{File, FileName, Source};
use super::{header, lint};
use crate::error::{Code, Error, Result};

/// The longest name, so that the file's name fits everywhere.
const NAME_MAX: usize = 80;

/// How many digits a number has in a new folder.
const DIGITS: usize = 3;

/// Numbers with so many digits are times, `20240101120000`.
const TIME_DIGITS: usize = 14;

/// The files that were made.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Created {
    pub version: i64,
    pub migration: PathBuf,
    pub rollback: PathBuf,
}

/// Makes the next migration in a folder from what it is to do: `add user preferences table`.
pub fn create(folder: &Path, description: &str) -> Result<Created> {
    let refused = |message: String| Error::new(Code::ValidationError, message);
    let description = description.trim();
    if description.chars().any(char::is_control) {
        return Err(refused("a migration's name must be one line".to_owned()));
    }
    let name = slug(description);
    if name.is_empty() || name == "rollback" {
        return Err(refused(format!("{description:?} gives no name: say in some words what the migration does")));
    }
    fs::create_dir_all(folder)
        .map_err(|error| refused(format!("cannot make the folder {}: {error}", folder.display())))?;
    let migrations = Source::Folder(folder.to_owned()).read()?;
    let now = Time::now();
    let newest = migrations.list.last();
    let digits = newest.map_or(DIGITS, |migration| migration.number.len());
    let next = newest.map_or(1, |migration| migration.version + 1);
    let version = if digits == TIME_DIGITS { now.digits().max(next) } else { next };
    let number = format!("{version:0digits$}");
    let title = title(description);
    let undoing = format!("Rollback {}", description.to_lowercase());
    let files = [
        (format!("{number}_{name}.sql"), header::write("Migration", &title, &number, description, &now.iso())),
        (format!("{number}_rollback.sql"), header::write("Rollback Migration", &title, &number, &undoing, &now.iso())),
    ];
    for (name, text) in &files {
        check(name, text, &number).map_err(|problem| refused(format!("{description:?} will not do: {problem}")))?;
    }
    let paths = files.each_ref().map(|(name, _)| folder.join(name));
    for (index, (path, (_, text))) in paths.iter().zip(&files).enumerate() {
        // Never over a file that is there.
        let written = OpenOptions::new().write(true).create_new(true).open(path);
        if let Err(error) = written.and_then(|mut file| file.write_all(text.as_bytes())) {
            for made in &paths[..index] {
                // Half a pair is worse than none; if it stays, the message below says enough.
                let _ = fs::remove_file(made);
            }
            return Err(refused(format!("cannot write {}: {error}", path.display())));
        }
    }
    let [migration, rollback] = paths;
    Ok(Created { version, migration, rollback })
}

/// Reads a new file as every later run will: whatever somebody calls a migration, it must not spoil the folder.
fn check(name: &str, text: &str, number: &str) -> Result<(), String> {
    FileName::parse(name)?;
    let header = header::parse(text).map_err(|problem| format!("the header {problem}"))?;
    if header.version.as_deref() != Some(number) || header.title.is_none() || header.description.is_none() {
        return Err("the header would not be read as it was written".to_owned());
    }
    let file = File { name: name.to_owned(), text: text.to_owned(), no_transaction: header.no_transaction };
    match lint::file(&file).first() {
        None => Ok(()),
        Some(finding) => Err(finding.message.clone()),
    }
}

/// Small letters and digits, with underscores between.
fn slug(text: &str) -> String {
    // Some letters become two when they are made small, and the second is no letter.
    let letters = text.to_lowercase();
    let spaced: String = letters.chars().map(|letter| if letter.is_alphanumeric() { letter } else { ' ' }).collect();
    let mut slug = spaced.split_whitespace().collect::<Vec<_>>().join("_");
    while slug.len() > NAME_MAX {
        slug.pop();
    }
    slug.trim_end_matches('_').to_owned()
}

/// Each word with a capital, as the format's example has it.
fn title(text: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    };
    text.split(|letter: char| letter.is_whitespace() || letter == '_').map(capital).collect::<Vec<_>>().join(" ")
}

/// A moment in UTC.
struct Time {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl Time {
    fn now() -> Time {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time::of(i64::try_from(since.as_secs()).unwrap_or_default())
    }

    /// Howard Hinnant's algorithm: years that begin in March have their leap day at the end.
    fn of(seconds: i64) -> Time {
        let (days, rest) = (seconds.div_euclid(86_400) + 719_468, seconds.rem_euclid(86_400));
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        Time {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * shifted + 2) / 5 + 1,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
        }
    }

    fn iso(&self) -> String {
        let Time { year, month, day, hour, minute, second } = self;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    fn digits(&self) -> i64 {
        let date = (self.year * 100 + self.month) * 100 + self.day;
        ((date * 100 + self.hour) * 100 + self.minute) * 100 + self.second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_calendar_has_them() {
        for (seconds, iso) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_704_110_400, "2024-01-01T12:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Time::of(seconds).iso(), iso);
        }
        assert_eq!(Time::of(1_704_110_400).digits(), 20_240_101_120_000);
    }
}
