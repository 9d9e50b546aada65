//! What a declaration says, once it has been read and found right.

use serde_json::Value;

use crate::fields::Pattern;
use crate::http::Role;

/// An entity: a table of its own, and everything that serves it.
#[derive(Debug, Clone)]
pub struct Entity {
    /// The table, the collection in paths, and the file: `customers`.
    pub name: String,
    /// One of them, in words: `customer`.
    pub singular: String,
    pub description: String,
    /// What it was called before.
    pub was: Option<String>,
    pub models: Models,
    /// How long deleted rows can be restored.
    pub retention_days: u32,
    pub fields: Vec<Column>,
    /// Fields that together are unique.
    pub uniques: Vec<Vec<String>>,
    pub indexes: Vec<Index>,
    pub checks: Vec<Check>,
    /// Who may read, and who may write.
    pub read: Role,
    pub write: Role,
    /// The file, for messages.
    pub file: String,
    /// The declaration as it was written.
    pub source: Value,
}

/// The base models that an entity is made of. Every row has an id, a version, and the times of its making and last change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Models {
    /// Deleted rows are kept, and hidden.
    pub base: bool,
    /// Rows say who made and who changed them; every change is in the audit.
    pub auditable: bool,
    /// Deleted rows are shown on their own, can be restored, and are purged after a time.
    pub soft_deletable: bool,
    /// Rows belong to a business, which is a team; only its members see them.
    pub business_scoped: bool,
    /// Changes must say which version they change.
    pub versioned: bool,
}

impl Models {
    /// Whether deleted rows are kept.
    pub fn keeps_deleted(self) -> bool {
        self.base || self.soft_deletable
    }
}

/// A field of an entity.
#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    pub was: Option<String>,
    pub kind: Type,
    pub is_array: bool,
    pub is_required: bool,
    pub default: Option<Value>,
    pub is_unique: bool,
    pub is_indexed: bool,
    pub is_filter: bool,
    pub is_sort: bool,
    /// `__contains` is served by an index.
    pub is_searched: bool,
    /// It is encrypted, and never shown.
    pub is_secret: bool,
    pub description: String,
}

impl Column {
    /// Whether there always is a value.
    pub fn is_never_null(&self) -> bool {
        self.is_required || self.default.is_some()
    }

    /// Whether the default is the time of writing, which no declaration can name.
    pub fn defaults_to_now(&self) -> bool {
        matches!(self.kind, Type::Date | Type::Timestamp) && self.default == Some(Value::from(NOW))
    }
}

/// The default that is a time.
pub const NOW: &str = "now";

/// What a field is.
#[derive(Debug, Clone)]
pub enum Type {
    Text {
        min: usize,
        max: usize,
        pattern: Option<Pattern>,
    },
    Integer {
        min: i64,
        max: i64,
    },
    Bigint {
        min: i64,
        max: i64,
    },
    Decimal {
        precision: u8,
        scale: u8,
        min: f64,
        max: f64,
    },
    Boolean,
    Date,
    Timestamp,
    Uuid,
    /// An object, or anything.
    Json {
        is_any: bool,
    },
    Enum(Vec<String>),
    Reference {
        to: Target,
        on_delete: OnDelete,
    },
}

/// What a reference refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Another entity, by its name.
    Entity(String),
    /// A table of mainstay's own.
    Table(&'static str),
}

impl Target {
    /// Tables of mainstay's own that may be referred to.
    pub const TABLES: [&'static str; 2] = ["identity.users", "identity.teams"];
}

/// What becomes of rows whose row they refer to is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDelete {
    /// They keep it from being deleted.
    Restrict,
    /// They are deleted, too.
    Cascade,
    /// They refer to nothing.
    SetNull,
}

impl OnDelete {
    pub const NAMES: [&'static str; 3] = ["restrict", "cascade", "set_null"];

    pub fn parse(name: &str) -> Option<OnDelete> {
        let all = [OnDelete::Restrict, OnDelete::Cascade, OnDelete::SetNull];
        OnDelete::NAMES.iter().position(|known| *known == name).map(|index| all[index])
    }

    pub fn sql(self) -> &'static str {
        match self {
            OnDelete::Restrict => "RESTRICT",
            OnDelete::Cascade => "CASCADE",
            OnDelete::SetNull => "SET NULL",
        }
    }
}

/// An index, of all rows or of some.
#[derive(Debug, Clone)]
pub struct Index {
    pub fields: Vec<String>,
    pub conditions: Vec<(String, Condition)>,
}

/// Which rows an index has.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    IsNull,
    IsNotNull,
    Equals(Value),
}

/// A comparison that every row must stand.
#[derive(Debug, Clone)]
pub struct Check {
    pub name: String,
    pub field: String,
    pub operator: &'static str,
    pub than: Operand,
    pub message: String,
}

/// What a field is compared with.
#[derive(Debug, Clone)]
pub enum Operand {
    Field(String),
    Value(Value),
}

impl Check {
    pub const OPERATORS: [&'static str; 6] = ["<", "<=", ">", ">=", "=", "<>"];
}

impl Entity {
    pub fn field(&self, name: &str) -> Option<&Column> {
        self.fields.iter().find(|field| field.name == name)
    }
}
