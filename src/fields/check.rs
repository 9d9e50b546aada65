//! Input against its declaration: every fault is found, and each is named by its field.

use std::collections::HashSet;
use std::net::IpAddr;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::field::{Access, Field, Kind};
use super::form::Form;
use super::moment::{in_utc, is_date, is_timestamp};
use crate::error::{Code, Error, FieldError, Result};

/// Faults that are told of one input, so that a body full of them has no answer many times its size.
const FAULTS_MAX: usize = 100;
/// Characters of a field's name in a fault: those that we do not know may be as long as a body.
const FAULT_NAME_MAX: usize = 200;
/// Characters of a key that is not one of ours.
pub(super) const KEY_MAX: usize = 255;

/// What the input is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A new object: what is required must be there, what is not given gets its default.
    Create,
    /// The whole of an object that is there: as `Create`, and what is not given is cleared.
    Replace,
    /// A part of an object that is there: what is not given stays.
    Merge,
}

/// The fields of `body` as they are kept, or all that is wrong with them.
pub fn check(fields: &[Field], mut body: Map<String, Value>, mode: Mode, is_admin: bool) -> Result<Map<String, Value>> {
    let mut checker = Checker { mode, is_admin, faults: Vec::new() };
    checker.object("", fields, &mut body);
    match checker.faults.len() {
        0 => Ok(body),
        count => {
            let words = match count {
                1 => "1 field needs attention".to_owned(),
                2..=FAULTS_MAX => format!("{count} fields need attention"),
                _ => format!("more than {FAULTS_MAX} fields need attention; these are the first"),
            };
            checker.faults.truncate(FAULTS_MAX);
            let mut error = Error::new(Code::ValidationError, words);
            error.fields = checker.faults;
            Err(error)
        }
    }
}

struct Checker {
    mode: Mode,
    is_admin: bool,
    faults: Vec<FieldError>,
}

impl Checker {
    fn fault(&mut self, field: String, message: impl Into<String>) {
        // One more than are told shows that there are more.
        if self.faults.len() > FAULTS_MAX {
            return;
        }
        let field = field.chars().take(FAULT_NAME_MAX).collect();
        self.faults.push(FieldError { field, message: message.into() });
    }

    fn object(&mut self, prefix: &str, fields: &[Field], body: &mut Map<String, Value>) {
        let is_known = |key: &str| fields.iter().any(|field| field.name == key);
        for key in body.keys().filter(|key| !is_known(key)).take(FAULTS_MAX + 1) {
            let known: Vec<&str> = fields.iter().filter(|field| field.is_taken()).map(|field| &*field.name).collect();
            self.fault(format!("{prefix}{key}"), format!("is not known; there are {}", known.join(", ")));
        }
        for field in fields {
            self.field(prefix, field, body);
        }
        self.partners(prefix, fields, body);
    }

    /// What belongs together is given together, where it is given at all. Of an object that is there, the other may be
    /// there already.
    fn partners(&mut self, prefix: &str, fields: &[Field], body: &Map<String, Value>) {
        if self.mode == Mode::Merge {
            return;
        }
        let is_given = |name: &str| body.get(name).is_some_and(|value| !value.is_null());
        for field in fields.iter().filter(|field| is_given(&field.name)) {
            if let Some(partner) = field.partner.filter(|partner| !is_given(partner)) {
                self.fault(format!("{prefix}{partner}"), format!("must be given with {}", field.name));
            }
        }
    }

    fn field(&mut self, prefix: &str, field: &Field, body: &mut Map<String, Value>) {
        let name = || format!("{prefix}{}", field.name);
        let Some(value) = body.get_mut(&*field.name) else {
            return self.absent(name, field, body);
        };
        let refusal = match field.access {
            Access::ReadOnly => Some("is set by mainstay"),
            Access::AdminWrites if !self.is_admin => Some("may only be set by an administrator"),
            _ if field.is_fixed && self.mode != Mode::Create => Some("cannot be changed"),
            _ => None,
        };
        match refusal {
            Some(refusal) => self.fault(name(), refusal),
            None if value.is_null() && field.is_nullable => {}
            None if value.is_null() => self.fault(name(), "must not be null"),
            None => self.value(&name(), &field.kind, field.unit, value),
        }
    }

