//! An entity as a resource: what serves our own tables serves it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::declaration::{Column, Entity, Target, Type};
use super::kept;
use super::statements;
use super::table::rules;
use super::text::{SCHEMA, extra_columns};
use crate::fields::{self, Field, Kind, timestamp, uuid};
use crate::http::Permission;
use crate::resource::{Expansion, Resource, with_common};
use crate::secret::Keys;

/// Items of a list.
const ITEMS_MAX: usize = 1000;

/// What a permission for an entity is called. A name of its own: a key for the users of mainstay is none for the entity `users`.
pub(super) fn permissions(entity: &Entity) -> (Permission, Permission) {
    let name = |verb: &str| kept::text(&format!("{verb}:entities-{}", entity.name));
    (Permission::new(name("read"), entity.read), Permission::new(name("write"), entity.write))
}

/// The resource of an entity.
pub(super) fn resource(entity: &Entity, all: &[Entity], keys: Option<&Arc<Keys>>) -> Resource {
    let (read, write) = permissions(entity);
    let filters = entity.fields.iter().filter(|field| field.is_filter || field.is_unique || is_reference(field));
    let mut filters: Vec<&str> = filters.map(|field| field.name.as_str()).collect();
    filters.extend(entity.models.business_scoped.then_some("business_id"));
    let sorts = entity.fields.iter().filter(|field| field.is_sort).map(|field| field.name.as_str());
    let searched = entity.fields.iter().filter(|field| field.is_searched).map(|field| field.name.as_str());
    let filters_and_searched = filters.into_iter().chain(searched.clone().filter(|name| {
        // What is searched can be filtered, whether or not that was said, too.
        entity.field(name).is_some_and(|field| !field.is_filter && !field.is_unique)
    }));
    Resource {
        fields: fields(entity),
        filters: kept::names(filters_and_searched),
        sorts: kept::names(sorts),
        searched: kept::names(searched),
        insert: Some(statements::insert(entity)),
        update: Some(statements::update(entity)),
        delete: Some(statements::delete(entity)),
        is_guarded: entity.models.business_scoped,
        own: entity.models.business_scoped.then_some(OWN),
        needs_match: entity.models.versioned,
        rules: kept::rules(rules(entity)),
        prepare: super::sealed::prepare(entity, keys),
        expansions: expansions(entity, all),
        type_name: Some(kept::text(&type_name(&entity.singular))),
        ..Resource::new(
            kept::text(&format!("{SCHEMA}.{}", entity.name)),
            kept::text(&format!("entities/{}", entity.name)),
            kept::text(&entity.singular),
            statements::select(entity),
            read,
            write,
        )
    }
}

/// The rows of the businesses that a user is in.
const OWN: &str = "t.business_id = ANY (ARRAY(SELECT identity.current_team_ids()))";

/// The rows that are deleted, to be read alone.
pub(super) fn deleted(entity: &Entity) -> Resource {
    let (read, write) = permissions(entity);
    let gone = [
        timestamp("deleted_at").read_only().never_null().help("When it was deleted."),
        uuid("deleted_by").read_only().help("Who deleted it."),
    ];
    let own = fields(entity).into_iter().filter(Field::is_shown);
    Resource {
        fields: own.map(Field::read_only).chain(gone).collect(),
        filters: kept::names(["deleted_at", "deleted_by"]),
        sorts: kept::names(["deleted_at"]),
        is_guarded: entity.models.business_scoped,
        own: entity.models.business_scoped.then_some(OWN),
        type_name: Some(kept::text(&format!("Deleted{}", type_name(&entity.singular)))),
        ..Resource::new(
            kept::text(&format!("{SCHEMA}.{}", entity.name)),
            kept::text(&format!("entities/{}/deleted", entity.name)),
            kept::text(&format!("deleted {}", entity.singular)),
            statements::select_deleted(entity),
            read,
            write,
        )
    }
}

