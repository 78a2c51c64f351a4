//! CBOR requests as JSON values.

use ciborium::Value as Cbor;
use serde_json::{Map, Number, Value};

use super::malformed;
use crate::error::AwsError;

/// How deep a request may be nested.
const DEEPEST: usize = 32;

/// Reads the map that a request is; an empty body is one without members.
pub(super) fn read(body: &[u8]) -> Result<Value, AwsError> {
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let value: Cbor = ciborium::de::from_reader_with_recursion_limit(body, DEEPEST)
        .map_err(|error| malformed(&format!("The body is not valid CBOR: {error}")))?;
    match convert(value)? {
        map @ Value::Object(_) => Ok(map),
        _ => Err(malformed("The body has to be a map.")),
    }
}

fn convert(value: Cbor) -> Result<Value, AwsError> {
    Ok(match value {
        Cbor::Null => Value::Null,
        Cbor::Bool(flag) => Value::Bool(flag),
        Cbor::Text(text) => Value::String(text),
        Cbor::Integer(number) => match i64::try_from(i128::from(number)) {
            Ok(number) => number.into(),
            Err(_) => float(i128::from(number) as f64),
        },
        Cbor::Float(number) => float(number),
        // The only tag of the protocol is 1, a time in seconds since the epoch.
        Cbor::Tag(_, value) => convert(*value)?,
        Cbor::Array(items) => {
            Value::Array(items.into_iter().map(convert).collect::<Result<_, _>>()?)
        }
        Cbor::Map(members) => {
            let mut map = Map::new();
            for (name, value) in members {
                let Cbor::Text(name) = name else {
                    return Err(malformed("The names in a map have to be texts."));
                };
                let value = convert(value)?;
                // As the protocol has it: a member that is null was not sent.
                if !value.is_null() {
                    map.insert(name, value);
                }
            }
            Value::Object(map)
        }
        _ => return Err(malformed("The body has a value of a type that no operation takes.")),
    })
}

/// JSON has no infinities: they travel on as text, and are refused by what takes a number.
fn float(number: f64) -> Value {
    Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number)
}