    fn absent(&mut self, name: impl Fn() -> String, field: &Field, body: &mut Map<String, Value>) {
        if self.mode == Mode::Merge || !field.is_taken() {
            return;
        }
        if self.mode == Mode::Replace && (field.is_fixed || (field.access == Access::AdminWrites && !self.is_admin)) {
            return;
        }
        if field.is_required {
            self.fault(name(), "is required");
        } else if let Some(default) = &field.default {
            body.insert(field.name.clone().into_owned(), default.clone());
        } else if self.mode == Mode::Replace && field.is_nullable && field.access != Access::WriteOnly {
            body.insert(field.name.clone().into_owned(), Value::Null);
        }
    }

    fn value(&mut self, name: &str, kind: &Kind, unit: Option<&str>, value: &mut Value) {
        match (kind, &mut *value) {
            (Kind::Map { key, value: kind, max }, Value::Object(object)) => {
                return self.map(name, key, kind, *max, object);
            }
            (Kind::Record(fields), Value::Object(_)) => return self.record(name, fields, value),
            (Kind::Records { fields, max }, Value::Array(items)) => {
                return self.items(name, items, *max, |checker, name, item| checker.record(name, fields, item));
            }
            (Kind::List { item: kind, min, max, is_set }, Value::Array(items)) => {
                if items.len() < *min {
                    self.fault(name.to_owned(), "must not be empty");
                }
                self.items(name, items, *max, |checker, name, item| checker.value(name, kind, None, item));
                if *is_set && let Some(item) = twice(items.get(..*max).unwrap_or(items)) {
                    self.fault(name.to_owned(), format!("must not have {item} twice"));
                }
                return;
            }
            _ => {}
        }
        if let Err(message) = fits(kind, unit, value) {
            return self.fault(name.to_owned(), message);
        }
        normalise(kind, value);
    }

    /// A record is given as a whole, whatever happens to the object around it.
    fn record(&mut self, name: &str, fields: &[Field], value: &mut Value) {
        let Value::Object(body) = value else {
            return self.fault(name.to_owned(), "must be an object");
        };
        let mut inner = Checker { mode: Mode::Create, is_admin: self.is_admin, faults: Vec::new() };
        inner.object(&format!("{name}."), fields, body);
        self.faults.append(&mut inner.faults);
    }

    fn map(&mut self, name: &str, key: &Form, value: &Field, max: usize, object: &mut Map<String, Value>) {
        if object.len() > max {
            self.fault(name.to_owned(), format!("must have at most {max} keys"));
        }
        let mut known = HashSet::new();
        for (word, item) in object.iter_mut().take(max) {
            if self.faults.len() > FAULTS_MAX {
                return;
            }
            let name = format!("{name}.{word}");
            if word.chars().count() > KEY_MAX || !(key.check)(word) {
                self.fault(name.clone(), format!("must be {}", key.expected));
            } else if !known.insert(word.to_lowercase()) {
                self.fault(name.clone(), "is there twice: case makes no difference");
            }
            match item.is_null() {
                true if value.is_nullable => {}
                true => self.fault(name, "must not be null"),
                false => self.value(&name, &value.kind, value.unit, item),
            }
        }
    }

    fn items(
        &mut self,
        name: &str,
        items: &mut [Value],
        max: usize,
        mut check: impl FnMut(&mut Checker, &str, &mut Value),
    ) {
        if items.len() > max {
            self.fault(name.to_owned(), format!("must have at most {max} items"));
        }
        for (index, item) in items.iter_mut().enumerate().take(max) {
            // Nobody is told of more, so nobody looks for more.
            if self.faults.len() > FAULTS_MAX {
                return;
            }
            check(self, &format!("{name}[{index}]"), item);
        }
    }
}

/// An item that is there more than once.
fn twice(items: &[Value]) -> Option<&Value> {
    let mut known = HashSet::new();
    items.iter().find(|item| !known.insert(*item))
}

