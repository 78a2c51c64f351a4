//! Paging tokens: opaque to clients, JSON in base64 to us; and event ids.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::invalid;
use crate::error::AwsError;

/// Writes a position as a token.
pub fn write(position: &impl Serialize) -> String {
    // Positions are numbers and strings: they always have a JSON form.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(position).unwrap_or_default())
}

/// Reads a token back.
pub fn read<T: DeserializeOwned>(token: &str) -> Result<T, AwsError> {
    URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|json| serde_json::from_slice(&json).ok())
        .ok_or_else(invalid_token)
}

/// As [`read`], with the default position where there is no token.
pub fn read_or_default<T: DeserializeOwned + Default>(token: Option<&str>) -> Result<T, AwsError> {
    token.map_or_else(|| Ok(T::default()), read)
}

/// The answer to a token that is not ours or is too old.
pub fn invalid_token() -> AwsError {
    invalid("The specified nextToken is invalid.")
}

/// The place of an event: its time in ms, then the order of ingestion.
pub type Place = (i64, i64);

/// The id of the event at `place`: 56 digits as AWS's, in the order of time, then ingestion.
pub fn event_id((timestamp, seq): Place) -> String {
    format!("3{timestamp:018}{seq:037}")
}

/// The place that an event id tells.
pub fn place_of(event_id: &str) -> Option<Place> {
    let digits = event_id.strip_prefix('3')?;
    if digits.len() != 55 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((digits[..18].parse().ok()?, digits[18..].parse().ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn event_ids_sort_like_their_places() {
        let places = [(0, 0), (5, 9), (5, 10), (1_795_168_800_000, 1), (1_795_168_800_001, 0)];
        let ids: Vec<_> = places.iter().map(|place| event_id(*place)).collect();
        assert!(ids.is_sorted());
        for (id, place) in ids.iter().zip(places) {
            assert_eq!(id.len(), 56);
            assert_eq!(place_of(id), Some(place));
        }
        assert_eq!(place_of("3x"), None);
        assert!(read::<Place>("no token").is_err());
        assert_eq!(read::<Place>(&write(&(1, 2))).unwrap(), (1, 2));
    }
}
