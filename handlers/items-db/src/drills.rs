//! Common mistakes that can be switched on by configuration, to see what becomes of them.

/// Which mistakes are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drills {
    /// `RESPONSE=bare`: the function hands out something that is not a proxy response.
    pub bare_response: bool,
    /// `BODY_CHECK=off`: an error of parsing the body is not caught.
    pub unchecked_body: bool,
    /// `STATE=memory`: items are kept in the memory of the execution environment.
    pub in_memory: bool,
}

impl Drills {
    /// The mistakes that the environment asks for.
    pub fn from_env() -> Self {
        let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|set| set == value);
        Self {
            bare_response: is("RESPONSE", "bare"),
            unchecked_body: is("BODY_CHECK", "off"),
            in_memory: is("STATE", "memory"),
        }
    }
}
