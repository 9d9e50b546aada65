//! The prepared statements of one connection.

use std::collections::HashMap;

use postgres::Statement;

/// Prepared statements that a connection keeps. Ours are fewer; lists with filters make up the rest.
const STATEMENTS_MAX: usize = 256;

/// Statements by their text, the least recently used forgotten first.
#[derive(Default)]
pub(super) struct Prepared {
    by_text: HashMap<Box<str>, (Statement, u64)>,
    uses: u64,
}

impl Prepared {
    pub(super) fn get(&mut self, text: &str) -> Option<Statement> {
        self.uses += 1;
        let (statement, used) = self.by_text.get_mut(text)?;
        *used = self.uses;
        Some(statement.clone())
    }

    pub(super) fn add(&mut self, text: &str, statement: Statement) {
        if self.by_text.len() >= STATEMENTS_MAX {
            let oldest = self.by_text.iter().min_by_key(|(_, (_, used))| *used).map(|(text, _)| text.clone());
            if let Some(oldest) = oldest {
                self.by_text.remove(&oldest);
            }
        }
        self.by_text.insert(text.into(), (statement, self.uses));
    }
}
