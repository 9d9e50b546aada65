//! Fields: what an object has, declared once. Validation, filters, the OpenAPI schema and the TypeScript type are made from
//! the declaration.
//!
//! Knows nothing of HTTP or of where an object is kept.

mod field;
mod form;
mod moment;
mod check;
mod schema;

pub use check::{Mode, check};
pub use field::{Access, Field, Kind};
pub use field::{
    boolean, choice, inet, integer, json, list, map, number, object, record, records, set, text, timestamp, uuid,
};
pub use form::{Form, Pattern};
pub use moment::{in_utc, is_date, is_timestamp};
pub use schema::{object_schema, value_schema};