/// Whether a value that is not null is of its kind; the message says what would be.
fn fits(kind: &Kind, unit: Option<&str>, value: &Value) -> Result<(), String> {
    let ok_or = |is_right: bool, message: &str| if is_right { Ok(()) } else { Err(message.to_owned()) };
    let text = value.as_str();
    match kind {
        Kind::Text { min, max, form, pattern } => {
            let text = text.ok_or("must be a string")?;
            let length = text.chars().count();
            match form {
                _ if length < *min && *min == 1 => Err("must not be empty".to_owned()),
                _ if length < *min => Err(format!("must have at least {min} characters")),
                _ if length > *max => Err(format!("must have at most {max} characters")),
                Some(form) if !(form.check)(text) => Err(format!("must be {}", form.expected)),
                _ => match pattern {
                    Some(pattern) if !pattern.fits(text) => Err(format!("must match {}", pattern.text())),
                    _ => Ok(()),
                },
            }
        }
        Kind::Integer { min, max } => {
            let unit = unit.map_or(String::new(), |unit| format!(" {unit}"));
            match whole(value) {
                Some(number) if (*min..=*max).contains(&number) => Ok(()),
                Some(_) => Err(format!("must be between {min} and {max}{unit}")),
                None => Err("must be a whole number".to_owned()),
            }
        }
        Kind::Number => ok_or(value.is_number(), "must be a number"),
        Kind::Decimal { precision, scale, min, max } => decimal(value, *precision, *scale, *min, *max),
        Kind::Boolean => ok_or(value.is_boolean(), "must be true or false"),
        Kind::Date => ok_or(text.is_some_and(is_date), "must be a day like 2026-01-31"),
        Kind::Timestamp => ok_or(text.is_some_and(is_timestamp), "must be a time like 2026-01-31T12:00:00Z"),
        Kind::Uuid => ok_or(text.is_some_and(|text| Uuid::try_parse(text).is_ok()), "must be a UUID"),
        Kind::Inet => ok_or(text.is_some_and(|text| text.parse::<IpAddr>().is_ok()), "must be an IP address"),
        Kind::Choice(words) => {
            ok_or(text.is_some_and(|text| words.iter().any(|word| word == text)), &format!("must be {}", one_of(words)))
        }
        Kind::Set { words, min } => {
            let problem = || match min {
                0 => format!("must be a list of {}, each at most once", words.join(", ")),
                _ => format!("must be a list of at least {min} of {}, each at most once", words.join(", ")),
            };
            let items = value.as_array().filter(|items| items.len() >= *min).ok_or_else(problem)?;
            let is_known = |item: &Value| item.as_str().is_some_and(|item| words.iter().any(|word| word == item));
            let is_new = |index: usize| !items[..index].contains(&items[index]);
            let is_right = items.iter().enumerate().all(|(index, item)| is_known(item) && is_new(index));
            if is_right { Ok(()) } else { Err(problem()) }
        }
        Kind::List { .. } | Kind::Records { .. } => Err("must be a list".to_owned()),
        Kind::Object | Kind::Map { .. } | Kind::Record(_) => ok_or(value.is_object(), "must be an object"),
        Kind::Json => Ok(()),
    }
}

/// What would be rounded is refused instead.
fn decimal(value: &Value, precision: u8, scale: u8, min: f64, max: f64) -> Result<(), String> {
    let number = value.as_f64().filter(|number| number.is_finite()).ok_or("must be a number")?;
    let digits = format!("{number}");
    let fraction = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let limit = 10_f64.powi(i32::from(precision) - i32::from(scale));
    match () {
        () if fraction > usize::from(scale) => Err(format!("must have at most {scale} digits behind the point")),
        () if number.abs() >= limit => {
            Err(format!("must have at most {} digits before the point", precision.saturating_sub(scale)))
        }
        () if number < min || number > max => Err(format!("must be between {min} and {max}")),
        () => Ok(()),
    }
}

/// Writes a value as PostgreSQL reads it: `3.0` as 3, a moment in UTC, and a UUID in its usual form.
fn normalise(kind: &Kind, value: &mut Value) {
    match kind {
        Kind::Integer { .. } if !value.is_i64() => *value = whole(value).into(),
        Kind::Timestamp => {
            if let Some(moment) = value.as_str().and_then(in_utc) {
                *value = moment.into();
            }
        }
        Kind::Uuid => {
            if let Some(id) = value.as_str().and_then(|text| Uuid::try_parse(text).ok()) {
                *value = id.to_string().into();
            }
        }
        _ => {}
    }
}

/// A number without a fraction, whether written as `3`, `3.0` or `3e0`: to JSON they are the same.
fn whole(value: &Value) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    value.as_i64().or_else(|| {
        let number = value.as_f64()?;
        (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
    })
}

fn one_of(words: &[std::borrow::Cow<'static, str>]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => one.clone().into_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
