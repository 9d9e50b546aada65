//! The chunked transfer coding, decoded strictly and a piece at a time.

use crate::buffer::Buffer;
use crate::limits::Reject;

/// Bytes of chunk extensions that a whole body may carry. They are thrown away, so nobody needs many.
const EXTENSION_BYTES_MAX: usize = 16 << 10;
/// Bytes of trailers that a body may end with. They are thrown away too.
const TRAILER_BYTES_MAX: usize = 8 << 10;
/// Hexadecimal digits of a chunk's size; 15 cannot overflow a `u64`.
const SIZE_DIGITS_MAX: u32 = 15;

/// Where in a chunked body the decoder stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Size {
        value: u64,
        digits: u32,
    },
    /// White space after a size: only an extension may follow.
    Gap,
    Extension,
    SizeEnd,
    Data,
    DataReturn,
    DataEnd,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerEnd,
    LastEnd,
    Done,
}

/// A decoder of one chunked body.
#[derive(Debug, Clone)]
pub(crate) struct Chunked {
    state: State,
    /// Of the chunk at hand, the bytes that are still to come.
    remaining: u64,
    extension_bytes: usize,
    trailer_bytes: usize,
}

impl Chunked {
    pub(crate) fn new() -> Chunked {
        Chunked { state: State::Size { value: 0, digits: 0 }, remaining: 0, extension_bytes: 0, trailer_bytes: 0 }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether a chunk's data are what comes next.
    pub(crate) fn is_in_data(&self) -> bool {
        self.state == State::Data
    }

    /// Moves decoded bytes from `input` to `out` until the input is used up, the body is at its end, or
    /// `room` bytes have been added.
    pub(crate) fn decode(&mut self, input: &mut Buffer, out: &mut Vec<u8>, mut room: usize) -> Result<(), Reject> {
        while !input.is_empty() && !self.is_done() {
            if self.state == State::Data {
                let available = input.data().len().min(room);
                let count = usize::try_from(self.remaining).map_or(available, |remaining| remaining.min(available));
                if count == 0 {
                    return Ok(());
                }
                out.extend_from_slice(&input.data()[..count]);
                input.consume(count);
                room -= count;
                self.remaining -= count as u64;
                if self.remaining == 0 {
                    self.state = State::DataReturn;
                }
            } else {
                let byte = input.data()[0];
                input.consume(1);
                self.state = self.next(byte)?;
            }
        }
        Ok(())
    }

    /// The state after one byte that is not data.
    fn next(&mut self, byte: u8) -> Result<State, Reject> {
        Ok(match (&self.state, byte) {
            (State::Size { value, digits }, byte) => match (char::from(byte).to_digit(16), byte) {
                (Some(_), _) if *digits == SIZE_DIGITS_MAX => return Err(Reject::new(413, "a chunk is too large")),
                (Some(digit), _) => State::Size { value: value * 16 + u64::from(digit), digits: digits + 1 },
                (None, _) if *digits == 0 => return Err(Reject::bad("a chunk has no size")),
                (None, terminator) => {
                    self.remaining = *value;
                    match terminator {
                        b'\r' => State::SizeEnd,
                        b';' => State::Extension,
                        b' ' | b'\t' => State::Gap,
                        _ => return Err(Reject::bad("a chunk's size is not a hexadecimal number")),
                    }
                }
            },
            (State::Gap, b' ' | b'\t') => self.count_extension(State::Gap)?,
            (State::Gap, b';') => State::Extension,
            (State::Extension, b'\r') => State::SizeEnd,
            (State::Extension, b'\t' | b' '..=b'~' | 0x80..) => self.count_extension(State::Extension)?,
            (State::SizeEnd, b'\n') if self.remaining == 0 => State::TrailerStart,
            (State::SizeEnd, b'\n') => State::Data,
            (State::DataReturn, b'\r') => State::DataEnd,
            (State::DataEnd, b'\n') => State::Size { value: 0, digits: 0 },
            (State::TrailerStart, b'\r') => State::LastEnd,
            (State::TrailerStart | State::TrailerName, byte) if crate::header::is_token(&[byte]) => {
                self.count_trailer(State::TrailerName)?
            }
            (State::TrailerName, b':') => State::TrailerValue,
            (State::TrailerValue, b'\r') => State::TrailerEnd,
            (State::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => self.count_trailer(State::TrailerValue)?,
            (State::TrailerEnd, b'\n') => State::TrailerStart,
            (State::LastEnd, b'\n') => State::Done,
            _ => return Err(Reject::bad("the chunked body is malformed")),
        })
    }

    fn count_extension(&mut self, state: State) -> Result<State, Reject> {
        self.extension_bytes += 1;
        match self.extension_bytes {
            ..=EXTENSION_BYTES_MAX => Ok(state),
            _ => Err(Reject::bad("the body has too many chunk extensions")),
        }
    }

    fn count_trailer(&mut self, state: State) -> Result<State, Reject> {
        self.trailer_bytes += 1;
        match self.trailer_bytes {
            ..=TRAILER_BYTES_MAX => Ok(state),
            _ => Err(Reject::new(431, "the body's trailers are too large")),
        }
    }
}
