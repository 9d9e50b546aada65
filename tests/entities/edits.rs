//! Declarations and edits out of nothing but chance, the same for the same seed.

use serde_json::{Value, json};

use super::chance::Declared;

/// A source of chance: xorshift, which is enough for tests.
pub struct Chance(u64);

const NAMES: [&str; 12] =
    ["name", "size", "note", "order", "user", "amount", "day", "place", "kind", "select", "label", "index"];
const WORDS: [&str; 5] = ["red", "green", "it's", "blue", "UPPER"];
const TYPES: [&str; 11] =
    ["text", "integer", "bigint", "decimal", "boolean", "date", "timestamp", "uuid", "json", "enum", "reference"];

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    fn one<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }

    /// A value that a field takes, or may.
    pub fn value(&mut self, field: &Value) -> Value {
        if self.below(4) == 0 && field["required"] != true {
            return Value::Null;
        }
        if field["array"] == true {
            let single = {
                let mut it = field.clone();
                it["array"] = json!(false);
                it["required"] = json!(true);
                it
            };
            return (0..self.below(3)).map(|_| self.value(&single)).collect();
        }
        match field["type"].as_str().unwrap() {
            "text" => json!((0..self.below(8) + 1).map(|_| self.one(&["a", "b", "ü"])).collect::<String>()),
            "integer" | "bigint" => json!(self.below(100)),
            "decimal" => json!(self.below(90) as f64 / 10.0),
            "boolean" => json!(self.below(2) == 0),
            "date" => json!(format!("2026-01-{:02}", self.below(28) + 1)),
            "timestamp" => json!(format!("2026-01-01T00:00:{:02}Z", self.below(60))),
            "json" => json!({ "a": self.below(5) }),
            "enum" => {
                let words = field["values"].as_array().unwrap();
                words[self.below(words.len())].clone()
            }
            _ => json!(uuid::Uuid::now_v7()),
        }
    }

    fn field(&mut self, name: &str) -> Value {
        let kind = self.one(&TYPES);
        let mut field = json!({ "name": name, "type": kind });
        match kind {
            "text" => field["max"] = json!(self.below(30) + 10),
            "decimal" => {
                field["precision"] = json!(self.below(6) + 4);
                field["scale"] = json!(self.below(2) + 1);
            }
            "enum" => field["values"] = WORDS[..self.below(4) + 1].iter().copied().collect(),
            "reference" => {
                field["name"] = json!(format!("{name}_id"));
                field["to"] = json!(self.one(&["alpha", "beta", "identity.users"]));
                field["on_delete"] = json!(self.one(&["restrict", "cascade", "set_null"]));
            }
            _ => {}
        }
        for flag in ["required", "unique", "filter", "search", "array", "index"] {
            if self.below(6) == 0 {
                field[flag] = json!(true);
            }
        }
        if self.below(3) == 0 {
            field["default"] = match kind {
                "timestamp" | "date" => json!("now"),
                _ => self.value(&{
                    let mut it = field.clone();
                    it["required"] = json!(true);
                    it
                }),
            };
        }
        if self.below(5) == 0 {
            field["description"] = json!("It's what it is");
        }
        field
    }
}

/// A declaration that can be read.
pub fn entity(name: &str, chance: &mut Chance) -> Value {
    loop {
        let mut models: Vec<&str> = ["base", "auditable", "soft_deletable", "versioned"].to_vec();
        models.retain(|_| chance.below(2) == 0);
        let mut entity = json!({ "name": name, "models": models, "fields": [{ "name": "title", "type": "text" }] });
        for _ in 0..chance.below(5) {
            let name = chance.one(&NAMES);
            let field = chance.field(name);
            entity["fields"].as_array_mut().unwrap().push(field);
        }
        // References make sense only among others.
        let others =
            ["alpha", "beta"].map(|other| json!({ "name": other, "fields": [{ "name": "x", "type": "text" }] }));
        let files = others
            .iter()
            .filter(|other| other["name"] != name)
            .chain([&entity])
            .map(|it| (format!("{}.json", it["name"].as_str().unwrap()), it.to_string().into_bytes()));
        if mainstay::entities::assemble(&files.collect::<Vec<_>>()).is_ok() {
            return entity;
        }
    }
}

