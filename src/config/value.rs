//! What a setting may be, and how it is read from text.

use std::time::Duration;

/// The form of a setting's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Path,
    /// A database's URL, or key=value pairs.
    Database,
    Boolean,
    /// A whole number from the first to the second.
    Integer(i64, i64),
    /// A time with a unit.
    Duration,
    /// A time with a unit, or a number of milliseconds.
    Milliseconds,
    Choice(&'static [&'static str]),
    /// What nobody must be able to guess.
    Secret,
    /// Addresses and networks, separated by commas.
    Networks,
}

/// A value that has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Boolean(bool),
    Integer(i64),
    Duration(Duration),
}

/// The least length of a secret.
pub const SECRET_BYTES_MIN: usize = 32;

/// Times longer than this are mistakes.
const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

impl Kind {
    /// Reads a value, or says what would be allowed.
    pub fn parse(self, text: &str) -> Result<Value, String> {
        match self {
            Kind::Text | Kind::Path if text.chars().any(char::is_control) => {
                Err("must not have control characters".to_owned())
            }
            Kind::Text | Kind::Path => Ok(Value::Text(text.to_owned())),
            Kind::Database => match super::Address::parse(text) {
                Ok(_) => Ok(Value::Text(text.to_owned())),
                Err(problem) => Err(problem),
            },
            Kind::Boolean => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Ok(Value::Boolean(true)),
                "false" | "no" | "off" | "0" => Ok(Value::Boolean(false)),
                _ => Err(self.allowed()),
            },
            Kind::Integer(min, max) => match text.parse() {
                Ok(number) if (min..=max).contains(&number) => Ok(Value::Integer(number)),
                _ => Err(self.allowed()),
            },
            Kind::Milliseconds if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                let milliseconds = text.parse().map_err(|_| self.allowed())?;
                self.check_duration(Duration::from_millis(milliseconds))
            }
            Kind::Duration | Kind::Milliseconds => match parse_duration(text) {
                Some(duration) => self.check_duration(duration),
                None => Err(self.allowed()),
            },
            Kind::Secret if is_guessable(text) => Err(self.allowed()),
            Kind::Secret => Ok(Value::Text(text.to_owned())),
            Kind::Networks => super::Networks::parse(text).map(|_| Value::Text(text.to_owned())),
            Kind::Choice(choices) => match choices.iter().find(|choice| choice.eq_ignore_ascii_case(text)) {
                Some(choice) => Ok(Value::Text((*choice).to_owned())),
                None => Err(self.allowed()),
            },
        }
    }

    fn check_duration(self, duration: Duration) -> Result<Value, String> {
        match duration.is_zero() || duration > DURATION_MAX {
            true => Err(self.allowed()),
            false => Ok(Value::Duration(duration)),
        }
    }

    /// What a value must be, to go on after "must be" or the setting's name.
    pub fn allowed(self) -> String {
        match self {
            Kind::Text => "must be a text".to_owned(),
            Kind::Path => "must be a path".to_owned(),
            Kind::Database => "must be postgres://USER:PASSWORD@HOST:PORT/NAME or key=value pairs".to_owned(),
            Kind::Boolean => "must be true or false".to_owned(),
            Kind::Integer(min, max) => format!("must be a number from {min} to {max}"),
            Kind::Duration => "must be a time like 30s, 5m or 1h30m, at most a year".to_owned(),
            Kind::Milliseconds => "must be a time like 500ms or 30s, or a number of milliseconds".to_owned(),
            Kind::Secret => format!("must be {SECRET_BYTES_MIN} bytes or more that nobody can guess"),
            Kind::Networks => "must be addresses or networks like 10.0.0.0/8, separated by commas".to_owned(),
            Kind::Choice(choices) => format!("must be one of {}", choices.join(", ")),
        }
    }
}

/// Whether a secret is short, or is one of those that stand in examples, or hardly has any letters.
fn is_guessable(text: &str) -> bool {
    const EXAMPLES: [&str; 5] = ["secret", "change", "example", "password", "default"];
    const DISTINCT_MIN: usize = 8;
    let lower = text.to_ascii_lowercase();
    let mut letters: Vec<u8> = text.bytes().collect();
    letters.sort_unstable();
    letters.dedup();
    text.len() < SECRET_BYTES_MIN || letters.len() < DISTINCT_MIN || EXAMPLES.iter().any(|word| lower.contains(word))
}

/// Reads `1h30m`, `30s`, `500ms`. Every number has its unit; units come in any order, as people write them.
fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u32 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = match &rest[..letters] {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" | "min" => Duration::from_secs(60),
            "h" => Duration::from_secs(3600),
            "d" => Duration::from_secs(24 * 3600),
            _ => return None,
        };
        total = total.checked_add(unit.checked_mul(number)?)?;
        rest = rest[letters..].trim_start();
    }
    (total > Duration::ZERO).then_some(total)
}

/// Writes a time, given in seconds since 1970, as RFC 3339 does, in UTC.
pub fn show_time(seconds: u64) -> String {
    // Days are counted from 1 March of the year 0, so that the day that comes and goes is the last of its year.
    let days = seconds / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = (year + era * 400 + u64::from(month >= 10), if month < 10 { month + 3 } else { month - 9 });
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Writes a duration as a person would: `1h30m`, `500ms`.
pub fn show_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    if milliseconds == 0 {
        return "0s".to_owned();
    }
    let parts = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")];
    let mut rest = milliseconds;
    let mut text = String::new();
    for (length, unit) in parts {
        if rest >= length {
            text.push_str(&format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_right_at_the_edges_of_months_and_years() {
        assert_eq!(show_time(0), "1970-01-01T00:00:00Z");
        assert_eq!(show_time(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(show_time(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(show_time(4_102_444_799), "2099-12-31T23:59:59Z");
        assert_eq!(show_time(4_107_542_400), "2100-03-01T00:00:00Z");
    }

    #[test]
    fn durations_are_read_as_they_are_written() {
        for text in ["500ms", "30s", "1h30m", "1d2h3m4s5ms"] {
            let Ok(Value::Duration(duration)) = Kind::Duration.parse(text) else { panic!("{text} is a duration") };
            assert_eq!(show_duration(duration), text);
        }
        for text in ["", "30", "-1s", "1x", "0s", "400d", "1.5h", "99999999999999999999h"] {
            assert!(Kind::Duration.parse(text).is_err(), "{text}");
        }
        assert_eq!(Kind::Milliseconds.parse("60000"), Ok(Value::Duration(Duration::from_secs(60))));
    }
}
