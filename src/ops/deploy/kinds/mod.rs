//! One module per kind of resource: what is wanted of it, what is live, the plan between the two, and
//! the calls that carry it out.

pub mod account;
pub mod alarm;
pub mod alias;
pub mod api;
pub mod asynchronous;
pub mod concurrency;
pub mod definition;
pub mod drift;
pub mod function;
pub mod key;
pub mod log_group;
pub mod mapping;
pub mod permission;
pub mod provisioned;
pub mod queue;
pub mod role;
pub mod stage;
pub mod subscription;
pub mod table;
pub mod topic;
pub mod usage_plan;
