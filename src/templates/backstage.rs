//! Templates of Backstage: what of them means something here.
//!
//! <https://backstage.io/docs/features/software-catalog/descriptor-format#kind-template>

use serde_json::{Map, Value, json};

/// What a document may grow to by its aliases, and how deep it may go.
const NODES_MAX: usize = 50_000;
const DEPTH_MAX: usize = 64;
const SCALAR_BYTES_MAX: usize = 4 << 20;

/// Reads YAML, within bounds: a few lines of it may say what no memory holds.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: 1,
            max_nodes: NODES_MAX,
            max_events: 4 * NODES_MAX,
            max_depth: DEPTH_MAX,
            max_total_scalar_bytes: SCALAR_BYTES_MAX,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: NODES_MAX,
        },
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| format!("is no YAML that can be read: {error}"))
}

/// The template that a document describes.
pub(super) fn template(document: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let version = document["apiVersion"].as_str().unwrap_or_default();
    let kind = document.get("kind").and_then(Value::as_str).unwrap_or_default();
    if !version.starts_with("scaffolder.backstage.io/") || kind != "Template" {
        return Err(format!("is a {kind} of {version}; only Template of scaffolder.backstage.io is known"));
    }
    let part =
        |name: &str| document.get(name).and_then(Value::as_object).ok_or_else(|| format!("{name} must be an object"));
    let (metadata, spec) = (part("metadata")?, part("spec")?);
    let name = metadata.get("name").and_then(Value::as_str).ok_or("metadata.name must be a text")?;
    let mut template = Map::new();
    template.insert("slug".to_owned(), json!(slug(name)));
    template.insert(
        "name".to_owned(),
        metadata.get("title").filter(|title| title.is_string()).cloned().unwrap_or_else(|| json!(name)),
    );
    if let Some(description) = metadata.get("description").and_then(Value::as_str) {
        template.insert("description".to_owned(), json!(description.trim()));
    }
    let words = metadata.get("tags").and_then(Value::as_array).into_iter().flatten().chain(spec.get("type"));
    let mut tags: Vec<String> = words.filter_map(Value::as_str).map(slug).filter(|tag| !tag.is_empty()).collect();
    tags.sort();
    tags.dedup();
    template.insert("tags".to_owned(), json!(tags));
    let source =
        metadata.get("annotations").and_then(|notes| notes.get("backstage.io/source-location")).and_then(Value::as_str);
    if let Some(url) = source.and_then(|source| source.strip_prefix("url:")) {
        template.insert("repository_url".to_owned(), json!(url));
    }
    template.insert("parameters".to_owned(), parameters(spec.get("parameters"))?);
    template.insert("template_version".to_owned(), json!("1.0.0"));
    template.insert("publish".to_owned(), json!(true));
    Ok(template)
}

/// The pages of a form as the one schema that they are together.
fn parameters(parameters: Option<&Value>) -> Result<Value, String> {
    let pages: Vec<&Value> = match parameters {
        None | Some(Value::Null) => return Ok(json!({})),
        Some(Value::Array(pages)) => pages.iter().collect(),
        Some(page) => vec![page],
    };
    let (mut properties, mut required, mut rules) = (Map::new(), Vec::new(), Vec::new());
    for page in pages {
        let page = page.as_object().ok_or("spec.parameters must be an object, or a list of them")?;
        let own = page.get("properties").and_then(Value::as_object);
        properties.extend(own.into_iter().flatten().map(|(name, schema)| (name.clone(), schema.clone())));
        required.extend(page.get("required").and_then(Value::as_array).into_iter().flatten().cloned());
        // What depends on an answer depends on it on one page as on another.
        let conditions = ["dependencies", "dependentSchemas", "allOf", "anyOf", "oneOf", "if", "then", "else"];
        let rule: Map<String, Value> = conditions
            .iter()
            .filter_map(|name| page.get(*name).map(|rule| ((*name).to_owned(), rule.clone())))
            .collect();
        if !rule.is_empty() {
            rules.push(Value::Object(rule));
        }
    }
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if !rules.is_empty() {
        schema["allOf"] = json!(rules);
    }
    Ok(schema)
}

/// A name as a slug: Backstage allows dots and underscores, and capital letters.
fn slug(name: &str) -> String {
    let letters =
        name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' });
    let words: String = letters.collect();
    let words: Vec<&str> = words.split('-').filter(|word| !word.is_empty()).collect();
    words.join("-")
}
