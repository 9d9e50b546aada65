//! Statements that are dangerous on a database in use, as squawk knows them.
//!
//! Squawk's rules of taste (which integer, which text type) are not asked: they are for whoever designs the tables.

use squawk_linter::{Linter, Rule};
use squawk_syntax::SourceFile;

use super::files::{File, Migrations};
use super::text::Place;

/// Rules that do not apply: taste, and the time-outs that the runner sets for every file.
const EXCLUDED: [Rule; 8] = [
    Rule::RequireTimeoutSettings,
    Rule::PreferBigintOverInt,
    Rule::PreferBigintOverSmallint,
    Rule::PreferIdentity,
    Rule::PreferTextField,
    Rule::PreferRepack,
    Rule::RequireEnumValueOrdering,
    Rule::UnusedIgnore,
];

/// Something to think about before this meets a database in use. A comment `-- squawk-ignore RULE` above the statement
/// says that somebody has.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub rule: String,
    pub message: String,
    pub help: Option<String>,
}

/// Looks at all migrations. Not at the ways back: to drop is what they are for.
pub fn lint(migrations: &Migrations) -> Vec<Finding> {
    migrations.list.iter().flat_map(|migration| file(&migration.file)).collect()
}

/// Looks at one file.
pub(super) fn file(file: &File) -> Vec<Finding> {
    let parsed = SourceFile::parse(&file.text);
    let finding = |byte: usize, rule: String, message: String, help: Option<String>| {
        let Place { line, column } = Place::of(&file.text, byte);
        Finding { file: file.name.clone(), line, column, rule, message, help }
    };
    let unreadable = parsed.errors().into_iter().map(|error| {
        let message = format!("squawk cannot read this, so it cannot judge it: {}", error.message());
        finding(error.range().start().into(), "syntax-error".to_owned(), message, None)
    });
    let mut linter = Linter::with_rules(&[], &EXCLUDED);
    linter.settings.assume_in_transaction = !file.no_transaction;
    let violations = linter.lint(&parsed, &file.text).into_iter().map(|violation| {
        finding(violation.text_range.start().into(), violation.code.to_string(), violation.message, violation.help)
    });
    unreadable.chain(violations).collect()
}
