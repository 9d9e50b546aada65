//! Path patterns as regular expressions that PCRE, RE2 and Rust read alike, for paths as clients send them.
//!
//! There is no backslash in them: what is special stands in brackets, so no format has to quote one.

use super::Route;
use crate::gateway::pattern::Segment;

/// A path that is not in its one form: it has `.` or `..` for a segment, or something encoded that need not be.
pub const REFUSED: &str =
    "(?:/(?:[.]|%2[Ee])(?:[.]|%2[Ee])?(?:/|$)|%(?:2[DdEe]|3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa]|5[Ff]|7[Ee]))";

/// What the path of a route is, in two parts: what is taken off it, and the rest.
pub struct Parts {
    pub front: String,
    pub rest: String,
}

/// The parts of a route's pattern, without anchors. `any` is any character of a path, as a class: `[^/]` without the slash.
pub fn parts(route: &Route, segment: &str, any: &str) -> Parts {
    let stripped = route.strip.as_ref().map_or(0, |strip| strip.matches('/').count());
    let (mut front, mut rest) = (String::new(), String::new());
    for (index, part) in route.segments().into_iter().enumerate() {
        let text = if index < stripped { &mut front } else { &mut rest };
        match part {
            Segment::Literal(literal) => {
                text.push('/');
                text.push_str(&self::literal(literal));
            }
            Segment::Parameter(_) => text.push_str(&format!("/{segment}+")),
            Segment::Rest => text.push_str(&format!("(?:/{any}*)?")),
        }
    }
    Parts { front, rest }
}

/// The whole pattern, between anchors.
pub fn whole(route: &Route) -> String {
    let parts = parts(route, "[^/]", ".");
    format!("^{}{}$", parts.front, parts.rest)
}

/// A text that stands for itself. The digits of what is encoded may be capitals or not.
pub fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    let mut encoded = 0;
    for letter in text.chars() {
        match letter {
            '%' => {
                encoded = 2;
                pattern.push('%');
            }
            'A'..='F' if encoded > 0 => {
                encoded -= 1;
                pattern.push_str(&format!("[{letter}{}]", letter.to_ascii_lowercase()));
            }
            _ => {
                encoded = i32::max(encoded - 1, 0);
                match letter.is_ascii_alphanumeric() || "-_~/%".contains(letter) {
                    true => pattern.push(letter),
                    false => pattern.push_str(&format!("[{letter}]")),
                }
            }
        }
    }
    pattern
}
