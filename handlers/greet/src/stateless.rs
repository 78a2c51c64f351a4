//! A greeting made from nothing but the code: no storage, no memory of who asked before.

use handler_common::http::StatusCode;
use handler_common::{Call, Reply, Service};
use serde_json::json;

/// What this function calls itself.
pub const SERVICE: Service = Service { name: "greet-stateless", counters: &[] };

/// One of these comes with each greeting.
pub const FACTS: &[&str] = &[
    "Honey does not spoil: pots of it three thousand years old have been found in Egypt.",
    "An octopus has three hearts and blue blood.",
    "Bananas are berries, botanically; strawberries are not.",
    "A day on Venus is longer than its year.",
    "Wombats leave droppings shaped like cubes.",
    "The Eiffel Tower grows by some fifteen centimetres in a hot summer.",
    "Sharks are older than trees.",
    "There are more ways to shuffle a deck of cards than there are atoms on Earth.",
    "Sea otters hold hands while they sleep, so as not to drift apart.",
    "The dot over an i has a name: it is a tittle.",
    "Scotland's national animal is the unicorn.",
    "Light from the Sun takes a little over eight minutes to reach us.",
];

/// Greets with a random fact.
pub fn greet(word: &str, call: &Call) -> Reply {
    let fact = FACTS[fastrand::usize(..FACTS.len())];
    Reply::json(
        StatusCode::OK,
        json!({
            "greeting": format!("{word}!"),
            "fact": fact,
            "version": call.version(),
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greets_with_a_fact() {
        let call = Call::new(SERVICE, "3", "r-1");
        for _ in 0..100 {
            let reply = greet("Welcome", &call);
            assert_eq!(reply.status(), 200);
            assert_eq!(reply.headers()["content-type"], "application/json");
            assert_eq!(reply.body()["greeting"], "Welcome!");
            assert_eq!(reply.body()["version"], "3");
            let fact = reply.body()["fact"].as_str().unwrap_or_default();
            assert!(FACTS.contains(&fact));
        }
    }
}
