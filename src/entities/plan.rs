//! What is to be done so that the tables are as they are declared: steps that lose nothing, and what is refused.

use serde::Serialize;

/// Tables of at most so many bytes are changed in the one transaction: nobody notices the lock. What would keep others from
/// a larger one is done in another way, or refused.
pub(super) const SMALL_BYTES_MAX: i64 = 16 << 20;

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    pub table: String,
    /// `add column total`
    pub what: String,
    pub sql: String,
    /// When it is its turn.
    #[serde(skip)]
    pub(super) turn: Turn,
}

/// The order of steps: what goes makes room for what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    RenameTable,
    RenameColumn,
    Create,
    Drop,
    Column,
    RenamePiece,
    Constraint,
    Reference,
    Index,
    Trigger,
    Policy,
    Comment,
}

/// A difference that is not done by itself, why, and what would do it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    pub table: String,
    pub what: String,
    pub why: String,
    pub sql: String,
}

/// The whole plan. Where anything is refused, nothing is done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// In one transaction.
    pub steps: Vec<Step>,
    /// After it, each by itself, without keeping anybody waiting: indexes of large tables, and the checking of what is
    /// there already.
    pub later: Vec<Step>,
    pub refusals: Vec<Refusal>,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.later.is_empty() && self.refusals.is_empty()
    }

    pub(super) fn step(&mut self, turn: Turn, table: &str, what: impl Into<String>, sql: impl Into<String>) {
        self.steps.push(Step { table: table.to_owned(), what: what.into(), sql: sql.into(), turn });
    }

    pub(super) fn later(&mut self, turn: Turn, table: &str, what: impl Into<String>, sql: impl Into<String>) {
        self.later.push(Step { table: table.to_owned(), what: what.into(), sql: sql.into(), turn });
    }

    pub(super) fn refuse(
        &mut self,
        table: &str,
        what: impl Into<String>,
        why: impl Into<String>,
        sql: impl Into<String>,
    ) {
        self.refusals.push(Refusal { table: table.to_owned(), what: what.into(), why: why.into(), sql: sql.into() });
    }

    /// Puts the steps in their order.
    pub(super) fn sort(&mut self) {
        self.steps.sort_by_key(|step| step.turn);
        self.later.sort_by_key(|step| step.turn);
    }

    /// The steps as SQL.
    pub fn sql(steps: &[Step]) -> String {
        steps.iter().map(|step| format!("-- {}: {}\n{};\n", step.table, step.what, step.sql)).collect()
    }

    /// What is to be done, in a few words.
    pub fn summary(steps: &[Step]) -> String {
        const SHOWN_MAX: usize = 20;
        let more = steps.len().saturating_sub(SHOWN_MAX);
        let mut words: Vec<String> =
            steps.iter().take(SHOWN_MAX).map(|it| format!("{}: {}", it.table, it.what)).collect();
        if more > 0 {
            words.push(format!("and {more} more"));
        }
        words.join("; ")
    }
}
