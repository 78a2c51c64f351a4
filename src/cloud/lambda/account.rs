//! What an account may run at once: `GetAccountSettings`, and what is left to be reserved.

use serde_json::json;

use crate::error::AwsError;
use crate::protocol::json_answer;
use crate::wire::Answer;

use super::Lambda;
use super::errors::invalid_parameter;
use super::model::Function;

/// Executions at once that an account may have, unless the cloud was started with another number
/// (Lambda quotas; AWS gives new accounts 10 until they ask for more).
const CONCURRENT_EXECUTIONS: u32 = 1000;
/// What must stay for functions that reserve nothing; an account that may have less keeps all of it.
const UNRESERVED_LEAST: u32 = 100;
/// Bytes of code that an account may store (Lambda quotas: 75 GB).
const TOTAL_CODE_SIZE: u64 = 80_530_636_800;

impl Function {
    /// How many executions this function takes out of what others share: its reserve, or without
    /// one what is kept ready for it.
    fn taken(&self) -> u32 {
        self.reserved_concurrency.unwrap_or_else(|| self.provisioned_total())
    }

    /// The environments that are to be kept ready for all its versions and aliases.
    pub fn provisioned_total(&self) -> u32 {
        self.provisioned.values().map(|kept| kept.count).sum()
    }
}

impl Lambda {
    /// Executions at once that the account may have.
    fn concurrent_executions(&self) -> u32 {
        self.core.concurrent_executions.get().copied().unwrap_or(CONCURRENT_EXECUTIONS)
    }

    /// Refuses a change after which `name` would take `wanted` executions out of what functions
    /// share, when too few are left.
    pub(super) fn check_unreserved(
        &self,
        name: &str,
        wanted: i64,
        member: &str,
    ) -> Result<(), AwsError> {
        let limit = self.concurrent_executions();
        let least = UNRESERVED_LEAST.min(limit);
        if i64::from(self.unreserved(Some(name))).saturating_sub(wanted) < i64::from(least) {
            return Err(invalid_parameter(format!(
                "Specified {member} for function decreases account's \
                 UnreservedConcurrentExecution below its minimum value of [{least}]."
            )));
        }
        Ok(())
    }

    /// The executions that nobody has reserved, but for what `except` takes.
    fn unreserved(&self, except: Option<&str>) -> u32 {
        let taken: u32 = self
            .registry
            .all()
            .iter()
            .filter(|function| except != Some(function.name.as_str()))
            .map(|function| function.taken())
            .sum();
        self.concurrent_executions().saturating_sub(taken)
    }

    pub(super) fn account_settings(&self) -> Answer {
        let functions = self.registry.all();
        let code: u64 = functions
            .iter()
            .flat_map(|function| {
                std::iter::once(&function.latest).chain(function.versions.values())
            })
            .map(|configuration| configuration.code_size)
            .sum();
        json_answer(
            200,
            &json!({
                "AccountLimit": {
                    "TotalCodeSize": TOTAL_CODE_SIZE,
                    "CodeSizeUnzipped": 262_144_000,
                    "CodeSizeZipped": 52_428_800,
                    "ConcurrentExecutions": self.concurrent_executions(),
                    "UnreservedConcurrentExecutions": self.unreserved(None),
                },
                "AccountUsage": { "TotalCodeSize": code, "FunctionCount": functions.len() },
            }),
        )
    }
}
