//! The table of an entity, as DDL. What the planner compares is what PostgreSQL itself makes of it.

use std::fmt::Write;

use super::declaration::{Column, Condition, Entity, Index, OnDelete, Operand, Target, Type};
use super::statements::column_check;
use super::text::{SCHEMA, extra_columns, literal, name, quoted, table, type_of, value};
use crate::resource::Rule;

/// A reference, as a constraint; made when all tables are there.
pub(super) struct Reference {
    pub constraint: String,
    pub column: String,
    /// The table that it refers to, with its schema.
    pub target: String,
    pub definition: String,
}

/// The statements that make the table in a schema, without its references.
pub(super) fn create(entity: &Entity, all: &[Entity], schema: &str) -> Vec<String> {
    let table = format!("{schema}.{}", quoted(&entity.name));
    let mut lines = vec!["id uuid PRIMARY KEY DEFAULT ops.uuid_v7()".to_owned()];
    lines.extend(entity.fields.iter().map(column));
    lines.extend(extra_columns(entity).into_iter().map(|name| extra(name).to_owned()));
    lines.extend(checks(entity).into_iter().map(|(name, check)| format!("CONSTRAINT {name} CHECK ({check})")));
    let mut made = vec![format!("CREATE TABLE {table} (\n    {}\n)", lines.join(",\n    "))];
    made.push(format!("COMMENT ON TABLE {table} IS {}", literal(&entity.description)));
    for field in entity.fields.iter().filter(|field| !field.description.is_empty()) {
        let column = quoted(&field.name);
        made.push(format!("COMMENT ON COLUMN {table}.{column} IS {}", literal(&field.description)));
    }
    made.extend(indexes(entity).into_iter().map(|(name, unique, on)| {
        let unique = if unique { "UNIQUE " } else { "" };
        format!("CREATE {unique}INDEX {name} ON {table} {on}")
    }));
    made.extend(triggers(entity, all, &table));
    if entity.models.business_scoped {
        made.extend(policies(&table));
    }
    made.push(format!("GRANT SELECT ({}) ON {table} TO mainstay_readonly", readable(entity).join(", ")));
    made
}

/// The columns that may be read by those who only read: all that is no secret.
fn readable(entity: &Entity) -> Vec<String> {
    let own = entity.fields.iter().filter(|field| !field.is_secret).map(|field| field.name.as_str());
    ["id"].into_iter().chain(own).chain(extra_columns(entity)).map(quoted).collect()
}

fn column(field: &Column) -> String {
    let mut line = format!("{} {}", quoted(&field.name), type_of(field));
    if field.is_never_null() {
        line.push_str(" NOT NULL");
    }
    if let Some(default) = &field.default {
        let _ = write!(line, " DEFAULT {}", value(field, default));
    }
    line
}

fn extra(name: &str) -> &'static str {
    match name {
        "business_id" => "business_id uuid NOT NULL",
        "created_by" => "created_by uuid",
        "updated_by" => "updated_by uuid",
        "deleted_at" => "deleted_at timestamptz",
        "deleted_by" => "deleted_by uuid",
        "version" => "version integer NOT NULL DEFAULT 1",
        "created_at" => "created_at timestamptz NOT NULL DEFAULT now()",
        _ => "updated_at timestamptz NOT NULL DEFAULT now()",
    }
}

/// The name of each check, and what must be true.
fn checks(entity: &Entity) -> Vec<(String, String)> {
    let mut checks = Vec::new();
    for field in &entity.fields {
        if let Some((what, check)) = column_check(field) {
            checks.push((name(&[&entity.name, &field.name, what]), check));
        }
        if let Type::Text { pattern: Some(pattern), .. } = &field.kind
            && !field.is_array
            && !field.is_secret
        {
            let check = format!("{} ~ {}", quoted(&field.name), literal(pattern.text()));
            checks.push((name(&[&entity.name, &field.name, "has_its_form"]), check));
        }
        if field.is_array {
            let check = format!("array_position({}, NULL) IS NULL", quoted(&field.name));
            checks.push((name(&[&entity.name, &field.name, "has_no_null"]), check));
        }
    }
    for check in &entity.checks {
        let left = quoted(&check.field);
        let right = match (&check.than, entity.field(&check.field)) {
            (Operand::Value(given), Some(field)) => value(field, given),
            (Operand::Field(other), _) => quoted(other),
            _ => continue,
        };
        checks.push((name(&[&entity.name, "check", &check.name]), format!("{left} {} {right}", check.operator)));
    }
    checks
}

