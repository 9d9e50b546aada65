//! How large a schema is when each reference is what it refers to: a few lines can come to millions, and all of it is held
//! against a value.

use std::collections::HashMap;

use serde_json::Value;

/// Values of a schema when it is expanded.
const SIZE_MAX: usize = 10_000;
/// References one behind the other.
const REFERENCES_MAX: usize = 32;
/// Words that refer to another schema, or change what others refer to.
const REFERENCES: [&str; 4] = ["$ref", "$dynamicRef", "$recursiveRef", "$id"];
/// Words that have schemas by names, which are no words.
const MAPS: [&str; 6] = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"];
/// Words whose schemas are held against what is inside of a value, so that they come to an end as it does.
const INNER: [&str; 10] = [
    "properties",
    "patternProperties",
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "items",
    "prefixItems",
    "additionalItems",
    "unevaluatedItems",
    "contains",
];

/// What a part of a schema comes to.
#[derive(Clone, Copy)]
struct Size {
    values: usize,
    /// References that lead back to where they came from. With two of them, each level of a value would double the work.
    circles: usize,
}

/// A reference that is being followed.
struct Step<'a> {
    pointer: &'a str,
    /// How deep in the value its target is held against.
    depth: usize,
}

struct Expansion<'a> {
    root: &'a Value,
    /// What the targets of references come to.
    known: HashMap<&'a str, Size>,
    path: Vec<Step<'a>>,
    depth: usize,
}

/// How many values a schema has when it is expanded, or why it cannot be.
pub(super) fn size(schema: &Value) -> Result<usize, String> {
    let path = vec![Step { pointer: "", depth: 0 }];
    let mut expansion = Expansion { root: schema, known: HashMap::new(), path, depth: 0 };
    expansion.schema(schema).map(|size| size.values)
}

impl<'a> Expansion<'a> {
    /// The size of what stands where a schema may stand.
    fn schema(&mut self, value: &'a Value) -> Result<Size, String> {
        match value {
            Value::Object(members) => {
                // The name of the whole changes nothing of what is in it.
                let is_root = std::ptr::eq(value, self.root);
                let members = members.iter().filter(|(name, _)| !(is_root && *name == "$id"));
                self.sum(members, |expansion, (name, member)| expansion.word(name, member))
            }
            Value::Array(items) => self.sum(items, Expansion::schema),
            _ => Ok(Size { values: 1, circles: 0 }),
        }
    }

    /// The size of what stands behind a word.
    fn word(&mut self, word: &str, value: &'a Value) -> Result<Size, String> {
        if let Some(reference) = value.as_str().filter(|_| REFERENCES.contains(&word)) {
            return self.reference(word, reference);
        }
        let is_inner = INNER.contains(&word);
        self.depth += usize::from(is_inner);
        let size = match value {
            Value::Object(named) if MAPS.contains(&word) => self.sum(named.values(), Expansion::schema),
            value => self.schema(value),
        };
        self.depth -= usize::from(is_inner);
        size
    }

    fn reference(&mut self, word: &str, reference: &'a str) -> Result<Size, String> {
        let shown = super::cut(reference);
        let pointer = reference.strip_prefix('#').filter(|pointer| word == "$ref" && !pointer.contains('%'));
        let target = pointer.and_then(|pointer| Some((pointer, self.root.pointer(pointer)?)));
        let Some((pointer, target)) = target else {
            return Err(format!(
                "must not refer to {shown:?}, which is outside of it: write \"$ref\": \"#/$defs/port\""
            ));
        };
        if let Some(step) = self.path.iter().find(|step| step.pointer == pointer) {
            return match step.depth < self.depth {
                true => Ok(Size { values: 1, circles: 1 }),
                false => Err(format!("must not refer to {shown:?} from within it, but for what is inside of a value")),
            };
        }
        if let Some(size) = self.known.get(pointer) {
            return Ok(*size);
        }
        if self.path.len() > REFERENCES_MAX {
            return Err(format!("must not have more than {REFERENCES_MAX} references one behind the other: {shown:?}"));
        }
        self.path.push(Step { pointer, depth: self.depth });
        let size = self.schema(target)?;
        self.path.pop();
        self.known.insert(pointer, size);
        Ok(size)
    }

    fn sum<T>(
        &mut self,
        parts: impl IntoIterator<Item = T>,
        size: impl Fn(&mut Self, T) -> Result<Size, String>,
    ) -> Result<Size, String> {
        let mut sum = Size { values: 1, circles: 0 };
        for part in parts {
            let Size { values, circles } = size(self, part)?;
            sum = Size { values: sum.values + values, circles: sum.circles + circles };
            if sum.values > SIZE_MAX {
                return Err(format!("must have at most {SIZE_MAX} values when each reference is what it refers to"));
            }
            if sum.circles > 1 {
                return Err("must refer back to where it came from at one place only".to_owned());
            }
        }
        Ok(sum)
    }
}
