//! JSON as clients send it, read strictly: what could be understood in two ways, or kept only in part, is refused.
//!
//! serde_json does the reading. On top of it, here: a key that stands twice, too many levels, U+0000 (which PostgreSQL
//! cannot keep), numbers that would come back as others, and what would take much more memory than it has bytes.

mod scale;

use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::error::{Code, Error, Result};
pub use scale::Weight;
use scale::{ENTRY_BYTES, ITEM_BYTES, LIST_BYTES, OBJECT_BYTES, Scale};

/// Levels of arrays and objects within each other.
pub const DEPTH_MAX: usize = 32;

/// Reads one JSON value, or says where it is wrong.
pub fn parse(bytes: &[u8]) -> Result<Value> {
    parse_weighed(bytes).map(|(value, _)| value)
}

/// The same, with what the value weighs in memory, for as long as it is there.
pub fn parse_weighed(bytes: &[u8]) -> Result<(Value, Weight)> {
    let malformed = |message: String| Error::new(Code::MalformedRequest, message);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        malformed(format!("the body is not UTF-8: byte {} begins no character", error.valid_up_to() + 1))
    })?;
    if text.trim_ascii().is_empty() {
        return Err(malformed("the body is empty; JSON was expected".to_owned()));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let scale = Scale::default();
    let strict = Strict { levels: DEPTH_MAX, scale: &scale };
    let result = strict.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    let value = match result {
        Ok(value) => value,
        Err(_) if scale.is_full() => return Err(scale.refusal()),
        Err(error) => return Err(malformed(format!("the body is not JSON that can be kept: {error}"))),
    };
    match lossy_number(text) {
        Some(number) => {
            Err(malformed(format!("the number {number} has more digits than most programs keep; send it as a string")))
        }
        None => Ok((value, scale.weight())),
    }
}

/// A value of at most this many levels, that weighs no more than may be.
#[derive(Clone, Copy)]
struct Strict<'a> {
    levels: usize,
    scale: &'a Scale,
}

impl Strict<'_> {
    fn weigh<E: serde::de::Error>(self, bytes: usize) -> Result<(), E> {
        if self.scale.add(bytes) { Ok(()) } else { Err(E::custom("too much")) }
    }

    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        let levels = self.levels.checked_sub(1);
        levels.map(|levels| Strict { levels, ..self }).ok_or_else(|| E::custom(format!("more than {DEPTH_MAX} levels")))
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number is out of range"))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Value, E> {
        match value.contains('\0') {
            true => Err(E::custom("the character U+0000 cannot be kept")),
            false => self.weigh(value.capacity()).map(|()| Value::String(value)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element_seed(inner)? {
            self.weigh(if items.is_empty() { LIST_BYTES } else { ITEM_BYTES })?;
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if key.contains('\0') {
                return Err(A::Error::custom("the character U+0000 cannot be kept"));
            }
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {key:?} stands twice")));
            }
            let first = if object.is_empty() { OBJECT_BYTES } else { 0 };
            self.weigh(first + ENTRY_BYTES + key.capacity())?;
            let value = entries.next_value_seed(inner)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

/// The first number of a text, known to be JSON, that would be read as another one.
fn lossy_number(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = end_of_string(bytes, at + 1),
            b'-' | b'0'..=b'9' => {
                let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
                let length = bytes[at..].iter().take_while(|byte| is_part(byte)).count();
                let number = &text[at..at + length];
                if !is_exact(number) {
                    return Some(number);
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    None
}

/// The place behind the quotation mark that ends a string.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

/// Whether a number comes back as it was sent: as a whole number of 64 bits, or as the shortest decimal of a double.
fn is_exact(number: &str) -> bool {
    if number.len() <= 15 && !number.contains(['e', 'E']) {
        return true;
    }
    if number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok() {
        return true;
    }
    match number.parse::<f64>() {
        Ok(value) if value.is_finite() => digits(number) == digits(&format!("{value:e}")),
        _ => false,
    }
}

/// The digits of a number that count, without zeros at either end, and the power of ten of the first of them.
fn digits(number: &str) -> (String, i64) {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let whole = whole.trim_start_matches(['-', '0']);
    let all = format!("{whole}{fraction}");
    let leading = all.len() - all.trim_start_matches('0').len();
    let digits = all.trim_matches('0').to_owned();
    if digits.is_empty() {
        return (digits, 0);
    }
    // An exponent too long for an i64 is no double either, and is refused.
    let exponent: i64 = exponent.parse().unwrap_or(i64::from(i32::MAX));
    (digits, exponent + whole.len() as i64 - leading as i64)
}