/// The name of each index, whether it is unique, and what it is on.
fn indexes(entity: &Entity) -> Vec<(String, bool, String)> {
    let living = if entity.models.keeps_deleted() { "deleted_at IS NULL" } else { "" };
    let only = |condition: &str| if condition.is_empty() { String::new() } else { format!(" WHERE {condition}") };
    let business = if entity.models.business_scoped { "business_id, " } else { "" };
    let mut indexes = Vec::new();
    let mut unique = |fields: &[String]| {
        let columns: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
        let on = format!("({business}{}){}", columns.join(", "), only(living));
        indexes.push((unique_name(entity, fields), true, on));
    };
    entity.fields.iter().filter(|field| field.is_unique).for_each(|field| unique(std::slice::from_ref(&field.name)));
    entity.uniques.iter().for_each(|fields| unique(fields));
    for field in &entity.fields {
        let column = quoted(&field.name);
        if field.is_searched {
            let on = format!("USING gin (ops.trigrams({column})){}", only(living));
            indexes.push((name(&[&entity.name, &field.name, "trigrams"]), false, on));
        }
        let is_reference = matches!(field.kind, Type::Reference { .. });
        // Values that are there once are in order by themselves; only those that are missing have to be sorted.
        let is_served = field.is_unique && business.is_empty() && (field.is_required || !field.is_sort);
        let is_wanted = field.is_indexed || ((field.is_sort || field.is_filter) && !is_served);
        if !is_wanted && !is_reference {
            continue;
        }
        let on = match &field.kind {
            Type::Json { .. } => format!("USING gin ({column} jsonb_path_ops){}", only(living)),
            _ if field.is_array => format!("USING gin ({column}){}", only(living)),
            // Deleted rows refer, too, until they are purged.
            Type::Reference { .. } => format!("({column}, id)"),
            _ => format!("({column}, id){}", only(living)),
        };
        indexes.push((name(&[&entity.name, &field.name]), false, on));
    }
    indexes.extend(entity.indexes.iter().map(|index| declared(entity, index, living)));
    if entity.models.business_scoped {
        indexes.push((name(&[&entity.name, "business_id"]), false, "(business_id, id)".to_owned()));
    }
    if entity.models.soft_deletable {
        let on = "(deleted_at, id) WHERE deleted_at IS NOT NULL".to_owned();
        indexes.push((name(&[&entity.name, "deleted"]), false, on));
    }
    indexes
}

fn unique_name(entity: &Entity, fields: &[String]) -> String {
    let verb = if fields.len() == 1 { "is_unique" } else { "are_unique" };
    name(&[&entity.name, &fields.join("_and_"), verb])
}

