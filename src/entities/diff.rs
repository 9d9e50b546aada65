//! From the tables as they are to the tables as they are declared.

use std::collections::BTreeMap;

use postgres::Client;

use super::catalogue::{Column, Kind, Table, Tables};
use super::data::Rows;
use super::declaration::Entity;
use super::pieces;
use super::plan::{Plan, SMALL_BYTES_MAX, Turn};
use super::renamed;
use super::table::{create, references};
use super::text::{SCHEMA, literal, quoted, table};
use super::widen::{Widening, widening};
use crate::error::Result;

/// Both sides.
pub(super) struct Sides<'a> {
    pub entities: &'a [Entity],
    pub wanted: &'a Tables,
    pub found: Tables,
    /// Entities that were declared when tables were last changed.
    pub known: Vec<String>,
}

/// The plan. The rows that are there are asked whether they fit.
pub(super) fn plan(client: &mut Client, mut sides: Sides<'_>) -> Result<Plan> {
    let mut plan = Plan::default();
    // What tables are called now, by what they will be called.
    let mut old_names: BTreeMap<String, String> = BTreeMap::new();
    for entity in sides.entities {
        let Some(was) = &entity.was else { continue };
        if sides.found.contains_key(was) && !sides.found.contains_key(&entity.name) {
            let sql = format!("ALTER TABLE {} RENAME TO {}", table(was), quoted(&entity.name));
            plan.step(Turn::RenameTable, &entity.name, format!("rename {was} to {}", entity.name), sql);
            renamed::table(&mut sides.found, was, &entity.name);
            old_names.insert(entity.name.clone(), was.clone());
        }
    }
    for name in &sides.known {
        let is_declared = sides.entities.iter().any(|entity| entity.name == *name);
        if !is_declared && sides.found.contains_key(name) {
            let why = "its declaration is gone, and with the table all its rows would be lost";
            plan.refuse(name, "drop the table", why, format!("DROP TABLE {}", table(name)));
        }
    }
    for entity in sides.entities {
        let Some(wanted) = sides.wanted.get(&entity.name) else { continue };
        if !sides.found.contains_key(&entity.name) {
            let sql = create(entity, sides.entities, SCHEMA).join(";\n");
            plan.step(Turn::Create, &entity.name, "create the table", sql);
            for reference in references(entity) {
                let sql = format!(
                    "ALTER TABLE {} ADD CONSTRAINT {} {}",
                    table(&entity.name),
                    reference.constraint,
                    reference.definition
                );
                plan.step(
                    Turn::Reference,
                    &entity.name,
                    format!("let {} refer to {}", reference.column, reference.target),
                    sql,
                );
            }
            continue;
        }
        let old_columns = rename_columns(&mut plan, entity, wanted, &mut sides.found);
        let found = &sides.found[&entity.name];
        let old = old_names.get(&entity.name).unwrap_or(&entity.name);
        let rows = Rows { table: table(old), columns: old_columns, found, wanted };
        let target = |name: &str| -> Option<String> {
            let Some(entity) = name.strip_prefix("app.") else { return Some(name.to_owned()) };
            sides.found.contains_key(entity).then(|| table(old_names.get(entity).map_or(entity, String::as_str)))
        };
        let mut differ = Differ { plan: &mut plan, client, name: &entity.name, rows, is_empty: false };
        differ.is_empty = differ.rows.are_none(differ.client)?;
        differ.table();
        differ.columns()?;
        pieces::compare(&mut differ, &target)?;
    }
    plan.sort();
    Ok(plan)
}

/// Columns that get another name; answers what they are called now.
fn rename_columns(plan: &mut Plan, entity: &Entity, wanted: &Table, found: &mut Tables) -> BTreeMap<String, String> {
    let mut old_columns = BTreeMap::new();
    for field in &entity.fields {
        let Some(was) = &field.was else { continue };
        let columns = &found[&entity.name].columns;
        if columns.contains_key(was) && !columns.contains_key(&field.name) && !wanted.columns.contains_key(was) {
            let (old, new) = (quoted(was), quoted(&field.name));
            let sql = format!("ALTER TABLE {} RENAME COLUMN {old} TO {new}", table(&entity.name));
            plan.step(Turn::RenameColumn, &entity.name, format!("rename {was} to {}", field.name), sql);
            renamed::column(found, &entity.name, was, &field.name);
            old_columns.insert(field.name.clone(), was.clone());
        }
    }
    old_columns
}

/// Compares one table.
pub(super) struct Differ<'a> {
    pub plan: &'a mut Plan,
    pub client: &'a mut Client,
    pub name: &'a str,
    pub rows: Rows<'a>,
    pub is_empty: bool,
}

