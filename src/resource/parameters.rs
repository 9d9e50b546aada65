//! The query parameters of lists, for the OpenAPI document.

use serde_json::{Value, json};

use super::Engine;
use super::list::{LIMIT_DEFAULT, LIMIT_MAX, SORT_DEFAULT, page_field_names};
use crate::fields::{Field, Kind, schema};
use crate::http::Parameter;

impl Engine {
    pub(super) fn list_parameters(&self) -> Vec<Parameter> {
        let sorts: Vec<String> = self.sort_names().flat_map(|name| [name.to_owned(), format!("-{name}")]).collect();
        let names = page_field_names(&self.fields).join("|");
        let pattern = format!("^({names})(,({names}))*$");
        let parameter =
            |name: &str, help: &str, schema: Value| Parameter { name: name.into(), help: help.into(), schema };
        let mut parameters = vec![
            parameter(
                "limit",
                "Rows of a page.",
                json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT }),
            ),
            parameter("cursor", "Where to go on: the next_cursor of the page before.", json!({ "type": "string" })),
            parameter(
                "page",
                "The number of a page instead of a cursor.",
                json!({ "type": "integer", "minimum": 1, "maximum": 50 }),
            ),
            parameter("total", "Whether to count all rows.", json!({ "type": "boolean" })),
            parameter(
                "sort",
                "The order; - turns it round.",
                json!({ "type": "string", "enum": sorts, "default": SORT_DEFAULT }),
            ),
            parameter("fields", "The fields to show.", json!({ "type": "string", "pattern": pattern })),
        ];
        parameters.extend(self.filter_parameters());
        parameters
    }

    pub(super) fn filter_parameters(&self) -> Vec<Parameter> {
        self.filter_names().filter_map(|name| self.field(name)).flat_map(filters).collect()
    }
}

/// The filters on one field.
fn filters(field: &Field) -> Vec<Parameter> {
    let name = &field.name;
    let value = match &field.kind {
        // A filter may be any text, and a moment may be a day.
        Kind::Text { .. } | Kind::Timestamp | Kind::Set(_) | Kind::List { .. } => json!({ "type": "string" }),
        _ => {
            let mut plain = schema(&Field { is_nullable: false, default: None, help: "".into(), ..field.clone() });
            if let Some(object) = plain.as_object_mut() {
                object.remove("description");
            }
            plain
        }
    };
    let make = |suffix: &str, help: &str, schema: Value| Parameter {
        name: format!("{name}{suffix}"),
        help: help.to_owned(),
        schema,
    };
    let null = make("__null", "Whether it is not set.", json!({ "type": "boolean" }));
    if matches!(field.kind, Kind::Object | Kind::Record(_) | Kind::Records { .. } | Kind::Json) {
        return vec![null];
    }
    let mut parameters = vec![make("", "Equal to this.", value.clone())];
    if field.kind.sql_type() == "text" && !matches!(field.kind, Kind::Choice(_)) {
        parameters.push(make("__contains", "With this in it, in either case.", json!({ "type": "string" })));
    }
    if matches!(field.kind, Kind::Timestamp | Kind::Integer { .. }) {
        for (suffix, help) in [("__gte", "From this on."), ("__lt", "Before this.")] {
            parameters.push(make(suffix, help, value.clone()));
        }
    }
    if field.is_nullable {
        parameters.push(null);
    }
    parameters
}
