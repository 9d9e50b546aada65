//! Random secrets as text of letters and digits only: they survive shells, addresses and a double click.

use crate::error::{Error, Result};

/// In the order of ASCII, so that texts of the same width sort as the numbers do.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The digits that 32 bytes need.
pub(super) const SECRET_DIGITS: usize = 43;

/// 32 bytes from the system's random source, as digits.
pub(super) fn secret() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Error::internal("no random bytes from the system").because(error))?;
    let digits: [u8; SECRET_DIGITS] = encode(bytes);
    Ok(digits.into_iter().map(char::from).collect())
}

/// The bytes as one number, highest first, in so many digits.
pub(super) fn encode<const BYTES: usize, const WIDTH: usize>(mut number: [u8; BYTES]) -> [u8; WIDTH] {
    let mut digits = [0; WIDTH];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[usize::from(divide(&mut number, 62))];
    }
    digits
}

/// Divides as on paper, from the highest byte on, and answers the rest.
fn divide(number: &mut [u8], divisor: u16) -> u8 {
    let mut rest: u16 = 0;
    for byte in number {
        let part = rest << 8 | u16::from(*byte);
        // Both fit into a byte: the rest is smaller than the divisor.
        *byte = (part / divisor) as u8;
        rest = part % divisor;
    }
    rest as u8
}
