//! Cursors: the place in a list behind which the next page begins, as the sort value and id of the last row.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::error::{Code, Error, Result};

/// A place in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub value: String,
    pub id: Uuid,
}

impl Cursor {
    /// The cursor as clients get it. It remembers the order that it is of.
    pub fn write(order: &str, value: &Value, id: &Value) -> String {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        URL_SAFE_NO_PAD.encode(json!([order, value, id]).to_string())
    }

    pub fn read(text: &str, order: &str) -> Result<Cursor> {
        let wrong = |message: &str| Error::new(Code::MalformedRequest, format!("cursor {message}"));
        let made_up = || wrong("is not one that was given out");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| made_up())?;
        let (of, value, id): (String, String, Uuid) = serde_json::from_slice(&bytes).map_err(|_| made_up())?;
        if of != order {
            return Err(wrong(&format!("belongs to sort={of}; begin again without it")));
        }
        if value.contains('\0') {
            return Err(made_up());
        }
        Ok(Cursor { value, id })
    }
}
