//! Lab 2: pets that are stored and told of, and the two ways to hear of them: a topic, which hears what
//! it is told, and the table's stream, which hears of every write.

pub mod greeter;
mod money;
pub mod pet;
pub mod pets;
pub mod stats;
mod store;
pub mod topic;

#[cfg(test)]
mod stats_tests;
#[cfg(test)]
mod tests;
