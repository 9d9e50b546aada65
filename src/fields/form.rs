//! Forms of text: what a value must look like beyond its length.

use std::borrow::Cow;
use std::fmt;

use regex::Regex;

/// A form. The pattern or format is for the OpenAPI document; `check` decides.
#[derive(Clone, Copy)]
pub struct Form {
    /// OpenAPI's name of the form, where it has one.
    pub format: Option<&'static str>,
    /// A regular expression that says the same as `check`, or less.
    pub pattern: Option<&'static str>,
    /// What is expected, to go on after "must be".
    pub expected: &'static str,
    pub check: fn(&str) -> bool,
}

/// A form that is a regular expression, and known only when the program runs.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: Cow<'static, str>,
    compiled: Regex,
}

impl Pattern {
    /// Characters of an expression.
    pub const LENGTH_MAX: usize = 500;

    /// Takes only what PostgreSQL, JavaScript and we understand in the same way: no classes by name, no look-around, no
    /// back references, and a backslash only in front of what is no letter.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        if text.chars().count() > Pattern::LENGTH_MAX {
            return Err(format!("must have at most {} characters", Pattern::LENGTH_MAX));
        }
        let mut letters = text.chars().peekable();
        let mut in_brackets = false;
        while let Some(letter) = letters.next() {
            let next = letters.peek().copied();
            match (letter, next) {
                ('\\', Some(next)) if next.is_ascii_punctuation() => drop(letters.next()),
                ('\\', _) => return Err("may have \\ only in front of a sign: write [0-9] for \\d".to_owned()),
                ('[', _) if in_brackets => {
                    return Err("may not name classes: write [a-z] for [[:lower:]], and \\[ for a bracket".to_owned());
                }
                ('[', Some(']')) => return Err("may not have [] or []…]: write \\] for a bracket".to_owned()),
                ('[', _) => in_brackets = true,
                (']', _) => in_brackets = false,
                ('&', Some('&')) | ('~', Some('~')) | ('-', Some('-')) if in_brackets => {
                    return Err(format!("may not have {letter}{letter}: write \\{letter}"));
                }
                ('(', Some('?')) if !in_brackets => {
                    return Err("may not have (? : a plain group will do".to_owned());
                }
                ('*' | '+' | '?' | '}', Some('*' | '+' | '?' | '{')) if !in_brackets => {
                    return Err("may not repeat a repetition".to_owned());
                }
                _ => {}
            }
        }
        // A dot is every character, as it is to PostgreSQL.
        let compiled = Regex::new(&format!("(?s){text}")).map_err(|error| {
            let reason = error.to_string();
            let last = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("is no regular expression: {last}")
        })?;
        Ok(Pattern { text: text.to_owned().into(), compiled })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn fits(&self, text: &str) -> bool {
        self.compiled.is_match(text)
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.expected)
    }
}

impl Form {
    /// An e-mail address as most systems take them: words with dots between them, an @, and a name with a dot.
    pub const EMAIL: Form = Form {
        format: Some("email"),
        pattern: Some(
            r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$",
        ),
        expected: "an e-mail address",
        check: is_email,
    };

    /// A name for URLs: lower-case letters, digits, and hyphens between them.
    pub const SLUG: Form = Form {
        format: None,
        pattern: Some("^[a-z0-9]+(-[a-z0-9]+)*$"),
        expected: "lower-case letters and digits, with single hyphens between them",
        check: is_slug,
    };

    /// A name without control characters or white space at its ends.
    pub const LINE: Form = Form {
        format: None,
        pattern: Some(
            r"^[^\s\u0000-\u001f\u007f-\u009f]([^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f])?$",
        ),
        expected: "one line without white space at its ends",
        check: is_line,
    };

    /// A password. bcrypt counts bytes, which no schema does, beside the characters that the field limits.
    pub const PASSWORD: Form = Form {
        format: Some("password"),
        pattern: None,
        expected: "at most 71 bytes long",
        check: |text| text.len() <= 71,
    };

    /// A telephone number, as people write them.
    pub const PHONE: Form = Form {
        format: None,
        pattern: Some(r"^\+?[0-9][0-9 ()./-]{2,31}$"),
        expected: "a telephone number",
        check: is_phone,
    };

