//! Policies of resources (queues, topics), and decisions that take them into account.

use super::context::Context;
use super::policy::{Decision, Kind, Policy};
use super::{Denial, Iam, context_of};
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
        let user = self.caller_arn(caller);
        let role = match caller {
            Caller::Session { role_arn, .. } => role_arn.as_str(),
            Caller::Operator | Caller::Cloud => user.as_str(),
        };
        let decision = policy.map_or(Decision::ImplicitDeny, |policy| {
            let names = [role, user.as_str()];
            let context = context_of(caller);
            policy.policy.decide_for_identity(&names, action, resource_arn, &context)
        });
        match decision {
            // Who runs the cloud without a policy may do everything.
            _ if self.is_unrestricted(caller) => Ok(()),
            Decision::ImplicitDeny => self.authorize(caller, action, resource_arn),
            Decision::ExplicitDeny => Err(Denial {
                message: format!(
                    "User: {user} is not authorized to perform: {action} on resource: \
                     {resource_arn} with an explicit deny in a resource-based policy"
                ),
            }),
            Decision::Allow => {
                match self.decide(caller, action, resource_arn, &context_of(caller)) {
                    Decision::ExplicitDeny => self.authorize(caller, action, resource_arn),
                    Decision::Allow | Decision::ImplicitDeny => Ok(()),
                }
            }
        }
    }
}
