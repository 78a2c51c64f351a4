//! Frames of `application/vnd.amazon.eventstream`, the encoding of live tail.
//!
//! A frame: total length, headers' length, CRC-32 of these eight bytes, headers, payload, CRC-32
//! of everything before; numbers are big-endian. A header: length of its name, the name, type 7
//! (text), length of its value in two bytes, the value.

use bytes::{BufMut, Bytes, BytesMut};

const TEXT: u8 = 7;

/// An event of type `event_type` with a JSON payload.
pub fn event(event_type: &str, payload: &[u8]) -> Bytes {
    encode(
        &[
            (":message-type", "event"),
            (":event-type", event_type),
            (":content-type", "application/json"),
        ],
        payload,
    )
}

/// The message that comes before all events where a service speaks AWS JSON: the operation's own
/// answer, which has no members here. botocore insists on it, other SDKs skip it.
/// Source: <https://smithy.io/2.0/spec/event-streams.html> (initial-response messages).
pub fn initial_response() -> Bytes {
    encode(
        &[
            (":message-type", "event"),
            (":event-type", "initial-response"),
            (":content-type", "application/x-amz-json-1.1"),
        ],
        b"{}",
    )
}

/// An exception, which ends the stream.
pub fn exception(exception_type: &str, payload: &[u8]) -> Bytes {
    encode(
        &[
            (":message-type", "exception"),
            (":exception-type", exception_type),
            (":content-type", "application/json"),
        ],
        payload,
    )
}

fn encode(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let headers_length: usize =
        headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    let total = 16 + headers_length + payload.len();
    let mut frame = BytesMut::with_capacity(total);
    frame.put_u32(total as u32);
    frame.put_u32(headers_length as u32);
    frame.put_u32(crc32fast::hash(&frame));
    for (name, value) in headers {
        frame.put_u8(name.len() as u8);
        frame.put_slice(name.as_bytes());
        frame.put_u8(TEXT);
        frame.put_u16(value.len() as u16);
        frame.put_slice(value.as_bytes());
    }
    frame.put_slice(payload);
    frame.put_u32(crc32fast::hash(&frame));
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_laid_out_as_documented() {
        let frame = encode(&[("a", "bc")], b"{}");
        assert_eq!(frame.len(), 16 + 7 + 2);
        assert_eq!(frame[..4], [0, 0, 0, 25]);
        assert_eq!(frame[4..8], [0, 0, 0, 7]);
        assert_eq!(frame[8..12], crc32fast::hash(&frame[..8]).to_be_bytes());
        assert_eq!(&frame[12..19], b"\x01a\x07\x00\x02bc");
        assert_eq!(&frame[19..21], b"{}");
        assert_eq!(frame[21..], crc32fast::hash(&frame[..21]).to_be_bytes());
    }
}