    /// The name of an event: lower-case words with dots between them.
    pub const EVENT: Form = Form {
        format: None,
        pattern: Some(r"^[a-z0-9_]+(\.[a-z0-9_]+)*$"),
        expected: "lower-case words with dots between them",
        check: is_event,
    };

    /// One word: a lower-case letter, and letters, digits, hyphens and underscores behind it.
    pub const WORD: Form =
        Form { format: None, pattern: Some("^[a-z][a-z0-9_-]*$"), expected: "a lower-case word", check: is_word };

    /// A URL of any kind: <https://git.example.org/a>, or <ssh://git@example.org/a>.
    pub const URL: Form = Form {
        format: None,
        pattern: Some(r"^[a-z][a-z0-9+.-]*://[^\s\u0000-\u001f\u007f-\u009f]+$"),
        expected: "a URL, like https://git.example.org/team/project",
        check: |text| is_url(text, |_| true),
    };

    /// The URL of a page.
    pub const WEB_URL: Form = Form {
        format: None,
        pattern: Some(r"^https?://[^\s\u0000-\u001f\u007f-\u009f]+$"),
        expected: "a URL that begins with http:// or https://",
        check: |text| is_url(text, |scheme| matches!(scheme, "http" | "https")),
    };

    /// A semantic version, as <https://semver.org> has it, without build metadata.
    pub const VERSION: Form = Form {
        format: None,
        pattern: Some(r"^(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})(-[0-9A-Za-z.-]{1,64})?$"),
        expected: "a semantic version like 1.2.0",
        check: is_version,
    };

    /// The path of a file below some folder, and not out of it.
    pub const FILE_PATH: Form = Form {
        format: None,
        pattern: Some(r"^[^/\\\u0000-\u001f\u007f-\u009f]+(/[^/\\\u0000-\u001f\u007f-\u009f]+)*$"),
        expected: "a path of a file below a folder, like src/main.rs",
        check: is_file_path,
    };

    /// A permission: `admin`, `read:tasks`, `write:*`.
    pub const PERMISSION: Form = Form {
        format: None,
        pattern: Some(r"^(admin|(read|write):(\*|[a-z][a-z0-9_-]{0,62}))$"),
        expected: "admin, read:<collection>, write:<collection>, read:* or write:*",
        check: is_permission,
    };
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_atom = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&byte);
    let is_label = |label: &str| {
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(is_inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let top = domain.rsplit('.').next().unwrap_or_default();
    (1..=64).contains(&local.len())
        && local.split('.').all(|part| !part.is_empty() && part.bytes().all(is_atom))
        && domain.contains('.')
        && domain.split('.').all(is_label)
        && top.starts_with(|letter: char| letter.is_ascii_alphabetic())
}

fn is_slug(text: &str) -> bool {
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    text.split('-').all(is_part)
}

fn is_line(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control) && text.trim().len() == text.len()
}

fn is_phone(text: &str) -> bool {
    let rest = text.strip_prefix('+').unwrap_or(text);
    (3..=32).contains(&rest.len())
        && rest.starts_with(|first: char| first.is_ascii_digit())
        && rest.bytes().all(|byte| byte.is_ascii_digit() || b" ()./-".contains(&byte))
}

fn is_event(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    text.split('.').all(|word| !word.is_empty() && word.bytes().all(is_letter))
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
}

fn is_url(text: &str, is_scheme: fn(&str) -> bool) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let is_word = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+.-".contains(&byte));
    is_word
        && is_scheme(scheme)
        && !rest.is_empty()
        && !rest.chars().any(|letter| letter.is_whitespace() || letter.is_control())
}

fn is_version(text: &str) -> bool {
    let (numbers, label) = text.split_once('-').map_or((text, None), |(numbers, label)| (numbers, Some(label)));
    let is_number = |part: &str| {
        (1..=9).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    let is_label = |label: &str| {
        (1..=64).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
    };
    numbers.split('.').count() == 3 && numbers.split('.').all(is_number) && label.is_none_or(is_label)
}

fn is_file_path(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part != "." && part != ".." && !part.contains('\\') && !part.chars().any(char::is_control)
    };
    text.split('/').all(is_part)
}

fn is_permission(text: &str) -> bool {
    let Some((verb, collection)) = text.split_once(':') else { return text == "admin" };
    let is_name = |name: &str| {
        name.len() <= 63
            && name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
    };
    matches!(verb, "read" | "write") && (collection == "*" || is_name(collection))
}
