//! The ids that API Gateway gives: lower-case letters and digits; and the values of API keys.

use crate::error::AwsError;

const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// Letters and digits, as in the values of API keys.
const MIXED: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A new value of an API key: 40 letters and digits, as AWS generates them.
pub(super) fn key_value() -> Result<String, AwsError> {
    let mut bytes = [0_u8; 40];
    fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| char::from(MIXED[usize::from(*byte) % MIXED.len()])).collect())
}

/// A new id of `length` characters.
pub(super) fn new(length: usize) -> Result<String, AwsError> {
    let mut bytes = vec![0_u8; length];
    fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect())
}

/// A new id of `length` characters that `taken` does not know.
pub(super) fn unused(length: usize, taken: impl Fn(&str) -> bool) -> Result<String, AwsError> {
    loop {
        let id = new(length)?;
        if !taken(&id) {
            return Ok(id);
        }
    }
}

/// Fills `bytes` from the operating system's random source.
pub(super) fn fill(bytes: &mut [u8]) -> Result<(), AwsError> {
    getrandom::fill(bytes)
        .map_err(|error| AwsError::internal(format!("the random source failed: {error}")))
}
