//! Lab 1: the same greeting twice, without state and with.

pub mod stateful;
pub mod stateless;
pub mod visits;

/// The word a greeting begins with: the environment variable `GREETING`, or `Hello`.
pub fn greeting_word() -> String {
    std::env::var("GREETING")
        .ok()
        .filter(|word| !word.trim().is_empty())
        .unwrap_or_else(|| "Hello".to_owned())
}
