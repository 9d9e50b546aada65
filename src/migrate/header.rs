//! The comments at the top of a migration: what it is, for people, and how it is to be run, for the runner.

/// The line that asks for no transaction.
pub(super) const NO_TRANSACTION: &str = "-- mainstay: no-transaction";

/// What a file's leading comments say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) title: Option<String>,
    pub(super) version: Option<String>,
    pub(super) description: Option<String>,
    pub(super) created: Option<String>,
    pub(super) no_transaction: bool,
}

/// Markers of tools that keep both directions in one file. Run as a whole, such a file would undo itself.
const FOREIGN: [(&str, &str); 4] = [
    ("-- migrate:down", "dbmate"),
    ("-- +goose Down", "goose"),
    ("-- +migrate Down", "sql-migrate"),
    ("--//@UNDO", "MyBatis"),
];

/// Reads the comments before the first statement. What the runner does not understand is refused: a misspelt
/// `no-transaction` would otherwise be found out in production.
pub(super) fn parse(text: &str) -> Result<Header, String> {
    for (marker, tool) in FOREIGN {
        if text.lines().any(|line| line.trim().eq_ignore_ascii_case(marker)) {
            return Err(format!(
                "is in the format of {tool} (`{marker}`): put what follows that line in NNN_rollback.sql"
            ));
        }
    }
    let mut header = Header::default();
    for line in text.lines().map(str::trim) {
        let Some(comment) = line.strip_prefix("--") else {
            if line.is_empty() {
                continue;
            }
            break;
        };
        let Some((key, value)) = comment.split_once(':') else { continue };
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "migration" | "rollback migration" => keep(&mut header.title, value),
            "version" => keep(&mut header.version, value),
            "description" => keep(&mut header.description, value),
            "created" => keep(&mut header.created, value),
            "mainstay" if value.eq_ignore_ascii_case("no-transaction") => header.no_transaction = true,
            "mainstay" => {
                return Err(format!("has the line `-- mainstay: {value}`; only `{NO_TRANSACTION}` is known"));
            }
            _ => {}
        }
    }
    Ok(header)
}

/// A new file's header.
pub(super) fn write(label: &str, title: &str, number: &str, description: &str, created: &str) -> String {
    format!("-- {label}: {title}\n-- Version: {number}\n-- Description: {description}\n-- Created: {created}\n\n")
}

/// The first mention counts: later comments may be about anything.
fn keep(field: &mut Option<String>, value: &str) {
    if field.is_none() && !value.is_empty() {
        *field = Some(value.to_owned());
    }
}
