//! What a way back would take with it: the tables that its files drop or empty, and how many rows there are in each.

use std::collections::BTreeSet;

use postgres::Client;
use postgres::types::Type;

use super::files::Migrations;
use super::rollback::{Target, files};
use super::statement::{self, Statement};
use super::token::{self, Kind, Token};
use crate::error::Result;

/// So many rows are counted; more are not counted to the end.
pub const ROWS_COUNTED: i64 = 1_000_000;

/// A table whose rows, or values of a column of theirs, would be gone.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Loss {
    pub table: String,
    /// At most [`ROWS_COUNTED`].
    pub rows: i64,
}

/// Names the tables with rows that a rollback would take something from. What a file does in a block of code is not seen.
pub fn losses(client: &mut Client, migrations: &Migrations, target: Target) -> Result<Vec<Loss>> {
    let mut tables = BTreeSet::new();
    for file in files(client, migrations, target)? {
        // The file was checked: it can be read.
        for statement in statement::split(&file.text).unwrap_or_default() {
            let (kind, names) = names(&file.text, &statement);
            for name in names {
                let query = match kind {
                    What::Table => crate::sql!("migrate/tables_named"),
                    What::Schema => crate::sql!("migrate/tables_of_schema"),
                };
                let rows = client.query_typed(query.text, &[(&name, Type::TEXT)])?;
                tables.extend(rows.iter().map(|row| row.get::<_, String>(0)));
            }
        }
    }
    let mut losses = Vec::new();
    for table in tables {
        let count = format!("SELECT count(*) FROM (SELECT FROM {table} LIMIT {ROWS_COUNTED}) AS counted");
        let rows: i64 = client.query_typed_one(&count, &[])?.get(0);
        if rows > 0 {
            losses.push(Loss { table, rows });
        }
    }
    Ok(losses)
}

enum What {
    Table,
    Schema,
}

/// What a statement drops or empties: the names behind `DROP TABLE`, `DROP SCHEMA`, `TRUNCATE` and
/// `ALTER TABLE … DROP COLUMN`, as it writes them.
fn names(sql: &str, statement: &Statement) -> (What, Vec<String>) {
    let tokens = tokens(sql, statement);
    let words: Vec<String> = statement.words(sql).take(2).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (kind, skipped) = match words[..] {
        ["DROP", "TABLE", ..] => (What::Table, 2),
        ["DROP", "SCHEMA", ..] => (What::Schema, 2),
        ["TRUNCATE", "TABLE", ..] => (What::Table, 2),
        ["TRUNCATE", ..] => (What::Table, 1),
        ["ALTER", "TABLE", ..] if drops_a_column(sql, &tokens) => (What::Table, 2),
        _ => return (What::Table, Vec::new()),
    };
    let is_alter = words.first() == Some(&"ALTER");
    let is_filler = |token: &&Token| ["IF", "EXISTS", "ONLY"].iter().any(|word| token.is_word(sql, word));
    let mut names = vec![String::new()];
    for token in tokens.iter().skip(skipped).skip_while(is_filler) {
        let continues = names.last().is_none_or(|name| name.is_empty() || name.ends_with('.'));
        match token.kind {
            Kind::Symbol if token.is_symbol(sql, ",") && !is_alter => names.push(String::new()),
            Kind::Symbol if token.is_symbol(sql, ".") => names.last_mut().into_iter().for_each(|name| name.push('.')),
            Kind::Word | Kind::Quoted if continues => {
                names.last_mut().into_iter().for_each(|name| *name += token.text(sql));
            }
            _ => break,
        }
    }
    names.retain(|name| !name.is_empty());
    (kind, names)
}

fn drops_a_column(sql: &str, tokens: &[Token]) -> bool {
    let others = ["CONSTRAINT", "DEFAULT", "NOT", "EXPRESSION", "IDENTITY"];
    tokens.windows(2).any(|pair| pair[0].is_word(sql, "DROP") && !others.iter().any(|word| pair[1].is_word(sql, word)))
}

/// All tokens of a statement: its own are only the first.
fn tokens(sql: &str, statement: &Statement) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = statement.range.start;
    while let Ok(Some(token)) = token::next(sql, at) {
        if token.range.end > statement.range.end {
            break;
        }
        at = token.range.end;
        tokens.push(token);
    }
    tokens
}
