//! `PutFunctionConcurrency`, `GetFunctionConcurrency`, `DeleteFunctionConcurrency`.

use serde::Deserialize;
use serde_json::json;

use crate::error::AwsError;
use crate::protocol::{empty, json_answer};
use crate::wire::{Answer, ApiRequest};

use super::Lambda;
use super::errors::{constraint, function_not_found, invalid_parameter, missing};
use super::input::body;
use super::names::{FunctionName, LATEST};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ConcurrencyInput {
    reserved_concurrent_executions: Option<i64>,
}

impl Lambda {
    pub(super) async fn put_concurrency(
        &self,
        request: &ApiRequest,
        name: &FunctionName,
    ) -> Result<Answer, AwsError> {
        unqualified(name)?;
        if self.registry.find(&name.name).is_none() {
            return Err(function_not_found(&name.name, Some(LATEST)));
        }
        let input: ConcurrencyInput = body(request)?;
        let wanted = input
            .reserved_concurrent_executions
            .ok_or_else(|| missing("reservedConcurrentExecutions"))?;
        if wanted < 0 {
            return Err(constraint(
                &wanted.to_string(),
                "reservedConcurrentExecutions",
                "Member must have value greater than or equal to 0",
            ));
        }
        self.check_unreserved(&name.name, wanted, "ReservedConcurrentExecutions")?;
        let reserved = u32::try_from(wanted).ok();
        self.registry
            .update(&name.name, |function| {
                let provisioned = function.provisioned_total();
                if i64::from(provisioned) > wanted {
                    // With AWS's spaces.
                    return Err(invalid_parameter(format!(
                        " ReservedConcurrentExecutions  {wanted} should not be lower than \
                         function's total provisioned concurrency [{provisioned}]."
                    )));
                }
                function.reserved_concurrency = reserved;
                Ok(())
            })
            .await?;
        Ok(json_answer(200, &json!({ "ReservedConcurrentExecutions": wanted })))
    }

    pub(super) fn get_concurrency(&self, name: &FunctionName) -> Result<Answer, AwsError> {
        unqualified(name)?;
        let function = self.registry.get(&name.name)?;
        Ok(json_answer(
            200,
            &match function.reserved_concurrency {
                Some(reserved) => json!({ "ReservedConcurrentExecutions": reserved }),
                None => json!({}),
            },
        ))
    }

    pub(super) async fn delete_concurrency(&self, name: &FunctionName) -> Result<Answer, AwsError> {
        unqualified(name)?;
        self.registry
            .update(&name.name, |function| {
                function.reserved_concurrency = None;
                Ok(())
            })
            .await?;
        Ok(empty(204))
    }
}

fn unqualified(name: &FunctionName) -> Result<(), AwsError> {
    if name.qualifier.is_none() {
        return Ok(());
    }
    Err(invalid_parameter(
        "This operation is permitted on Lambda functions only. Aliases and versions do not support \
         this operation. Please specify either a function name or an unqualified function ARN.",
    ))
}
