//! The declaration of a field, written as one reads it: `text("name").required().max(255)`.

use std::borrow::Cow;

use serde_json::Value;

use super::form::{Form, Pattern};

/// A text that is part of the program, or came from a file.
type Text = Cow<'static, str>;

/// What a value may be.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A text of so many characters.
    Text {
        min: usize,
        max: usize,
        form: Option<Form>,
        /// What it must look like, where that is not known before the program runs.
        pattern: Option<Pattern>,
    },
    Integer {
        min: i64,
        max: i64,
    },
    /// A number with or without a fraction.
    Number,
    /// A number with so many digits in all, and so many of them behind the point. Not more digits than a JSON number keeps
    /// in every program.
    Decimal {
        precision: u8,
        scale: u8,
        min: f64,
        max: f64,
    },
    Boolean,
    /// A day, `2026-01-31`.
    Date,
    /// A moment, as RFC 3339.
    Timestamp,
    Uuid,
    /// An IP address.
    Inet,
    /// One of these words.
    Choice(Vec<Text>),
    /// Some of these words, each at most once, and at least so many of them.
    Set {
        words: Vec<Text>,
        min: usize,
    },
    /// Texts, so many at least and at most, and perhaps each at most once.
    List {
        item: Box<Kind>,
        min: usize,
        max: usize,
        is_set: bool,
    },
    /// An object with any keys.
    Object,
    /// An object with keys of a form, at most so many, and the same kind of value behind each. Keys that differ in case
    /// only are the same.
    Map {
        key: Form,
        value: Box<Field>,
        max: usize,
    },
    /// An object with these fields.
    Record(Vec<Field>),
    /// Such objects, at most so many.
    Records {
        fields: Vec<Field>,
        max: usize,
    },
    /// Any JSON but null.
    Json,
}

impl Kind {
    /// PostgreSQL's name of the type that a column of this kind has.
    pub fn sql_type(&self) -> &'static str {
        match self {
            Kind::Text { .. } | Kind::Choice(_) => "text",
            Kind::Integer { .. } => "bigint",
            Kind::Number => "double precision",
            Kind::Decimal { .. } => "numeric",
            Kind::Boolean => "boolean",
            Kind::Date => "date",
            Kind::Timestamp => "timestamptz",
            Kind::Uuid => "uuid",
            Kind::Inet => "inet",
            Kind::Set { .. } => "text[]",
            Kind::List { item, .. } => match item.sql_type() {
                "bigint" => "bigint[]",
                "double precision" => "double precision[]",
                "numeric" => "numeric[]",
                "boolean" => "boolean[]",
                "date" => "date[]",
                "timestamptz" => "timestamptz[]",
                "uuid" => "uuid[]",
                "inet" => "inet[]",
                "jsonb" => "jsonb[]",
                _ => "text[]",
            },
            Kind::Object | Kind::Map { .. } | Kind::Record(_) | Kind::Records { .. } | Kind::Json => "jsonb",
        }
    }
}

/// Who may set a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    ReadWrite,
    /// mainstay sets it.
    ReadOnly,
    /// Taken, and never shown: a password.
    WriteOnly,
    /// Everybody who sees the object sees it; administrators set it.
    AdminWrites,
}

/// A field of an object.
#[derive(Debug, Clone)]
pub struct Field {
    pub name: Text,
    pub kind: Kind,
    pub help: Text,
    pub access: Access,
    pub is_required: bool,
    /// Whether it is set when the object is made, and never again.
    pub is_fixed: bool,
    pub is_nullable: bool,
    pub default: Option<Value>,
    pub unit: Option<&'static str>,
    /// Whether replies may leave it out.
    pub is_sometimes: bool,
    /// Whether replies may show null instead of it.
    pub is_veiled: bool,
    /// Whether lists show it only where it is asked for.
    pub is_long: bool,
    /// The field without which it makes no sense, and the other way round.
    pub partner: Option<&'static str>,
}

fn field(name: impl Into<Text>, kind: Kind) -> Field {
    Field {
        name: name.into(),
        kind,
        help: Cow::Borrowed(""),
        access: Access::ReadWrite,
        is_required: false,
        is_fixed: false,
        is_nullable: true,
        default: None,
        unit: None,
        is_sometimes: false,
        is_veiled: false,
        is_long: false,
        partner: None,
    }
}

/// A text of at most 255 characters, unless more are allowed.
pub fn text(name: impl Into<Text>) -> Field {
    field(name, Kind::Text { min: 0, max: 255, form: None, pattern: None })
}

pub fn integer(name: impl Into<Text>) -> Field {
    field(name, Kind::Integer { min: i64::from(i32::MIN), max: i64::from(i32::MAX) })
}

pub fn number(name: impl Into<Text>) -> Field {
    field(name, Kind::Number)
}

pub fn boolean(name: impl Into<Text>) -> Field {
    field(name, Kind::Boolean)
}