/// `OrderItemEntity`: whatever mainstay's own types are called, now or later, none is called so.
pub(super) fn type_name(singular: &str) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    };
    let plain: String = singular.chars().map(|it| if it.is_ascii_alphanumeric() { it } else { ' ' }).collect();
    plain.split(' ').map(word).collect::<String>() + "Entity"
}

fn is_reference(field: &Column) -> bool {
    matches!(field.kind, Type::Reference { .. })
}

/// The fields that clients see and send.
pub(super) fn fields(entity: &Entity) -> Vec<Field> {
    let mut all: Vec<Field> = entity.fields.iter().map(field).collect();
    for name in extra_columns(entity) {
        all.extend(match name {
            "business_id" => Some(uuid(name).required().fixed().help("The business that it belongs to: a team.")),
            "created_by" => Some(uuid(name).read_only().help("Who made it.")),
            "updated_by" => Some(uuid(name).read_only().help("Who changed it last.")),
            _ => None,
        });
    }
    all
}

fn field(column: &Column) -> Field {
    let kind = kind(column);
    let mut field = fields::json(column.name.clone()).help(column.description.clone());
    field.kind = match column.is_array {
        true => Kind::List { item: Box::new(kind), min: 0, max: ITEMS_MAX, is_set: false },
        false => kind,
    };
    if column.is_required {
        // What is required may still be the empty text, unless min says otherwise.
        field.is_required = true;
        field.is_nullable = false;
    }
    match &column.default {
        Some(_) if column.defaults_to_now() => field.is_nullable = false,
        Some(default) => field = field.default(default.clone()),
        None => {}
    }
    if column.is_secret { field.write_only() } else { field }
}

fn kind(column: &Column) -> Kind {
    match &column.kind {
        Type::Text { min, max, pattern } => Kind::Text { min: *min, max: *max, form: None, pattern: pattern.clone() },
        Type::Integer { min, max } | Type::Bigint { min, max } => Kind::Integer { min: *min, max: *max },
        Type::Decimal { precision, scale, min, max } => {
            Kind::Decimal { precision: *precision, scale: *scale, min: *min, max: *max }
        }
        Type::Boolean => Kind::Boolean,
        Type::Date => Kind::Date,
        Type::Timestamp => Kind::Timestamp,
        Type::Uuid | Type::Reference { .. } => Kind::Uuid,
        Type::Json { is_any: true } => Kind::Json,
        Type::Json { is_any: false } => Kind::Object,
        Type::Enum(words) => Kind::Choice(words.iter().cloned().map(Into::into).collect()),
    }
}

fn expansions(entity: &Entity, all: &[Entity]) -> Vec<Expansion> {
    let follow = |field: &Column| {
        let Type::Reference { to: Target::Entity(target), .. } = &field.kind else { return None };
        let other = all.iter().find(|other| other.name == *target)?;
        Some(Expansion {
            name: kept::text(field.name.trim_end_matches("_id")),
            column: kept::text(&field.name),
            select: statements::select(other),
            fields: with_common(fields(other)),
            read: permissions(other).0,
        })
    };
    entity.fields.iter().filter_map(follow).collect()
}

/// The definition of an entity, as the API shows it.
pub(super) fn definition(entity: &Entity) -> Value {
    let models = entity.models;
    let names = [
        ("base", models.base),
        ("auditable", models.auditable),
        ("soft_deletable", models.soft_deletable),
        ("business_scoped", models.business_scoped),
        ("versioned", models.versioned),
    ];
    let models: Vec<&str> = names.into_iter().filter(|(_, applies)| *applies).map(|(name, _)| name).collect();
    let (read, write) = permissions(entity);
    json!({
        "name": entity.name,
        "singular": entity.singular,
        "description": entity.description,
        "path": format!("/api/entities/{}", entity.name),
        "type": type_name(&entity.singular),
        "models": models,
        "read": read.name,
        "write": write.name,
        "declaration": entity.source,
    })
}
