//! The query parameters of lists, for the OpenAPI document. It names every filter that `filter` takes, but for those that
//! look inside a JSON column, whose names are the data's.

use serde_json::{Value, json};

use super::Engine;
use super::filter::VALUES_MAX;
use super::list::{LIMIT_DEFAULT, LIMIT_MAX, OFFSET_MAX, SORT_DEFAULT, TOTAL_MAX, page_field_names};
use super::search::WORDS_MAX;
use crate::fields::{Field, Kind, value_schema};
use crate::http::Parameter;

impl Engine {
    pub(super) fn list_parameters(&self) -> Vec<Parameter> {
        let sorts: Vec<String> = self.sort_names().flat_map(|name| [name.to_owned(), format!("-{name}")]).collect();
        let names = page_field_names(&self.fields);
        let mut parameters = vec![
            Parameter::new(
                "limit",
                "Rows of a page.",
                json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT }),
            ),
            Parameter::new(
                "cursor",
                "Where to go on: the `next_cursor` of the page before. Not together with `page`, and with the same `sort`.",
                json!({ "type": "string" }),
            ),
            Parameter::new(
                "page",
                format!("The number of a page instead of a cursor, to a depth of {OFFSET_MAX} rows."),
                json!({ "type": "integer", "minimum": 1, "maximum": OFFSET_MAX }),
            ),
            Parameter::new(
                "total",
                format!("Whether to count all rows, up to {TOTAL_MAX}."),
                json!({ "type": "boolean", "default": false }),
            ),
            Parameter::new(
                "sort",
                "The order; - turns it round.",
                json!({ "type": "string", "enum": sorts, "default": SORT_DEFAULT }),
            ),
            Parameter::new(
                "fields",
                "The fields to show; without it all of them that are not too long for a list.",
                json!({ "type": "array", "items": { "type": "string", "enum": names }, "minItems": 1 }),
            ),
        ];
        parameters.extend(self.expand_parameter());
        if self.resource.search.is_some() {
            let help = "Words to look for; the best are first. Not together with `sort`.";
            parameters.push(Parameter::new(
                "q",
                help,
                json!({ "type": "string", "minLength": 1, "maxLength": WORDS_MAX }),
            ));
        }
        parameters.extend(self.filter_parameters());
        parameters
    }

    pub(super) fn filter_parameters(&self) -> Vec<Parameter> {
        let words =
            self.resource.words.iter().map(|word| Parameter::new(word.name, word.help, json!({ "type": "string" })));
        self.filter_names().filter_map(|name| self.field(name)).flat_map(filters).chain(words).collect()
    }
}

/// The filters on one field.
fn filters(field: &Field) -> Vec<Parameter> {
    let name = &field.name;
    let mut parameters = Vec::new();
    match field.kind {
        Kind::Object => {
            let help = format!("With this inside: {name}.team=platform.");
            parameters.push(Parameter::new(format!("{name}.*"), help, json!({ "type": "string" })));
        }
        Kind::Map { .. } | Kind::Record(_) | Kind::Records { .. } | Kind::Json => {}
        Kind::Set { .. } | Kind::List { .. } => {
            let item = match &field.kind {
                Kind::List { item, .. } => value(item),
                _ => json!({ "type": "string" }),
            };
            parameters.push(Parameter::new(&**name, "With this among them.", item));
        }
        _ => {
            let value = value(&field.kind);
            parameters.push(Parameter::new(&**name, "Equal to this.", value.clone()));
            if !matches!(field.kind, Kind::Boolean | Kind::Choice(_)) {
                let ways =
                    [("gt", "Behind this."), ("gte", "From this on."), ("lt", "Before this."), ("lte", "Up to this.")];
                parameters
                    .extend(ways.map(|(word, help)| Parameter::new(format!("{name}__{word}"), help, value.clone())));
            }
            let values = json!({ "type": "array", "items": value, "minItems": 1, "maxItems": VALUES_MAX });
            parameters.push(Parameter::new(format!("{name}__in"), "Equal to one of these.", values));
        }
    }
    if matches!(field.kind, Kind::Text { .. }) {
        let text = json!({ "type": "string" });
        parameters.push(Parameter::new(format!("{name}__contains"), "With this in it, in either case.", text));
    }
    let null = json!({ "type": "boolean" });
    parameters.push(Parameter::new(format!("{name}__null"), "Whether it is not set.", null));
    parameters
}

/// What a value may be compared with: any text, and a day stands for the moment at which it begins.
fn value(kind: &Kind) -> Value {
    match kind {
        Kind::Text { .. } => json!({ "type": "string" }),
        // What a field cannot be, it is not equal to; and every number is before or behind it.
        Kind::Integer { .. } => json!({ "type": "integer", "minimum": i64::MIN, "maximum": i64::MAX }),
        Kind::Number | Kind::Decimal { .. } => json!({ "type": "number" }),
        Kind::Timestamp => json!({ "type": "string", "anyOf": [{ "format": "date-time" }, { "format": "date" }] }),
        _ => value_schema(kind),
    }
}
