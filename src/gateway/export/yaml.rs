//! YAML that is made of JSON: blocks for objects and lists, and JSON's strings, which YAML reads as they are.

use serde_json::Value;

/// A value as YAML.
pub fn write(value: &Value) -> String {
    let mut text = String::new();
    block(value, 0, &mut text);
    text
}

/// What begins on a line of its own, so far to the right.
fn block(value: &Value, indent: usize, text: &mut String) {
    let margin = " ".repeat(indent);
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                text.push_str(&format!("{margin}{}:", scalar(&Value::String(key.clone()))));
                behind(value, indent + 2, text);
            }
        }
        Value::Array(items) => {
            for item in items {
                text.push_str(&format!("{margin}-"));
                behind(item, indent + 2, text);
            }
        }
        other => text.push_str(&format!("{margin}{}\n", scalar(other))),
    }
}

/// What stands behind a key or a dash.
fn behind(value: &Value, indent: usize, text: &mut String) {
    let is_empty = match value {
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => true,
    };
    if is_empty {
        text.push_str(&format!(" {}\n", scalar(value)));
    } else {
        text.push('\n');
        block(value, indent, text);
    }
}

/// A value on one line. Plain words are not quoted. In all others, braces are encoded, because Traefik reads `{{` before
/// YAML does, and so is what is not ASCII, because YAML knows more ends of lines than JSON.
fn scalar(value: &Value) -> String {
    let Value::String(word) = value else { return value.to_string() };
    let is_plain = word.starts_with(|first: char| first.is_ascii_alphabetic())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
            .iter()
            .any(|special| word.eq_ignore_ascii_case(special));
    if is_plain {
        return word.clone();
    }
    let mut quoted = String::new();
    for letter in Value::String(word.clone()).to_string().chars() {
        match letter {
            '{' | '}' => quoted.push_str(&format!("\\u{:04x}", u32::from(letter))),
            ' '..='~' => quoted.push(letter),
            _ => quoted.push_str(&format!("\\U{:08x}", u32::from(letter))),
        }
    }
    quoted
}
