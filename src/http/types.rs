//! The same table as TypeScript: a type for everything that is sent and answered, and one that names all endpoints.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::endpoint::{Endpoint, Output};
use super::openapi::{document, input_name, output_name};

const HEAD: &str = "\
// The types of mainstay's API, made by `mainstay types`: do not edit.

/** A page of a list. With `fields`, rows have only those: Page<Pick<Team, \"id\" | \"name\">>. */
export interface Page<Row> {
  data: Row[];
  page: PageInfo;
}
";

/// TypeScript for these endpoints.
pub fn source(endpoints: &[Endpoint]) -> String {
    let document = document(endpoints);
    let mut text = HEAD.to_owned();
    let schemas = document["components"]["schemas"].as_object().cloned().unwrap_or_default();
    for (name, schema) in &schemas {
        // A part is what TypeScript calls Partial or Pick.
        let is_part = name.strip_suffix("Part").is_some_and(|whole| schemas.contains_key(whole));
        if !is_part {
            declare(type_name(name), schema, &mut text);
        }
    }
    text.push_str(
        "\n/** Every endpoint: what it takes, and what it answers when all is well. */\nexport interface Endpoints {\n",
    );
    for endpoint in endpoints {
        describe(endpoint, &mut text);
    }
    text.push_str("}\n");
    text
}

/// `Page` is the page with its rows; what the document calls so is beside them.
fn type_name(name: &str) -> &str {
    if name == "Page" { "PageInfo" } else { name }
}

fn declare(name: &str, schema: &Value, text: &mut String) {
    text.push('\n');
    if let Some(help) = schema["description"].as_str() {
        let _ = writeln!(text, "/** {} */", comment(help));
    }
    let _ = match schema["properties"].as_object() {
        Some(_) => writeln!(text, "export interface {name} {}", type_of(schema, 0)),
        None => writeln!(text, "export type {name} = {};", type_of(schema, 0)),
    };
}

fn describe(endpoint: &Endpoint, text: &mut String) {
    let _ = writeln!(text, "  /** {} */", comment(&endpoint.summary));
    let _ = writeln!(text, "  \"{endpoint:?}\": {{");
    let names: Vec<&str> =
        endpoint.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')).collect();
    if !names.is_empty() {
        let members: Vec<String> = names.iter().map(|name| format!("{name}: string")).collect();
        let _ = writeln!(text, "    path: {{ {} }};", members.join("; "));
    }
    let parameters = (endpoint.parameters)();
    if !parameters.is_empty() {
        text.push_str("    query: {\n");
        for parameter in &parameters {
            let _ = writeln!(text, "      /** {} */", comment(&parameter.help));
            let kind = type_of(&parameter.schema, 3);
            let _ = match parameter.name.strip_suffix('*') {
                Some(start) => writeln!(text, "      [inside: `{start}${{string}}`]: {kind} | undefined;"),
                None if parameter.is_required => writeln!(text, "      {}: {kind};", key(&parameter.name)),
                None => writeln!(text, "      {}?: {kind};", key(&parameter.name)),
            };
        }
        text.push_str("    };\n");
    }
    if endpoint.input.is_some() {
        let _ = writeln!(text, "    input: {};", input_name(endpoint));
    }
    let output = match &endpoint.output {
        Output::Nothing => "undefined".to_owned(),
        Output::Text(_) => "string".to_owned(),
        Output::Page(_) => format!("Page<{}>", output_name(endpoint)),
        Output::Object(_) | Output::Json(_) => output_name(endpoint),
    };
    let _ = writeln!(text, "    status: {};\n    output: {output};\n  }};", endpoint.status);
}

/// A schema as a type, where it stands this many levels deep.
fn type_of(schema: &Value, depth: usize) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return type_name(name.rsplit('/').next().unwrap_or_default()).to_owned();
    }
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ");
    }
    match &schema["type"] {
        Value::String(kind) => plain(kind, schema, depth),
        Value::Array(kinds) => {
            let kinds = kinds.iter().filter_map(Value::as_str);
            kinds.map(|kind| plain(kind, schema, depth)).collect::<Vec<_>>().join(" | ")
        }
        _ => "unknown".to_owned(),
    }
}

fn plain(kind: &str, schema: &Value, depth: usize) -> String {
    match kind {
        "string" | "boolean" | "null" => kind.to_owned(),
        "integer" | "number" => "number".to_owned(),
        "array" => match schema.get("items").map(|items| type_of(items, depth)) {
            None => "unknown[]".to_owned(),
            Some(item) if item.contains(' ') && !item.starts_with('{') => format!("({item})[]"),
            Some(item) => format!("{item}[]"),
        },
        _ => match schema["properties"].as_object() {
            Some(properties) => object(properties, &schema["required"], depth),
            None => "Record<string, unknown>".to_owned(),
        },
    }
}

fn object(properties: &Map<String, Value>, required: &Value, depth: usize) -> String {
    let indent = "  ".repeat(depth + 1);
    let required = required.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut text = "{\n".to_owned();
    for (name, schema) in properties {
        if let Some(help) = schema["description"].as_str() {
            let _ = writeln!(text, "{indent}/** {} */", comment(help));
        }
        let mark = if required.iter().any(|known| known == name) { "" } else { "?" };
        let _ = writeln!(text, "{indent}{}{mark}: {};", key(name), type_of(schema, depth + 1));
    }
    text + &"  ".repeat(depth) + "}"
}

/// The name of a member, in quotation marks where TypeScript wants them.
fn key(name: &str) -> String {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let is_plain =
        !name.is_empty() && name.chars().all(is_word) && !name.starts_with(|first: char| first.is_ascii_digit());
    if is_plain { name.to_owned() } else { Value::from(name).to_string() }
}

/// A text that does not end the comment that it stands in.
fn comment(text: &str) -> String {
    text.replace("*/", "* /")
}
