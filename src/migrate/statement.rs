//! A file cut into statements, and what no migration may contain.

use std::ops::Range;

use super::text::Place;
use super::token::{self, Kind, Token};

/// As many tokens of a statement are kept as its beginning needs to be understood.
const TOKENS_KEPT: usize = 24;

/// A statement: its place in the text, without the semicolon and the comments before it, and its first tokens.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) range: Range<usize>,
    pub(super) tokens: Vec<Token>,
    /// Whether it copies between the server and the client's own input or output.
    is_client_copy: bool,
}

/// An index that is built while its table is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Built {
    /// The name as the catalogue has it, if the statement gives one.
    pub(super) index: Option<String>,
    /// The table as the statement writes it.
    pub(super) table: String,
}

/// Why a file is refused, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) message: String,
}

/// The statements of a text.
pub(super) fn split(sql: &str) -> Result<Vec<Statement>, Fault> {
    let mut statements = Vec::new();
    let mut open = Open::default();
    let mut at = 0;
    loop {
        let token = token::next(sql, at).map_err(|fault| Fault {
            at: fault.at,
            message: format!("a {} starts here and does not end", fault.what),
        })?;
        let Some(token) = token else { break };
        at = token.range.end;
        if token.is_symbol(sql, ";") && open.may_end() {
            statements.extend(open.take());
            continue;
        }
        if token.is_symbol(sql, "\\") && open.statement.is_none() {
            let line = Place::of(sql, token.range.start).line;
            let command = sql.lines().nth(line - 1).unwrap_or_default().trim();
            let message = format!("{command} is a command of psql, not SQL: take it out");
            return Err(Fault { at: token.range.start, message });
        }
        open.add(sql, token);
    }
    statements.extend(open.take());
    Ok(statements)
}

/// Refuses what would end or escape the transaction of a migration, or cannot be sent as a statement.
pub(super) fn check(sql: &str, statements: &[Statement], has_transaction: bool) -> Result<(), Fault> {
    for statement in statements {
        let refused = |message: String| Err(Fault { at: statement.range.start, message });
        let shown = |count: usize| statement.words(sql).take(count).collect::<Vec<_>>().join(" ");
        if statement.controls_transaction(sql) {
            return refused(format!(
                "{} is not allowed here: each migration is a transaction of its own. Take it out; what must not be in \
                 a transaction belongs in a file with the line `-- mainstay: no-transaction`",
                shown(2)
            ));
        }
        if statement.is_client_copy {
            return refused(
                "COPY from or to the client needs psql: write INSERT, or COPY with a file on the server".to_owned(),
            );
        }
        if has_transaction && statement.needs_no_transaction(sql) {
            return refused(format!(
                "{} cannot run in a transaction: put it in a file with the line `-- mainstay: no-transaction` above \
                 the first statement",
                shown(4)
            ));
        }
        if let Some(Built { index: None, .. }) = statement.builds_concurrently(sql) {
            return refused("give this index a name: a failed attempt leaves it INVALID, to be found by it".to_owned());
        }
    }
    Ok(())
}

impl Statement {
    /// The words at the statement's beginning, in capitals.
    pub(super) fn words<'a>(&'a self, sql: &'a str) -> impl Iterator<Item = String> + 'a {
        self.tokens
            .iter()
            .take_while(|token| token.kind == Kind::Word)
            .map(|token| token.text(sql).to_ascii_uppercase())
    }

    /// The index of `CREATE [UNIQUE] INDEX CONCURRENTLY [IF NOT EXISTS] [name] ON [ONLY] table`.
    pub(super) fn builds_concurrently(&self, sql: &str) -> Option<Built> {
        let mut rest = self.tokens.iter().peekable();
        let mut take = |word: &str| rest.next_if(|token| token.is_word(sql, word)).is_some();
        if !take("CREATE") {
            return None;
        }
        take("UNIQUE");
        if !(take("INDEX") && take("CONCURRENTLY")) {
            return None;
        }
        if take("IF") {
            take("NOT");
            take("EXISTS");
        }
        let is_name = |token: &&Token| !token.is_word(sql, "ON");
        let index = rest.next_if(is_name).map(|token| token.name(sql));
        let rest = rest.skip_while(|token| token.is_word(sql, "ON") || token.is_word(sql, "ONLY"));
        let is_table = |token: &&Token| matches!(token.kind, Kind::Word | Kind::Quoted) || token.is_symbol(sql, ".");
        let is_method = |token: &&Token| token.is_word(sql, "USING");
        let table =
            rest.take_while(|token| is_table(token) && !is_method(token)).map(|token| token.text(sql)).collect();
        Some(Built { index, table })
    }

