//! A pet, as requests, messages and the table hold it.

use serde_json::{Number, Value, json};

/// Longest type, in characters.
pub const MOST_TYPE_CHARACTERS: usize = 64;
/// Highest price. Beyond it, the totals could not be added up exactly.
pub const MOST_PRICE: f64 = 1_000_000_000.0;

/// A pet.
#[derive(Debug, Clone, PartialEq)]
pub struct Pet {
    /// Its id.
    pub id: String,
    /// What it is: `dog`.
    pub kind: String,
    /// What it costs.
    pub price: Number,
}

impl Pet {
    /// Reads a pet that has no id yet. The API's model refuses most of what is wrong before a function
    /// sees it; a function that is invoked in another way has nobody before it.
    ///
    /// Errors: what is wrong, for the caller.
    pub fn read(id: String, body: &Value) -> Result<Self, &'static str> {
        let members = body.as_object().ok_or("The body is not a JSON object.")?;
        let kind = match members.get("type") {
            None => return Err("The member type is missing."),
            Some(Value::String(kind)) if kind.trim().is_empty() => {
                return Err("The member type is empty.");
            }
            Some(Value::String(kind)) if kind.chars().count() > MOST_TYPE_CHARACTERS => {
                return Err("The member type is longer than 64 characters.");
            }
            Some(Value::String(kind)) => kind.clone(),
            Some(_) => return Err("The member type is not text."),
        };
        let price = match members.get("price") {
            None => return Err("The member price is missing."),
            Some(Value::Number(price)) => price.clone(),
            Some(_) => return Err("The member price is not a number."),
        };
        if !price.as_f64().is_some_and(|price| (0.0..=MOST_PRICE).contains(&price)) {
            return Err("The member price must be a number from 0 to 1000000000.");
        }
        Ok(Self { id, kind, price })
    }

    /// The pet as JSON: `{"id", "type", "price"}`.
    pub fn json(&self) -> Value {
        json!({ "id": self.id, "type": self.kind, "price": self.price })
    }
}
