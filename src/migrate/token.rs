//! SQL cut into tokens, as PostgreSQL's own scanner does it: strings, dollar quotes and nested comments are each one piece.
//!
//! Knows no grammar: only where something that looks like a word or a semicolon is one.

use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    /// A name in double quotes.
    Quoted,
    /// A string or a number.
    Value,
    /// One character that is none of these.
    Symbol,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) range: Range<usize>,
}

impl Token {
    pub(super) fn text<'a>(&self, sql: &'a str) -> &'a str {
        &sql[self.range.clone()]
    }

    pub(super) fn is_word(&self, sql: &str, word: &str) -> bool {
        self.kind == Kind::Word && self.text(sql).eq_ignore_ascii_case(word)
    }

    /// The name that this is, as the catalogue has it.
    pub(super) fn name(&self, sql: &str) -> String {
        match self.kind {
            Kind::Quoted => self.text(sql).trim_matches('"').replace("\"\"", "\""),
            _ => self.text(sql).to_lowercase(),
        }
    }

    pub(super) fn is_symbol(&self, sql: &str, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text(sql) == symbol
    }
}

/// Something that was opened and has no end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unterminated {
    pub(super) at: usize,
    pub(super) what: &'static str,
}

/// The first token at or after a byte.
pub(super) fn next(sql: &str, from: usize) -> Result<Option<Token>, Unterminated> {
    let start = skip(sql, from)?;
    let bytes = sql.as_bytes();
    let Some(&first) = bytes.get(start) else { return Ok(None) };
    let (kind, end) = match first {
        b'\'' => (Kind::Value, string(sql, start, start, false)?),
        b'"' => (Kind::Quoted, quoted(sql, start)?),
        b'$' => match dollar_tag(sql, start) {
            Some(tag) => (Kind::Value, dollar_quoted(sql, start, tag)?),
            None => (Kind::Value, word_end(bytes, start + 1)),
        },
        b'0'..=b'9' => (Kind::Value, number_end(bytes, start)),
        _ if is_word_start(first) => match (first, bytes.get(start + 1)) {
            (b'e' | b'E', Some(b'\'')) => (Kind::Value, string(sql, start, start + 1, true)?),
            (b'b' | b'B' | b'x' | b'X' | b'n' | b'N', Some(b'\'')) => {
                (Kind::Value, string(sql, start, start + 1, false)?)
            }
            (b'u' | b'U', Some(b'&')) if bytes.get(start + 2) == Some(&b'\'') => {
                (Kind::Value, string(sql, start, start + 2, false)?)
            }
            (b'u' | b'U', Some(b'&')) if bytes.get(start + 2) == Some(&b'"') => (Kind::Quoted, quoted(sql, start + 2)?),
            _ => (Kind::Word, word_end(bytes, start)),
        },
        _ => (Kind::Symbol, start + 1),
    };
    Ok(Some(Token { kind, range: start..end }))
}

/// Skips white space and comments; `/* */` nest.
fn skip(sql: &str, from: usize) -> Result<usize, Unterminated> {
    let bytes = sql.as_bytes();
    let mut at = from;
    while let Some(byte) = bytes.get(at) {
        if byte.is_ascii_whitespace() || *byte == b'\x0b' {
            at += 1;
        } else if bytes[at..].starts_with(b"--") {
            at = sql[at..].find('\n').map_or(sql.len(), |newline| at + newline);
        } else if bytes[at..].starts_with(b"/*") {
            at = comment_end(bytes, at).ok_or(Unterminated { at, what: "comment" })?;
        } else {
            break;
        }
    }
    Ok(at)
}

fn comment_end(bytes: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut depth) = (start, 0);
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") => (at, depth) = (at + 2, depth + 1),
            Some(b"*/") => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// The end of a string whose quote is at `quote`. A string goes on after a line break: `'a'\n'b'` is one, and if the
/// first part had escapes, so has the second.
fn string(sql: &str, start: usize, quote: usize, has_escapes: bool) -> Result<usize, Unterminated> {
    let bytes = sql.as_bytes();
    let mut at = quote + 1;
    loop {
        match bytes.get(at) {
            None => return Err(Unterminated { at: start, what: "string" }),
            Some(b'\\') if has_escapes => at += 2,
            Some(b'\'') if bytes.get(at + 1) == Some(&b'\'') => at += 2,
            Some(b'\'') => {
                let rest = &sql[at + 1..];
                let space = rest.len() - rest.trim_start().len();
                if !(rest[space..].starts_with('\'') && rest[..space].contains('\n')) {
                    return Ok(at + 1);
                }
                at += space + 2;
            }
            Some(_) => at += 1,
        }
    }
}

fn quoted(sql: &str, start: usize) -> Result<usize, Unterminated> {
    let bytes = sql.as_bytes();
    let mut at = start + 1;
    loop {
        match bytes.get(at) {
            None => return Err(Unterminated { at: start, what: "name in double quotes" }),
            Some(b'"') if bytes.get(at + 1) == Some(&b'"') => at += 2,
            Some(b'"') => return Ok(at + 1),
            Some(_) => at += 1,
        }
    }
}

/// `$$` or `$tag$`, if that is what stands here; `$1` is a parameter.
fn dollar_tag(sql: &str, start: usize) -> Option<&str> {
    let bytes = sql.as_bytes();
    let mut end = start + 1;
    while let Some(&byte) = bytes.get(end) {
        match byte {
            b'$' => return Some(&sql[start..=end]),
            b'0'..=b'9' if end > start + 1 => {}
            _ if is_word_start(byte) => {}
            _ => return None,
        }
        end += 1;
    }
    None
}

fn dollar_quoted(sql: &str, start: usize, tag: &str) -> Result<usize, Unterminated> {
    let body = start + tag.len();
    match sql[body..].find(tag) {
        Some(length) => Ok(body + length + tag.len()),
        None => Err(Unterminated { at: start, what: "dollar quote" }),
    }
}

/// The end of a number, with what sticks to it. A `$` does not: `SELECT 1$$` is odd, but a string begins there.
fn number_end(bytes: &[u8], start: usize) -> usize {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    start + bytes[start..].iter().take_while(|byte| is_part(byte)).count()
}

fn word_end(bytes: &[u8], start: usize) -> usize {
    let is_part = |byte: &u8| is_word_start(*byte) || byte.is_ascii_digit() || *byte == b'$';
    start + bytes[start..].iter().take_while(|byte| is_part(byte)).count()
}

/// Letters, the underscore, and whatever is beyond ASCII.
fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}
