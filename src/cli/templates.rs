//! `mainstay templates import`.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::identity::{show, with_session};
use super::{Arguments, Result, print_json, say};
use crate::db::TransactionOptions;
use crate::templates::{self, Catalogue, Done, Step};

const STEPS: &[(&str, usize)] = &[("kind", 10), ("slug", 40), ("done", 9), ("version", 12)];

pub(super) fn import(arguments: &Arguments) -> Result<ExitCode> {
    let catalogue = Catalogue::read(Path::new(arguments.positional(0)))?;
    let is_trial = arguments.has("dry-run");
    with_session(arguments, |_, session, actor| {
        let options = TransactionOptions { is_trial, ..TransactionOptions::default() };
        let steps = session.transaction(options, |transaction| templates::import(transaction, actor, &catalogue))?;
        let count = |done: Done| steps.iter().filter(|step| step.done == done).count();
        let counts = json!({
            "created": count(Done::Created), "updated": count(Done::Updated), "unchanged": count(Done::Unchanged),
            "published": count(Done::Published),
        });
        if arguments.has("json") {
            return print_json(&json!({ "dry_run": is_trial, "counts": counts, "steps": steps }));
        }
        let of_interest = |step: &&Step| step.done != Done::Unchanged;
        let rows: Vec<Value> = steps.iter().filter(of_interest).map(|step| json!(step)).collect();
        let shown = show(arguments, &rows, STEPS)?;
        let number = |name: &str| counts[name].as_u64().unwrap_or_default();
        say(&format!(
            "{} created, {} updated, {} unchanged, {} published{}",
            number("created"),
            number("updated"),
            number("unchanged"),
            number("published"),
            if is_trial { "; a trial: nothing of it is kept" } else { "" }
        ));
        Ok(shown)
    })
}
