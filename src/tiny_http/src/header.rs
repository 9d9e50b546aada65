//! Header fields: what a program reads from a request and gives to a response.

use std::fmt;
use std::str::FromStr;

use ascii::{AsciiStr, AsciiString, FromAsciiError};

/// One header: a field name and its value.
#[derive(Debug, Clone)]
pub struct Header {
    /// The name, compared without regard to case.
    pub field: HeaderField,
    /// The value.
    pub value: AsciiString,
}

impl Header {
    /// Builds a header from bytes.
    ///
    /// Fails unless the name is a token and the value is ASCII without control characters: a header
    /// with a line break in it would be two headers on the wire.
    ///
    /// ```
    /// let header = tiny_http::Header::from_bytes("Content-Type", "text/plain").unwrap();
    /// assert!(tiny_http::Header::from_bytes("Location", "/\r\nSet-Cookie: a=b").is_err());
    /// ```
    #[allow(clippy::result_unit_err)] // 0.12's signature
    pub fn from_bytes<B1, B2>(header: B1, value: B2) -> Result<Header, ()>
    where
        B1: Into<Vec<u8>> + AsRef<[u8]>,
        B2: Into<Vec<u8>> + AsRef<[u8]>,
    {
        let header = Header {
            field: HeaderField::from_bytes(header).map_err(|_| ())?,
            value: AsciiString::from_ascii(value).map_err(|_| ())?,
        };
        if header.is_sendable() { Ok(header) } else { Err(()) }
    }

    /// Whether the header may go on the wire. The fields are public, so a header that was not made
    /// by `from_bytes` or `parse` is looked at once more before it is sent.
    pub(crate) fn is_sendable(&self) -> bool {
        is_token(self.field.as_str().as_bytes()) && self.value.as_bytes().iter().all(|&byte| is_value_byte(byte))
    }
}

impl FromStr for Header {
    type Err = ();

    fn from_str(line: &str) -> Result<Header, ()> {
        let (field, value) = line.split_once(':').ok_or(())?;
        Header::from_bytes(field, value.trim())
    }
}

impl fmt::Display for Header {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.field, self.value)
    }
}

/// The name of a header. Two names are equal whatever their case.
#[derive(Debug, Clone, Eq)]
pub struct HeaderField(AsciiString);

impl HeaderField {
    /// Builds a name from bytes; fails unless they are ASCII.
    pub fn from_bytes<B>(bytes: B) -> Result<HeaderField, FromAsciiError<B>>
    where
        B: Into<Vec<u8>> + AsRef<[u8]>,
    {
        AsciiString::from_ascii(bytes).map(HeaderField)
    }

    /// The name as it was written.
    pub fn as_str(&self) -> &AsciiStr {
        &self.0
    }

    /// Whether this is the header called `other`, whatever the case.
    pub fn equiv(&self, other: &'static str) -> bool {
        self.0.as_str().eq_ignore_ascii_case(other)
    }
}

impl FromStr for HeaderField {
    type Err = ();

    fn from_str(name: &str) -> Result<HeaderField, ()> {
        if name.contains(char::is_whitespace) {
            return Err(());
        }
        HeaderField::from_bytes(name).map_err(|_| ())
    }
}

impl fmt::Display for HeaderField {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.as_str())
    }
}

impl PartialEq for HeaderField {
    fn eq(&self, other: &HeaderField) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

/// A token of RFC 9110: what names headers and methods.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// What may stand in a header's value here: visible ASCII, space and tab.
pub(crate) fn is_value_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~')
}
