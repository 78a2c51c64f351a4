//! Policies of resources (queues, topics), and decisions that take them into account.

use super::condition::Context;
use super::policy::{Decision, Kind, Policy};
use super::{Denial, Iam, caller_arn};
use crate::error::AwsError;
use crate::wire::Caller;

/// Who asks for something to be done with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requester<'a> {
    /// Credentials.
    Caller(&'a Caller),
    /// A service of the cloud, on behalf of another resource.
    Service {
        /// Such as `sns.amazonaws.com`.
        principal: &'a str,
        /// The resource on whose behalf it acts.
        source_arn: &'a str,
    },
}

/// The policy of a resource, ready for decisions.
#[derive(Debug, Clone)]
pub struct ResourcePolicy {
    policy: Policy,
}

impl ResourcePolicy {
    /// Reads the policy of a resource, or says why IAM would not take it.
    pub fn parse(document: &str) -> Result<Self, AwsError> {
        Policy::parse(document, Kind::Resource).map(|policy| Self { policy })
    }
}

impl Iam {
    /// Whether somebody may do `action` on a resource that may have a policy of its own.
    ///
    /// Within one account it is enough that either the identity's or the resource's policies
    /// allow it, and nothing may deny it (IAM User Guide, "Policy evaluation logic"); a service
    /// has no identity-based policy.
    pub fn authorize_on(
        &self,
        requester: Requester<'_>,
        action: &str,
        resource_arn: &str,
        policy: Option<&ResourcePolicy>,
    ) -> Result<(), Denial> {
        let caller = match requester {
            Requester::Caller(caller) => caller,
            Requester::Service { principal, source_arn } => {
                let decision = policy.map(|policy| {
                    let context = Context::of_service(source_arn);
                    policy.policy.decide_for_service(principal, action, resource_arn, &context)
                });
                return match decision {
                    Some(Decision::Allow) => Ok(()),
                    _ => Err(Denial {
                        message: format!(
                            "{principal} is not authorized to perform: {action} on resource: \
                             {resource_arn} because no resource-based policy allows the {action} \
                             action"
                        ),
                    }),
                };
            }
        };
        let Caller::Session { role_arn, .. } = caller else { return Ok(()) };
        let session_arn = caller_arn(caller);
        let names = [role_arn.as_str(), session_arn.as_str()];
        let decision = policy.map_or(Decision::ImplicitDeny, |policy| {
            let context = Context::now(role_arn);
            policy.policy.decide_for_identity(&names, action, resource_arn, &context)
        });
        match decision {
            Decision::ImplicitDeny => self.authorize(caller, action, resource_arn),
            Decision::ExplicitDeny => Err(Denial {
                message: format!(
                    "User: {session_arn} is not authorized to perform: {action} on resource: \
                     {resource_arn} with an explicit deny in a resource-based policy"
                ),
            }),
            Decision::Allow if self.denies(role_arn, action, resource_arn) => {
                self.authorize(caller, action, resource_arn)
            }
            Decision::Allow => Ok(()),
        }
    }

    /// Whether a policy of the role denies it explicitly.
    fn denies(&self, role_arn: &str, action: &str, resource_arn: &str) -> bool {
        self.role_of_arn(role_arn).is_some_and(|role| {
            role.decide(action, resource_arn, &Context::now(role_arn)) == Decision::ExplicitDeny
        })
    }
}
