//! The catalogue as it will be when tables and columns have their new names. PostgreSQL changes the definitions of what
//! stands on them by itself, but for texts in them; so is it done here.

use super::catalogue::{Table, Tables};

/// A table gets another name.
pub(super) fn table(tables: &mut Tables, from: &str, to: &str) {
    if let Some(table) = tables.remove(from) {
        tables.insert(to.to_owned(), table);
    }
    for table in tables.values_mut() {
        for piece in table.pieces.values_mut() {
            piece.text = words(&piece.text, |before, word| (word == from && before == "app.").then_some(to));
        }
    }
}

/// A column of a table gets another name.
pub(super) fn column(tables: &mut Tables, table: &str, from: &str, to: &str) {
    let Some(table) = tables.get_mut(table) else { return };
    if let Some(column) = table.columns.remove(from) {
        table.columns.insert(to.to_owned(), column);
    }
    rename_in(table, from, to);
}

fn rename_in(table: &mut Table, from: &str, to: &str) {
    for piece in table.pieces.values_mut() {
        // What stands behind a point is a table or a function, and so is what stands before one.
        piece.text = words(&piece.text, |before, word| (word == from && !before.ends_with('.')).then_some(to));
    }
}

/// The text with some of its words replaced, but not those in literals. The function gets the few letters before a word.
fn words<'a>(text: &str, replacement: impl Fn(&str, &str) -> Option<&'a str>) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first == '\'' {
            let end = rest[1..].find('\'').map_or(rest.len(), |end| end + 2);
            result.push_str(&rest[..end]);
            rest = &rest[end..];
        } else if first.is_ascii_alphanumeric() || first == '_' {
            let end = rest.find(|it: char| !it.is_ascii_alphanumeric() && it != '_').unwrap_or(rest.len());
            let word = &rest[..end];
            let before = result.trim_end_matches('"');
            let start = before.len().saturating_sub(4);
            let before = before.get(start..).unwrap_or_default();
            let new = replacement(before, word).unwrap_or(word).to_owned();
            result.push_str(&new);
            rest = &rest[end..];
        } else {
            result.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    result
}

/// A definition without the marks around names, which PostgreSQL sets only where it must.
pub(super) fn unquoted(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut in_literal = false;
    for letter in text.chars() {
        in_literal ^= letter == '\'';
        if letter != '"' || in_literal {
            result.push(letter);
        }
    }
    result
}