/// Changes something, and says what.
pub fn edit(declared: &mut Declared, chance: &mut Chance) -> String {
    let names: Vec<String> = declared.keys().cloned().collect();
    let name = names[chance.below(names.len())].clone();
    match chance.below(12) {
        0 => {
            let new = chance.one(&["gamma", "delta", "select"]).to_owned();
            declared.entry(new.clone()).or_insert_with(|| entity(&new, chance));
            return format!("declare {new}");
        }
        1 => {
            declared.remove(&name);
            return format!("forget {name}");
        }
        2 => {
            let new = format!("{name}_n");
            let Some(mut entity) = declared.remove(&name) else { return String::new() };
            entity["name"] = json!(new);
            entity["was"] = json!(name);
            let what = format!("rename {name} to {new}");
            refer_anew(declared, &mut entity, &name, &new);
            declared.insert(new, entity);
            return what;
        }
        _ => {}
    }
    let Some(entity) = declared.get_mut(&name) else { return String::new() };
    let what = edit_entity(entity, chance);
    format!("{name}: {what}")
}

fn refer_anew(declared: &mut Declared, entity: &mut Value, old: &str, new: &str) {
    for other in declared.values_mut().chain([entity]) {
        for field in other["fields"].as_array_mut().unwrap() {
            if field["to"] == old {
                field["to"] = json!(new);
            }
        }
    }
}

fn edit_entity(entity: &mut Value, chance: &mut Chance) -> String {
    let count = entity["fields"].as_array().unwrap().len();
    let at = chance.below(count);
    match chance.below(9) {
        0 | 1 => {
            let name = chance.one(&NAMES);
            let field = chance.field(name);
            let what = format!("add {field}");
            entity["fields"].as_array_mut().unwrap().push(field);
            what
        }
        2 => format!("remove {}", entity["fields"].as_array_mut().unwrap().remove(at)),
        3 => {
            let field = &mut entity["fields"][at];
            let old = field["name"].as_str().unwrap().to_owned();
            let new = format!("x{old}");
            field["was"] = json!(old);
            field["name"] = json!(new);
            format!("rename {old} to {new}")
        }
        4 => {
            let models = ["base", "auditable", "soft_deletable", "versioned", "business_scoped"];
            entity["models"] = models.iter().copied().filter(|_| chance.below(2) == 0).collect();
            format!("be {}", entity["models"])
        }
        5 => {
            let pair = chance.below(count);
            let names = [&entity["fields"][at]["name"], &entity["fields"][pair]["name"]].map(Value::clone);
            entity["unique"] = json!([names]);
            format!("be unique by {names:?}")
        }
        6 => {
            let name = entity["fields"][at]["name"].clone();
            entity["indexes"] = json!([{ "fields": [name], "where": { (name.as_str().unwrap()): "not null" } }]);
            format!("have an index on {name}")
        }
        7 => {
            let name = entity["fields"][at]["name"].clone();
            let field = entity["fields"][at].clone();
            let value = chance.value(&field);
            entity["checks"] =
                json!([{ "name": "c", "field": name, "operator": ">=", "value": value, "message": "is too small" }]);
            format!("check {name} against {value}")
        }
        _ => edit_field(&mut entity["fields"][at], chance),
    }
}

fn edit_field(field: &mut Value, chance: &mut Chance) -> String {
    let name = field["name"].clone();
    let key = match field["type"].as_str().unwrap() {
        "text" => chance.one(&["max", "required", "unique", "search", "filter", "default"]),
        "enum" => chance.one(&["values", "required", "filter"]),
        "decimal" => chance.one(&["precision", "scale", "required", "array"]),
        "integer" | "bigint" => chance.one(&["type", "max", "unique", "required"]),
        _ => chance.one(&["required", "unique", "index", "filter", "type", "default"]),
    };
    field[key] = match key {
        "max" => json!(chance.below(60) + 1),
        "values" => WORDS[..chance.below(5) + 1].iter().copied().collect(),
        "precision" => json!(chance.below(10) + 5),
        "scale" => json!(chance.below(4)),
        "type" => json!(chance.one(&["integer", "bigint", "date", "timestamp"])),
        "default" => chance.value(&field.clone()),
        flag => json!(field[flag] != true),
    };
    format!("{name}: {key} is {}", field[key])
}