pub fn timestamp(name: impl Into<Text>) -> Field {
    field(name, Kind::Timestamp)
}

pub fn uuid(name: impl Into<Text>) -> Field {
    field(name, Kind::Uuid)
}

pub fn inet(name: impl Into<Text>) -> Field {
    field(name, Kind::Inet)
}

pub fn choice(name: impl Into<Text>, words: &[&'static str]) -> Field {
    field(name, Kind::Choice(words.iter().copied().map(Cow::Borrowed).collect()))
}

pub fn set(name: impl Into<Text>, words: &[&'static str]) -> Field {
    field(name, Kind::Set { words: words.iter().copied().map(Cow::Borrowed).collect(), min: 0 })
}

/// A list of texts of the form that `item` has.
pub fn list(name: impl Into<Text>, item: Field, max: usize) -> Field {
    field(name, Kind::List { item: Box::new(item.kind), min: 0, max, is_set: false })
}

pub fn object(name: impl Into<Text>) -> Field {
    field(name, Kind::Object)
}

/// An object with at most so many keys of a form, and what `value` says behind each.
pub fn map(name: impl Into<Text>, key: Form, value: Field, max: usize) -> Field {
    field(name, Kind::Map { key, value: Box::new(value), max })
}

pub fn record(name: impl Into<Text>, fields: Vec<Field>) -> Field {
    field(name, Kind::Record(fields))
}

/// At most so many objects.
pub fn records(name: impl Into<Text>, fields: Vec<Field>, max: usize) -> Field {
    field(name, Kind::Records { fields, max })
}

pub fn json(name: impl Into<Text>) -> Field {
    field(name, Kind::Json)
}

impl Field {
    /// It must be given when the object is made, and is never null.
    pub fn required(mut self) -> Field {
        self.is_required = true;
        self.is_nullable = false;
        if let Kind::Text { min, .. } = &mut self.kind {
            *min = (*min).max(1);
        }
        self
    }

    /// What it is when it is not given; it is never null.
    pub fn default(mut self, value: impl Into<Value>) -> Field {
        self.default = Some(value.into());
        self.is_nullable = false;
        self
    }

    /// It always has a value, though nobody needs to give one.
    pub fn never_null(mut self) -> Field {
        self.is_nullable = false;
        self
    }

    /// It is too long for lists: they show it with `fields=` only.
    pub fn long(mut self) -> Field {
        self.is_long = true;
        self
    }

    pub fn min(mut self, length: usize) -> Field {
        if let Kind::Text { min, .. } = &mut self.kind {
            *min = length;
        }
        self
    }

    /// At least one of the words of a set, or of the items of a list.
    pub fn not_empty(mut self) -> Field {
        if let Kind::Set { min, .. } | Kind::List { min, .. } = &mut self.kind {
            *min = 1;
        }
        self
    }

    /// No item of a list is there twice.
    pub fn each_once(mut self) -> Field {
        if let Kind::List { is_set, .. } = &mut self.kind {
            *is_set = true;
        }
        self
    }

    pub fn max(mut self, length: usize) -> Field {
        if let Kind::Text { max, .. } = &mut self.kind {
            *max = length;
        }
        self
    }

    pub fn range(mut self, from: i64, to: i64) -> Field {
        if let Kind::Integer { min, max } = &mut self.kind {
            (*min, *max) = (from, to);
        }
        self
    }

    /// What the number counts: `ms`.
    pub fn unit(mut self, unit: &'static str) -> Field {
        self.unit = Some(unit);
        self
    }

    pub fn form(mut self, wanted: Form) -> Field {
        if let Kind::Text { form, .. } = &mut self.kind {
            *form = Some(wanted);
        }
        self
    }

    /// It is set when the object is made, and never again.
    pub fn fixed(mut self) -> Field {
        self.is_fixed = true;
        self
    }

    pub fn read_only(mut self) -> Field {
        self.access = Access::ReadOnly;
        self
    }

    pub fn write_only(mut self) -> Field {
        self.access = Access::WriteOnly;
        self
    }

    pub fn admin_writes(mut self) -> Field {
        self.access = Access::AdminWrites;
        self
    }

    /// Replies have it only where there is something to say.
    pub fn sometimes(mut self) -> Field {
        self.is_sometimes = true;
        self
    }

    /// Replies have null instead of it while it is secret, though it is never null itself.
    pub fn veiled(mut self) -> Field {
        self.is_veiled = true;
        self
    }

    /// It and the other field are both given, or neither is. Both must say so.
    pub fn with(mut self, partner: &'static str) -> Field {
        self.partner = Some(partner);
        self
    }

    pub fn help(mut self, help: impl Into<Text>) -> Field {
        self.help = help.into();
        self
    }

    /// Whether replies have it.
    pub fn is_shown(&self) -> bool {
        self.access != Access::WriteOnly
    }

    /// Whether anybody may send it.
    pub fn is_taken(&self) -> bool {
        self.access != Access::ReadOnly
    }
}
