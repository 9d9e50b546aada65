//! Texts that live as long as the process. A server has one table of endpoints, whose names are part of the program; those
//! of entities come from files. Each is kept once, however often servers are started in one process.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::resource::Rule;

static TEXTS: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);
static NAMES: Mutex<Vec<&'static [&'static str]>> = Mutex::new(Vec::new());
static RULES: Mutex<Vec<&'static [Rule]>> = Mutex::new(Vec::new());

pub(super) fn text(text: &str) -> &'static str {
    let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    match texts.get(text) {
        Some(kept) => kept,
        None => {
            let kept: &'static str = Box::leak(text.to_owned().into_boxed_str());
            texts.insert(kept);
            kept
        }
    }
}

pub(super) fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> &'static [&'static str] {
    list(&NAMES, names.into_iter().map(text).collect())
}

pub(super) fn rules(rules: Vec<Rule>) -> &'static [Rule] {
    list(&RULES, rules)
}

fn list<T: PartialEq>(known: &Mutex<Vec<&'static [T]>>, wanted: Vec<T>) -> &'static [T] {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(kept) = known.iter().find(|kept| ***kept == *wanted) {
        return kept;
    }
    let kept: &'static [T] = Box::leak(wanted.into_boxed_slice());
    known.push(kept);
    kept
}