impl Differ<'_> {
    /// Whether a change that looks at all rows, or writes them, keeps others waiting too long.
    pub fn is_large(&self) -> bool {
        self.rows.found.size > SMALL_BYTES_MAX
    }

    /// An `ALTER TABLE`.
    pub fn alter(&mut self, turn: Turn, what: impl Into<String>, change: &str) {
        let sql = format!("ALTER TABLE {} {change}", table(self.name));
        self.plan.step(turn, self.name, what, sql);
    }

    pub fn alter_later(&mut self, turn: Turn, what: impl Into<String>, change: &str) {
        let sql = format!("ALTER TABLE {} {change}", table(self.name));
        self.plan.later(turn, self.name, what, sql);
    }

    pub fn refuse(&mut self, what: impl Into<String>, why: impl Into<String>, sql: impl Into<String>) {
        self.plan.refuse(self.name, what, why, sql);
    }

    fn table(&mut self) {
        let (found, wanted, table) = (self.rows.found, self.rows.wanted, table(self.name));
        if found.comment != wanted.comment {
            let text = wanted.comment.as_deref().map_or("NULL".to_owned(), literal);
            self.plan.step(Turn::Comment, self.name, "describe it", format!("COMMENT ON TABLE {table} IS {text}"));
        }
        match (found.is_guarded, wanted.is_guarded) {
            (false, true) => {
                self.alter(Turn::Policy, "guard its rows", "ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY");
                let sql = format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO authenticated_users");
                self.plan.step(Turn::Policy, self.name, "let callers try", sql);
            }
            (true, false) => {
                let policies = found.pieces.keys().filter(|(kind, _)| *kind == Kind::Policy);
                let drops: String = policies.map(|(_, name)| format!("DROP POLICY {name} ON {table};\n")).collect();
                let sql = format!(
                    "{drops}ALTER TABLE {table} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;\n\
                     REVOKE ALL ON {table} FROM authenticated_users"
                );
                self.refuse("stop guarding its rows", "everybody would see the rows of all businesses", sql);
            }
            _ => {}
        }
    }

    fn columns(&mut self) -> Result<()> {
        let (found, wanted) = (self.rows.found, self.rows.wanted);
        for name in found.columns.keys().filter(|name| !wanted.columns.contains_key(*name)) {
            let why = format!("what is in it would be lost; if it has another name now, say \"was\": \"{name}\" there");
            let sql =
                format!("{}ALTER TABLE {} DROP COLUMN {}", self.triggers_of(name), table(self.name), quoted(name));
            self.refuse(format!("drop the column {name}"), why, sql);
        }
        for (name, column) in &wanted.columns {
            match found.columns.get(name) {
                None => self.add_column(name, column),
                Some(known) => self.change_column(name, known, column)?,
            }
        }
        Ok(())
    }

    /// The triggers that stand on a column, which must go before it.
    fn triggers_of(&self, column: &str) -> String {
        let is_on = |text: &str| {
            let head = text.split(" ON app.").next().unwrap_or_default();
            head.split_once(" UPDATE OF ")
                .is_some_and(|(_, list)| list.split(", ").any(|it| it.trim_matches('"') == column))
        };
        let pieces = self.rows.found.pieces.iter();
        let on = pieces.filter(|((kind, _), piece)| *kind == Kind::Trigger && is_on(&piece.text));
        on.map(|((_, name), _)| format!("DROP TRIGGER {name} ON {};\n", table(self.name))).collect()
    }

    fn add_column(&mut self, name: &str, column: &Column) {
        let quoted = quoted(name);
        let default = column.default.as_ref().map_or(String::new(), |default| format!(" DEFAULT {default}"));
        let never_null = if column.is_never_null { " NOT NULL" } else { "" };
        let change = format!("ADD COLUMN {quoted} {}{never_null}{default}", column.kind);
        let what = format!("add the column {name}");
        if column.is_never_null && column.default.is_none() && !self.is_empty {
            let why = "it is required, and the rows that are there have no value for it: give it a default, or fill it in by hand";
            let table = table(self.name);
            let sql = format!(
                "ALTER TABLE {table} ADD COLUMN {quoted} {};\nUPDATE {table} SET {quoted} = …;\n\
                 ALTER TABLE {table} ALTER COLUMN {quoted} SET NOT NULL",
                column.kind
            );
            return self.refuse(what, why, sql);
        }
        self.alter(Turn::Column, what, &change);
        self.describe(name, None, column);
    }

    /// Who reads a column, and what it is for.
    fn describe(&mut self, name: &str, known: Option<&Column>, column: &Column) {
        let (table, quoted) = (table(self.name), quoted(name));
        if known.is_none_or(|known| known.is_readable != column.is_readable) {
            let sql = match column.is_readable {
                true => format!("GRANT SELECT ({quoted}) ON {table} TO mainstay_readonly"),
                false => format!("REVOKE SELECT ({quoted}) ON {table} FROM mainstay_readonly"),
            };
            if known.is_some() || column.is_readable {
                self.plan.step(Turn::Comment, self.name, format!("say who reads {name}"), sql);
            }
        }
        if known.and_then(|known| known.comment.as_ref()) != column.comment.as_ref() {
            let text = column.comment.as_deref().map_or("NULL".to_owned(), literal);
            let sql = format!("COMMENT ON COLUMN {table}.{quoted} IS {text}");
            self.plan.step(Turn::Comment, self.name, format!("describe {name}"), sql);
        }
    }

    fn change_column(&mut self, name: &str, known: &Column, column: &Column) -> Result<()> {
        let quoted = quoted(name);
        if known.kind != column.kind && !self.change_type(name, known, column) {
            return Ok(());
        }
        if known.default != column.default {
            let change = match &column.default {
                Some(default) => format!("ALTER COLUMN {quoted} SET DEFAULT {default}"),
                None => format!("ALTER COLUMN {quoted} DROP DEFAULT"),
            };
            self.alter(Turn::Column, format!("change the default of {name}"), &change);
        }
        match (known.is_never_null, column.is_never_null) {
            (true, false) => {
                self.alter(
                    Turn::Column,
                    format!("let {name} be null"),
                    &format!("ALTER COLUMN {quoted} DROP NOT NULL"),
                );
            }
            (false, true) => self.demand(name)?,
            _ => {}
        }
        self.describe(name, Some(known), column);
        Ok(())
    }

    /// Whether the type can be changed, and so will be.
    fn change_type(&mut self, name: &str, known: &Column, column: &Column) -> bool {
        let (from, to) = (&known.kind, &column.kind);
        let quoted = quoted(name);
        let what = format!("change {name} from {from} to {to}");
        let change = format!("ALTER COLUMN {quoted} TYPE {to}");
        let sql = format!("ALTER TABLE {} {change} USING {quoted}::{to}", table(self.name));
        match widening(from, to) {
            Widening::Refused if !self.is_empty => {
                self.refuse(what, "values might not fit, or mean something else", sql);
                return false;
            }
            Widening::Rewrites if self.is_large() => {
                let size = self.rows.found.size >> 20;
                let why = format!("{size} MiB would be written anew while everybody waits");
                self.refuse(what, why, sql);
                return false;
            }
            // There is no value that could be lost; a default may be of the old type.
            Widening::Refused => {
                let table = table(self.name);
                // Rows may have come since we looked: then this fails, and they stay as they are.
                let sql = format!(
                    "LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE;\nDO $$ BEGIN IF EXISTS (SELECT FROM {table}) THEN \
                     RAISE 'there are rows by now'; END IF; END $$;\n\
                     ALTER TABLE {table} ALTER COLUMN {quoted} DROP DEFAULT, {change} USING NULL"
                );
                self.plan.step(Turn::Column, self.name, what, sql);
                if let Some(default) = column.default.as_ref().filter(|_| known.default == column.default) {
                    let change = format!("ALTER COLUMN {quoted} SET DEFAULT {default}");
                    self.alter(Turn::Column, format!("give {name} its default again"), &change);
                }
            }
            _ => self.alter(Turn::Column, what, &change),
        }
        true
    }

    /// Makes a column one that is never null.
    fn demand(&mut self, name: &str) -> Result<()> {
        let (table, quoted) = (table(self.name), quoted(name));
        let what = format!("demand a value of {name}");
        if !self.is_empty && self.rows.have_null(self.client, name)? {
            let sql = format!(
                "UPDATE {table} SET {quoted} = … WHERE {quoted} IS NULL;\nALTER TABLE {table} ALTER COLUMN {quoted} SET NOT NULL"
            );
            self.refuse(what, "there are rows without one", sql);
            return Ok(());
        }
        let set = format!("ALTER COLUMN {quoted} SET NOT NULL");
        if !self.is_large() {
            self.alter(Turn::Column, what, &set);
            return Ok(());
        }
        // A check that has been made spares PostgreSQL the look at every row while nobody else may have one.
        let rule = super::text::name(&[self.name, name, "is_set"]);
        let add = format!("ADD CONSTRAINT {rule} CHECK ({quoted} IS NOT NULL) NOT VALID");
        self.alter_later(Turn::Column, format!("{what}: of new rows"), &add);
        self.alter_later(Turn::Column, format!("{what}: look at all"), &format!("VALIDATE CONSTRAINT {rule}"));
        self.alter_later(Turn::Column, what.clone(), &set);
        self.alter_later(Turn::Column, format!("{what}: done"), &format!("DROP CONSTRAINT {rule}"));
        Ok(())
    }
}
