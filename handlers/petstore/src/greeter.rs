//! The function `pet-greeter`: a subscriber of the topic.

use handler_common::{Call, Failure, Level, Service, TopicMessage};
use serde_json::Value;

/// Counts pets that were greeted.
pub(crate) const GREETED: &str = "Greeted";

/// What this function calls itself, and what it counts.
pub const SERVICE: Service = Service { name: "pet-greeter", counters: &[GREETED] };

/// Greets the pet that a message tells of, in the log.
///
/// Errors: the message tells of no pet. It stays so however often it is tried, and ends where messages
/// go that could not be handled.
pub fn greet(message: &TopicMessage, call: &Call) -> Result<(), Failure> {
    let pet: Value = serde_json::from_str(&message.text).unwrap_or_default();
    let (Some(id), Some(kind)) = (pet["id"].as_str(), pet["type"].as_str()) else {
        return Err(Failure::new("InvalidMessage", "The message tells of no pet", 400));
    };
    call.count(GREETED);
    call.property("petId", id);
    let fields = [("petId", id.into()), ("petType", kind.into())];
    call.log(Level::Info, &format!("Welcome, {kind}!"), &fields);
    Ok(())
}
