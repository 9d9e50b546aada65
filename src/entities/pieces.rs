//! What tables have beside their columns: what goes, what comes, and what only gets another name.

use std::collections::BTreeSet;

use super::catalogue::{Kind, Piece};
use super::diff::Differ;
use super::plan::Turn;
use super::renamed::unquoted;
use super::text::{quoted, table};
use crate::error::Result;

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Constraint => "rule",
            Kind::Reference => "reference",
            Kind::Index => "index",
            Kind::Trigger => "trigger",
            Kind::Policy => "policy",
        }
    }

    fn turn(self) -> Turn {
        match self {
            Kind::Constraint => Turn::Constraint,
            Kind::Reference => Turn::Reference,
            Kind::Index => Turn::Index,
            Kind::Trigger => Turn::Trigger,
            Kind::Policy => Turn::Policy,
        }
    }
}

/// The name that a table which is referred to has now, if it is there.
type TargetNow<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Plans what is to become of the pieces of a table.
pub(super) fn compare(differ: &mut Differ<'_>, target: TargetNow<'_>) -> Result<()> {
    let (found, wanted) = (&differ.rows.found.pieces, &differ.rows.wanted.pieces);
    let is_same = |one: &Piece, other: &Piece| unquoted(&one.text) == unquoted(&other.text);
    let is_kept = |key: &(Kind, String), piece: &Piece| wanted.get(key).is_some_and(|wanted| is_same(wanted, piece));
    // Whoever is not kept as it is may be what is wanted under another name.
    let mut free: BTreeSet<&(Kind, String)> =
        found.iter().filter(|(key, piece)| !is_kept(key, piece)).map(|(key, _)| key).collect();
    let mut missing = Vec::new();
    for (key, piece) in wanted {
        let (kind, name) = key;
        match found.get(key) {
            Some(known) if is_same(known, piece) => {
                if !known.is_valid {
                    missing.extend(validate(differ, *kind, name).then_some((key, piece)));
                }
                continue;
            }
            _ => {}
        }
        let can_rename = matches!(kind, Kind::Constraint | Kind::Reference | Kind::Index) && !found.contains_key(key);
        let twin = free.iter().find(|free| can_rename && free.0 == *kind && is_same(&found[**free], piece)).copied();
        match twin {
            Some(old) => {
                free.remove(old);
                rename(differ, *kind, &old.1, name);
                if !found[old].is_valid {
                    validate(differ, *kind, name);
                }
            }
            None => missing.push((key, piece)),
        }
    }
    for (kind, name) in free {
        drop_piece(differ, *kind, name);
    }
    for ((kind, name), piece) in missing {
        add(differ, *kind, name, piece, target)?;
    }
    Ok(())
}

fn rename(differ: &mut Differ<'_>, kind: Kind, old: &str, new: &str) {
    let what = format!("rename the {} {old} to {new}", kind.word());
    match kind {
        Kind::Index => {
            let sql = format!("ALTER INDEX app.{} RENAME TO {}", quoted(old), quoted(new));
            differ.plan.step(Turn::RenamePiece, differ.name, what, sql);
        }
        _ => differ.alter(Turn::RenamePiece, what, &format!("RENAME CONSTRAINT {} TO {}", quoted(old), quoted(new))),
    }
}

fn drop_piece(differ: &mut Differ<'_>, kind: Kind, name: &str) {
    let (what, table) = (format!("drop the {} {name}", kind.word()), table(differ.name));
    let quoted = quoted(name);
    let sql = match kind {
        Kind::Constraint | Kind::Reference => format!("ALTER TABLE {table} DROP CONSTRAINT {quoted}"),
        Kind::Index => format!("DROP INDEX app.{quoted}"),
        Kind::Trigger => format!("DROP TRIGGER {quoted} ON {table}"),
        Kind::Policy => format!("DROP POLICY {quoted} ON {table}"),
    };
    differ.plan.step(Turn::Drop, differ.name, what, sql);
}

/// Goes on with what an earlier run had begun; answers whether it must be made anew.
fn validate(differ: &mut Differ<'_>, kind: Kind, name: &str) -> bool {
    match kind {
        Kind::Constraint | Kind::Reference => {
            let what = format!("look whether all rows keep the {} {name}", kind.word());
            differ.alter_later(kind.turn(), what, &format!("VALIDATE CONSTRAINT {}", quoted(name)));
            false
        }
        Kind::Index | Kind::Trigger => {
            drop_piece(differ, kind, name);
            true
        }
        Kind::Policy => false,
    }
}

fn add(differ: &mut Differ<'_>, kind: Kind, name: &str, piece: &Piece, target: TargetNow<'_>) -> Result<()> {
    let what = format!("add the {} {name}", kind.word());
    match kind {
        Kind::Constraint | Kind::Reference => add_constraint(differ, kind, name, piece, what, target),
        Kind::Index => add_index(differ, name, piece, what),
        Kind::Trigger | Kind::Policy => {
            differ.plan.step(kind.turn(), differ.name, what, piece.text.clone());
            Ok(())
        }
    }
}

fn add_constraint(
    differ: &mut Differ<'_>,
    kind: Kind,
    name: &str,
    piece: &Piece,
    what: String,
    target: TargetNow<'_>,
) -> Result<()> {
    let change = format!("ADD CONSTRAINT {} {}", quoted(name), piece.text);
    let is_broken = match kind {
        _ if differ.is_empty => false,
        Kind::Reference => {
            let column = between(&piece.text, "FOREIGN KEY (", ")").trim_matches('"');
            let referred = unquoted(between(&piece.text, " REFERENCES ", "("));
            let is_known = differ.rows.found.columns.contains_key(column);
            is_known && differ.rows.have_orphans(differ.client, column, target(&referred).as_deref())?
        }
        _ => match piece.text.strip_prefix("CHECK ") {
            Some(check) => differ.rows.break_check(differ.client, check)?,
            None => false,
        },
    };
    if is_broken {
        let why = match kind {
            Kind::Reference => "there are rows that refer to what is not there",
            _ => "there are rows that break it",
        };
        let sql = format!("ALTER TABLE {} {change}", table(differ.name));
        differ.refuse(what, why, sql);
        return Ok(());
    }
    if !differ.is_large() {
        differ.alter(kind.turn(), what, &change);
        return Ok(());
    }
    differ.alter(kind.turn(), format!("{what}: for new rows"), &format!("{change} NOT VALID"));
    validate(differ, kind, name);
    Ok(())
}

fn add_index(differ: &mut Differ<'_>, name: &str, piece: &Piece, what: String) -> Result<()> {
    let (unique, on) = match piece.text.strip_prefix("UNIQUE ") {
        Some(on) => ("UNIQUE ", on),
        None => ("", piece.text.as_str()),
    };
    let name = quoted(name);
    if !unique.is_empty() && !differ.is_empty && differ.rows.have_twins(differ.client, on)? {
        let sql = format!("CREATE UNIQUE INDEX {name} {on}");
        differ.refuse(what, "there are rows that have the same", sql);
    } else if differ.is_large() {
        let sql = format!("CREATE {unique}INDEX CONCURRENTLY {name} {on}");
        differ.plan.later(Turn::Index, differ.name, what, sql);
    } else {
        differ.plan.step(Turn::Index, differ.name, what, format!("CREATE {unique}INDEX {name} {on}"));
    }
    Ok(())
}

/// What stands between two marks.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let rest = text.split_once(start).map_or("", |(_, rest)| rest);
    rest.split_once(end).map_or(rest, |(inner, _)| inner)
}