    fn controls_transaction(&self, sql: &str) -> bool {
        let words: Vec<String> = self.words(sql).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            // To a savepoint of the file's own is no way out of the transaction.
            ["ROLLBACK" | "ABORT", "TO", ..] | ["ROLLBACK" | "ABORT", "WORK" | "TRANSACTION", "TO", ..] => false,
            ["BEGIN" | "COMMIT" | "ROLLBACK" | "ABORT" | "END", ..] => true,
            ["START" | "PREPARE", "TRANSACTION", ..] => true,
            _ => false,
        }
    }

    fn needs_no_transaction(&self, sql: &str) -> bool {
        let words: Vec<String> = self.words(sql).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        matches!(
            words.as_slice(),
            ["CREATE", "UNIQUE", "INDEX", "CONCURRENTLY", ..]
                | ["CREATE" | "DROP", "INDEX", "CONCURRENTLY", ..]
                | ["CREATE" | "DROP", "DATABASE" | "TABLESPACE", ..]
                | ["REINDEX", _, "CONCURRENTLY", ..]
                | ["REINDEX", "DATABASE" | "SYSTEM", ..]
                | ["ALTER", "SYSTEM", ..]
                | ["VACUUM", ..]
        )
    }
}

/// The statement that is being read.
#[derive(Default)]
struct Open {
    statement: Option<Statement>,
    /// Semicolons in parentheses (`CREATE RULE … DO (…; …)`) do not end a statement.
    parentheses: usize,
    /// Nor do those between `BEGIN ATOMIC` and `END` in a function's body; `CASE` has an `END` too.
    blocks: usize,
}

impl Open {
    fn may_end(&self) -> bool {
        self.parentheses == 0 && self.blocks == 0
    }

    fn take(&mut self) -> Option<Statement> {
        std::mem::take(self).statement
    }

    fn add(&mut self, sql: &str, token: Token) {
        let statement = self.statement.get_or_insert_with(|| Statement {
            range: token.range.clone(),
            tokens: Vec::new(),
            is_client_copy: false,
        });
        statement.range.end = token.range.end;
        match token.kind {
            Kind::Symbol if token.is_symbol(sql, "(") => self.parentheses += 1,
            Kind::Symbol if token.is_symbol(sql, ")") => self.parentheses = self.parentheses.saturating_sub(1),
            Kind::Word if self.parentheses == 0 => {
                let starts_with = |word| statement.tokens.first().is_some_and(|first| first.is_word(sql, word));
                if starts_with("COPY") && (token.is_word(sql, "STDIN") || token.is_word(sql, "STDOUT")) {
                    statement.is_client_copy = true;
                }
                if starts_with("CREATE") && creates_routine(sql, &statement.tokens) {
                    let is_opening = token.is_word(sql, "BEGIN") || (self.blocks > 0 && token.is_word(sql, "CASE"));
                    if is_opening {
                        self.blocks += 1;
                    } else if token.is_word(sql, "END") {
                        self.blocks = self.blocks.saturating_sub(1);
                    }
                }
            }
            _ => {}
        }
        if statement.tokens.len() < TOKENS_KEPT {
            statement.tokens.push(token);
        }
    }
}

/// `CREATE [OR REPLACE] FUNCTION` or `PROCEDURE`.
fn creates_routine(sql: &str, tokens: &[Token]) -> bool {
    let mut words = tokens.iter().skip(1);
    let is_kind = |token: &Token| token.is_word(sql, "FUNCTION") || token.is_word(sql, "PROCEDURE");
    match words.next() {
        Some(first) if first.is_word(sql, "OR") => words.nth(1).is_some_and(is_kind),
        Some(first) => is_kind(first),
        None => false,
    }
}
