//! Files of settings: `NAME=value` a line, as shells, systemd and Docker read them.

/// Reads a file's settings in order; a line that is none is told by its number.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut settings = Vec::new();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else {
            return Err(format!("line {} is not NAME=value", index + 1));
        };
        let name = name.trim();
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(format!("line {} has a name that no setting can have", index + 1));
        }
        let value = unquote(value.trim()).ok_or_else(|| format!("line {} has a quote that does not end", index + 1))?;
        settings.push((name.to_owned(), value));
    }
    Ok(settings)
}

/// Takes quotes off; what is not quoted ends at a comment.
fn unquote(value: &str) -> Option<String> {
    let quote = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => quote,
        _ => return Some(value.split(" #").next().unwrap_or_default().trim_end().to_owned()),
    };
    let (inner, rest) = value[1..].split_once(quote)?;
    let is_end = rest.trim().is_empty() || rest.trim_start().starts_with('#');
    is_end.then(|| inner.to_owned())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn values_are_read_with_and_without_quotes_and_comments() {
        let text = "# a comment\n\nexport A=1\nB = 'two words' # why\nC=\"x # y\"\nD=a#b # c\nE=\n";
        let read = parse(text).unwrap();
        let expected = [("A", "1"), ("B", "two words"), ("C", "x # y"), ("D", "a#b"), ("E", "")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_line_that_is_no_setting_is_named_by_its_number() {
        assert_eq!(parse("A=1\nB"), Err("line 2 is not NAME=value".to_owned()));
        assert_eq!(parse("A=\"1"), Err("line 1 has a quote that does not end".to_owned()));
    }
}
