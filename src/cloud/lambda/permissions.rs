//! `AddPermission`, `GetPolicy`, `RemovePermission`: one policy per function, version and alias.

use crate::error::AwsError;
use crate::protocol::{empty, json_answer};
use crate::wire::{Answer, ApiRequest};

use super::Lambda;
use super::aliases::cannot_find;
use super::errors::{conflict, function_not_found, invalid_parameter, not_found, wrong_revision};
use super::input::body;
use super::model::{Function, new_revision};
use super::names::{FunctionName, LATEST, is_version, is_word};
use super::policy::PermissionInput;
use super::render;

/// The largest policy, in bytes of its JSON.
const POLICY_LIMIT: usize = 20_480;

impl Lambda {
    pub(super) async fn add_permission(
        &self,
        request: &ApiRequest,
        name: &FunctionName,
    ) -> Result<Answer, AwsError> {
        let input: PermissionInput = body(request)?;
        let id = input.check()?;
        refuse_latest(name)?;
        let statement = input.statement(&name.qualified_arn())?;
        self.registry
            .update(&name.name, |function| {
                check_qualifier(function, name)?;
                if let Some(given) = &input.revision_id
                    && given != revision_id(function, name)?
                {
                    return Err(wrong_revision("GetPolicy"));
                }
                let key = policy_key(name);
                let mut policy = function.policies.get(&key).cloned().unwrap_or_default();
                if policy.statements.iter().any(|s| s["Sid"] == id) {
                    return Err(conflict(format!(
                        "The statement id ({id}) provided already exists. Please provide a new \
                         statement id, or remove the existing statement."
                    )));
                }
                policy.statements.push(statement.clone());
                let size = render::policy_document(&policy).len();
                if size > POLICY_LIMIT {
                    return Err(AwsError::new(
                        400,
                        "PolicyLengthExceededException",
                        format!("The final policy size ({size}) is bigger than the limit ({POLICY_LIMIT})."),
                    ));
                }
                policy.revision_id = new_revision();
                function.policies.insert(key, policy);
                Ok(())
            })
            .await?;
        Ok(json_answer(201, &serde_json::json!({ "Statement": statement.to_string() })))
    }

    pub(super) fn get_policy(&self, name: &FunctionName) -> Result<Answer, AwsError> {
        let function = self.registry.find(&name.name);
        let policy =
            function.as_ref().and_then(|function| function.policies.get(&policy_key(name)));
        match policy {
            Some(policy) => Ok(json_answer(200, &render::policy(policy))),
            None => Err(not_found("The resource you requested does not exist.")),
        }
    }

    pub(super) async fn remove_permission(
        &self,
        request: &ApiRequest,
        name: &FunctionName,
        statement_id: &str,
    ) -> Result<Answer, AwsError> {
        if self.registry.find(&name.name).is_none() {
            return Err(not_found(format!("No policy found for: {}", name.qualified_arn())));
        }
        let given = request.query_value("RevisionId");
        self.registry
            .update(&name.name, |function| {
                check_qualifier(function, name)?;
                let key = policy_key(name);
                let Some(mut policy) = function.policies.get(&key).cloned() else {
                    return Err(not_found("No policy is associated with the given resource."));
                };
                let before = policy.statements.len();
                policy.statements.retain(|statement| statement["Sid"] != statement_id);
                if policy.statements.len() == before {
                    return Err(not_found(format!(
                        "Statement {statement_id} is not found in resource policy."
                    )));
                }
                if let Some(given) = &given
                    && given != revision_id(function, name)?
                {
                    return Err(wrong_revision("GetFunction/GetAlias"));
                }
                policy.revision_id = new_revision();
                if policy.statements.is_empty() {
                    function.policies.remove(&key);
                } else {
                    function.policies.insert(key, policy);
                }
                Ok(())
            })
            .await?;
        Ok(empty(204))
    }
}

/// Under which key the policy of a name is kept: `$LATEST` shares the unqualified function's.
pub fn policy_key(name: &FunctionName) -> String {
    name.qualifier.clone().filter(|qualifier| qualifier != LATEST).unwrap_or_default()
}

fn refuse_latest(name: &FunctionName) -> Result<(), AwsError> {
    if name.qualifier.as_deref() == Some(LATEST) {
        return Err(invalid_parameter("We currently do not support adding policies for $LATEST."));
    }
    Ok(())
}

/// Whether the version or alias is there.
fn check_qualifier(function: &Function, name: &FunctionName) -> Result<(), AwsError> {
    let Some(qualifier) = name.qualifier.as_deref() else { return Ok(()) };
    if function.resolve(Some(qualifier)).is_some() {
        return Ok(());
    }
    if is_word(qualifier) && !is_version(qualifier) {
        return Err(cannot_find(&name.name, qualifier));
    }
    Err(function_not_found(&name.name, Some(qualifier)))
}

/// The revision id that guards the policy of a name: the policy's own, and before there is one, that
/// of the alias or the configuration (as recorded).
fn revision_id<'a>(function: &'a Function, name: &FunctionName) -> Result<&'a str, AwsError> {
    let qualifier = name.qualifier.as_deref();
    if let Some(policy) = function.policies.get(&policy_key(name)) {
        return Ok(&policy.revision_id);
    }
    if let Some(alias) = qualifier.and_then(|qualifier| function.aliases.get(qualifier)) {
        return Ok(&alias.revision_id);
    }
    function
        .resolve(qualifier)
        .map(|c| c.revision_id.as_str())
        .ok_or_else(|| function_not_found(&name.name, qualifier))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::lambda::model::Policy;
    use crate::lambda::model::tests::function;
    use crate::lambda::updates::publish;

    fn name(qualifier: Option<&str>) -> FunctionName {
        FunctionName { name: "f".to_owned(), qualifier: qualifier.map(str::to_owned) }
    }

    #[test]
    fn a_policy_is_guarded_by_its_own_revision_id() {
        let mut f = function("f");
        publish(&mut f, None);
        assert_eq!(revision_id(&f, &name(None)).unwrap(), f.latest.revision_id, "none yet");
        let policy = Policy { revision_id: "own".to_owned(), ..Policy::default() };
        f.policies.insert(policy_key(&name(None)), policy);
        assert_eq!(revision_id(&f, &name(None)).unwrap(), "own");
        let version = name(Some("1"));
        assert_eq!(
            revision_id(&f, &version).unwrap(),
            f.versions[&1].revision_id,
            "others keep theirs"
        );
    }

    #[test]
    fn missing_qualifiers_are_named_as_aws_names_them() {
        let f = function("f");
        let message = |q| check_qualifier(&f, &name(Some(q))).unwrap_err().message;
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
        assert_eq!(message("nope"), format!("Cannot find alias arn: {arn}:nope"));
        assert_eq!(message("42"), format!("Function not found: {arn}:42"));
        assert_eq!(message("with-$"), format!("Function not found: {arn}:with-$"));
        assert_eq!(policy_key(&name(Some(LATEST))), "");
    }
}
