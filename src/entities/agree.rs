//! What must hold between the parts of a declaration, and between declarations.

use std::collections::{BTreeMap, HashSet};

use super::column::value_of;
use super::declaration::{Check, Column, Condition, Entity, Index, Operand, Target, Type};
use super::faults::Fault;
use super::lines::Lines;

/// Names of columns that every table or some have.
const RESERVED: [&str; 9] = [
    "id",
    "version",
    "created_at",
    "updated_at",
    "created_by",
    "updated_by",
    "deleted_at",
    "deleted_by",
    "business_id",
];
/// Words of the query string, which no filter can have.
const WORDS: [&str; 7] = ["limit", "cursor", "page", "total", "sort", "fields", "expand"];

/// An entity and where its parts stand.
pub(super) struct Declared {
    pub entity: Entity,
    pub lines: Lines,
}

/// Everything that is wrong between them.
pub(super) fn faults(all: &[Declared]) -> Vec<Fault> {
    let names: BTreeMap<&str, &Entity> = all.iter().map(|it| (it.entity.name.as_str(), &it.entity)).collect();
    let mut found = Vec::new();
    for declared in all {
        let mut looker = Looker { declared, names: &names, faults: &mut found };
        looker.entity();
    }
    found
}

struct Looker<'a> {
    declared: &'a Declared,
    names: &'a BTreeMap<&'a str, &'a Entity>,
    faults: &'a mut Vec<Fault>,
}

impl Looker<'_> {
    fn fault(&mut self, path: &str, field: &str, message: impl Into<String>) {
        let file = self.declared.entity.file.clone();
        let line = self.declared.lines.find(path);
        self.faults.push(Fault { file, line, field: field.to_owned(), message: message.into() });
    }

    fn entity(&mut self) {
        let entity = &self.declared.entity;
        if let Some(was) = entity.was.as_deref().filter(|was| self.names.contains_key(was)) {
            self.fault("was", "was", format!("names {was}, which is still declared"));
        }
        let mut known = HashSet::new();
        for (index, field) in entity.fields.iter().enumerate() {
            let is_new = known.insert(field.name.as_str());
            self.field(&format!("fields[{index}]"), field, is_new);
        }
        for (index, names) in entity.uniques.iter().enumerate() {
            self.plain_fields(&format!("unique[{index}]"), names);
        }
        for (number, index) in entity.indexes.iter().enumerate() {
            self.index(&format!("indexes[{number}]"), index);
        }
        let mut known = HashSet::new();
        for (number, check) in entity.checks.iter().enumerate() {
            let path = format!("checks[{number}]");
            if !known.insert(check.name.as_str()) {
                self.fault(&path, &path, format!("has the name {}, as another has", check.name));
            }
            self.check(&path, check);
        }
    }

    fn field(&mut self, path: &str, field: &Column, is_new: bool) {
        let entity = &self.declared.entity;
        let name = field.name.as_str();
        if !is_new {
            self.fault(path, name, "is there twice");
        }
        if RESERVED.contains(&name) {
            self.fault(path, name, "is a name that mainstay uses itself");
        }
        if WORDS.contains(&name) && (field.is_filter || field.is_unique || field.is_searched) {
            self.fault(path, name, "is a word of every query string, and so can be no filter");
        }
        if let Some(was) = field.was.as_deref().filter(|was| entity.field(was).is_some() || RESERVED.contains(was)) {
            self.fault(&format!("{path}.was"), &format!("{name}.was"), format!("names {was}, which is still there"));
        }
        let Type::Reference { to, .. } = &field.kind else { return };
        let expanded = name.trim_end_matches("_id");
        if entity.field(expanded).is_some() || RESERVED.contains(&expanded) || expanded.is_empty() {
            self.fault(path, name, format!("would be expanded as {expanded}, which is another field"));
        }
        let Target::Entity(target) = to else { return };
        let place = format!("{path}.to");
        match self.names.get(target.as_str()) {
            None => {
                let known: Vec<&str> = self.names.keys().copied().chain(Target::TABLES).collect();
                let message = format!("names {target}, which is not declared; there are {}", known.join(", "));
                self.fault(&place, &format!("{name}.to"), message);
            }
            Some(other) if other.models.business_scoped && !entity.models.business_scoped => {
                let message =
                    format!("names {target}, whose rows belong to businesses, as those of {} do not", entity.name);
                self.fault(&place, &format!("{name}.to"), message);
            }
            Some(_) => {}
        }
    }

    /// Fields that an index or a constraint may have.
    fn plain_fields(&mut self, path: &str, names: &[String]) {
        for name in names {
            let is_plain =
                |field: &Column| !field.is_array && !field.is_secret && !matches!(field.kind, Type::Json { .. });
            match self.declared.entity.field(name) {
                Some(field) if is_plain(field) => {}
                Some(_) => self.fault(path, path, format!("names {name}, which is json, a list or a secret")),
                None => self.fault(path, path, format!("names {name}, which is no field")),
            }
        }
    }

    fn index(&mut self, path: &str, index: &Index) {
        self.plain_fields(&format!("{path}.fields"), &index.fields);
        for (name, condition) in &index.conditions {
            let place = format!("{path}.where.{name}");
            self.plain_fields(&place, std::slice::from_ref(name));
            if let (Condition::Equals(value), Some(field)) = (condition, self.declared.entity.field(name))
                && value_of(&field.kind, value).is_err()
            {
                self.fault(&place, &place, "is no value of this field");
            }
        }
    }

    fn check(&mut self, path: &str, check: &Check) {
        self.plain_fields(path, std::slice::from_ref(&check.field));
        let Some(field) = self.declared.entity.field(&check.field) else { return };
        match &check.than {
            Operand::Value(value) => {
                if value_of(&field.kind, value).is_err() {
                    self.fault(
                        &format!("{path}.value"),
                        &format!("{path}.value"),
                        format!("is no value of {}", field.name),
                    );
                }
            }
            Operand::Field(other) => {
                self.plain_fields(path, std::slice::from_ref(other));
                let Some(other) = self.declared.entity.field(other) else { return };
                if group(&field.kind) != group(&other.kind) {
                    let message = format!("compares {} with {}, which is of another type", field.name, other.name);
                    self.fault(path, path, message);
                }
            }
        }
    }
}

/// Types whose values can be compared.
fn group(kind: &Type) -> u8 {
    match kind {
        Type::Text { .. } | Type::Enum(_) => 0,
        Type::Integer { .. } | Type::Bigint { .. } | Type::Decimal { .. } => 1,
        Type::Boolean => 2,
        Type::Date => 3,
        Type::Timestamp => 4,
        Type::Uuid | Type::Reference { .. } => 5,
        Type::Json { .. } => 6,
    }
}