fn declared(entity: &Entity, index: &Index, living: &str) -> (String, bool, String) {
    let mut words = vec![entity.name.clone(), index.fields.join("_"), "index".to_owned()];
    let mut conditions: Vec<String> = Vec::new();
    for (name, condition) in &index.conditions {
        let Some(field) = entity.field(name) else { continue };
        let column = quoted(name);
        let (word, text) = match condition {
            Condition::IsNull => ("null".to_owned(), format!("{column} IS NULL")),
            Condition::IsNotNull => ("set".to_owned(), format!("{column} IS NOT NULL")),
            Condition::Equals(given) => {
                let plain = given.as_str().map_or_else(|| given.to_string(), str::to_lowercase);
                let word: String = plain.chars().filter(char::is_ascii_alphanumeric).collect();
                (word, format!("{column} = {}", value(field, given)))
            }
        };
        words.extend([name.clone(), word]);
        conditions.push(text);
    }
    conditions.extend((!living.is_empty()).then(|| living.to_owned()));
    let only = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    let columns: Vec<String> = index.fields.iter().map(|field| quoted(field)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    (name(&words), false, format!("({}){only}", columns.join(", ")))
}

fn triggers(entity: &Entity, all: &[Entity], table: &str) -> Vec<String> {
    let mut made =
        vec![format!("CREATE TRIGGER touch BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION ops.touch()")];
    if entity.models.auditable {
        let secret: Vec<&str> =
            entity.fields.iter().filter(|field| field.is_secret).map(|it| it.name.as_str()).collect();
        made.push(format!(
            "SELECT telemetry.audit({}, secret => '{{{}}}', noise => '{{updated_by}}')",
            literal(table),
            secret.join(",")
        ));
    }
    if entity.models.keeps_deleted() {
        made.push(format!(
            "CREATE TRIGGER release AFTER UPDATE OF deleted_at ON {table} FOR EACH ROW \
             WHEN (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION entities.release()"
        ));
    }
    for field in &entity.fields {
        let Type::Reference { to: Target::Entity(target), .. } = &field.kind else { continue };
        let Some(other) = all.iter().find(|other| other.name == *target) else { continue };
        let mut conditions = Vec::new();
        conditions.extend(other.models.keeps_deleted().then_some("referred.deleted_at IS NULL"));
        conditions.extend(other.models.business_scoped.then_some("referred.business_id = $2"));
        if conditions.is_empty() {
            continue;
        }
        // A row that comes back must again refer to rows that are there.
        let restored = if entity.models.keeps_deleted() { ", deleted_at" } else { "" };
        made.push(format!(
            "CREATE TRIGGER {} BEFORE INSERT OR UPDATE OF {}{restored} ON {table} FOR EACH ROW \
             EXECUTE FUNCTION entities.check_reference({}, {}, {}, {})",
            name(&["refer", &field.name]),
            quoted(&field.name),
            literal(&field.name),
            literal(&super::text::table(target)),
            literal(&reference_name(entity, field)),
            literal(&conditions.join(" AND ")),
        ));
    }
    made
}

/// A business is a team: its members see its rows, and those of them who do more than look change them.
fn policies(table: &str) -> Vec<String> {
    let sees = "(business_id IN (SELECT identity.current_team_ids()) OR (SELECT identity.current_user_is_admin()))";
    let writes =
        "(business_id IN (SELECT entities.current_business_ids()) OR (SELECT identity.current_user_is_admin()))";
    vec![
        format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"),
        format!("ALTER TABLE {table} FORCE ROW LEVEL SECURITY"),
        format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO authenticated_users"),
        format!("CREATE POLICY service ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)"),
        format!("CREATE POLICY readers_see_all ON {table} FOR SELECT TO mainstay_readonly USING (true)"),
        format!("CREATE POLICY members_see ON {table} FOR SELECT TO authenticated_users USING {sees}"),
        format!("CREATE POLICY members_add ON {table} FOR INSERT TO authenticated_users WITH CHECK {writes}"),
        format!(
            "CREATE POLICY members_change ON {table} FOR UPDATE TO authenticated_users USING {writes} WITH CHECK {writes}"
        ),
        format!("CREATE POLICY members_remove ON {table} FOR DELETE TO authenticated_users USING {writes}"),
    ]
}

fn reference_name(entity: &Entity, field: &Column) -> String {
    name(&[&entity.name, &field.name, "exists"])
}

/// The references of an entity, as `pg_get_constraintdef` writes them.
pub(super) fn references(entity: &Entity) -> Vec<Reference> {
    let make = |constraint: String, column: &str, target: String, on_delete: OnDelete| {
        let action = on_delete.sql();
        let definition = format!("FOREIGN KEY ({}) REFERENCES {target}(id) ON DELETE {action}", quoted(column));
        Reference { constraint, column: column.to_owned(), target, definition }
    };
    let mut references = Vec::new();
    if entity.models.business_scoped {
        let constraint = name(&[&entity.name, "business_id", "exists"]);
        references.push(make(constraint, "business_id", "identity.teams".to_owned(), OnDelete::Restrict));
    }
    for field in &entity.fields {
        if let Type::Reference { to, on_delete } = &field.kind {
            let target = match to {
                Target::Entity(target) => table(target),
                Target::Table(table) => (*table).to_owned(),
            };
            references.push(make(reference_name(entity, field), &field.name, target, *on_delete));
        }
    }
    references
}

/// What the constraints mean to clients.
pub(super) fn rules(entity: &Entity) -> Vec<Rule> {
    let kept = super::kept::text;
    let rule = |constraint: &str, field: &str, message: &str| Rule::new(kept(constraint), kept(field), kept(message));
    let mut rules = Vec::new();
    for field in &entity.fields {
        let named = |what: &str| name(&[&entity.name, &field.name, what]);
        if let Some((what, _)) = column_check(field) {
            rules.push(rule(&named(what), &field.name, "is not what it may be"));
        }
        rules.push(rule(&named("has_its_form"), &field.name, "has not the form that it must have"));
        rules.push(rule(&named("has_no_null"), &field.name, "must not have null in it"));
        if field.is_unique {
            let message = format!("is another {}'s", entity.singular);
            rules.push(rule(&unique_name(entity, std::slice::from_ref(&field.name)), &field.name, &message));
        }
    }
    for fields in &entity.uniques {
        let field = fields.last().map_or("", String::as_str);
        let message =
            format!("is another {}'s, together with {}", entity.singular, fields[..fields.len() - 1].join(" and "));
        rules.push(rule(&unique_name(entity, fields), field, &message));
    }
    for check in &entity.checks {
        rules.push(rule(&name(&[&entity.name, "check", &check.name]), &check.field, &check.message));
    }
    for reference in references(entity) {
        let target = reference.target.trim_start_matches(SCHEMA).trim_start_matches('.').replace('"', "");
        rules.push(rule(&reference.constraint, &reference.column, &format!("is the id of none of {target}")));
    }
    rules
}
