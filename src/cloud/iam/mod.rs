//! IAM: roles with their policies, the sessions that functions run under, and what they may do.

mod api;
mod api_policies;
mod condition;
mod managed;
mod policy;
mod resource;
mod role;
mod session;
pub(crate) mod wildcard;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

pub use resource::{Requester, ResourcePolicy};
pub use session::{Credential, SessionCredentials, random_id, random_text};

use crate::core::{ACCOUNT_ID, Core};
use crate::error::AwsError;
use crate::store::{Change, StoreError};
use crate::wire::Caller;
use condition::Context;
use policy::Decision;
use role::{Role, RoleDocument};
use session::Sessions;

/// Documents of roles, by role name.
const ROLES: &str = "iam.roles";

/// The identity service of the local cloud.
#[derive(Debug)]
pub struct Iam {
    core: Arc<Core>,
    roles: RwLock<BTreeMap<String, Arc<Role>>>,
    sessions: Sessions,
    /// Held across a change, so that two changes of one role can't overwrite each other.
    writing: tokio::sync::Mutex<()>,
}

/// A call that no policy allows, or that one denies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Denial {
    /// AWS's message: who may not do what on which resource, and which kind of policy decided.
    pub message: String,
}

impl Denial {
    /// The error as a service answers it: `AccessDeniedException` with its status (403 for
    /// restJson1 services, 400 for awsJson services).
    pub fn into_error(self, status: u16) -> AwsError {
        AwsError::new(status, "AccessDeniedException", self.message)
    }
}

impl Iam {
    /// Reads the roles from the store.
    pub fn open(core: Arc<Core>) -> Result<Arc<Self>, StoreError> {
        let mut roles = BTreeMap::new();
        for (name, document) in core.store.load::<RoleDocument>(ROLES)? {
            roles.insert(name, Arc::new(Role::new(document)));
        }
        Ok(Arc::new(Self {
            core,
            roles: RwLock::new(roles),
            sessions: Sessions::default(),
            writing: tokio::sync::Mutex::new(()),
        }))
    }

    /// Whether the role exists and its trust policy lets `service` (such as
    /// `lambda.amazonaws.com`) assume it.
    pub fn assumable_by(&self, role_arn: &str, service: &str) -> bool {
        self.role_of_arn(role_arn)
            .is_some_and(|role| role.trust.trusts_service(service, &Context::now(role_arn)))
    }

    /// Temporary credentials of a role. They live in memory and end with the cloud.
    pub fn issue_session(&self, role_arn: &str, session_name: &str) -> SessionCredentials {
        self.sessions.issue(role_arn, session_name)
    }

    /// Ends a session: its credentials are refused from now on.
    pub fn revoke_session(&self, access_key_id: &str) {
        self.sessions.revoke(access_key_id);
    }

    /// The secret and the owner of a session's access key.
    pub fn secret_for(&self, access_key_id: &str) -> Option<Credential> {
        self.sessions.find(access_key_id)
    }

    /// Whether `caller` may do `action` (such as `dynamodb:GetItem`) on a resource.
    pub fn authorize(
        &self,
        caller: &Caller,
        action: &str,
        resource_arn: &str,
    ) -> Result<(), Denial> {
        let Caller::Session { role_arn, .. } = caller else { return Ok(()) };
        let decision = self.role_of_arn(role_arn).map_or(Decision::ImplicitDeny, |role| {
            role.decide(action, resource_arn, &Context::now(role_arn))
        });
        let reason = match decision {
            Decision::Allow => return Ok(()),
            Decision::ExplicitDeny => {
                "with an explicit deny in an identity-based policy".to_owned()
            }
            Decision::ImplicitDeny => {
                format!("because no identity-based policy allows the {action} action")
            }
        };
        Err(Denial {
            message: format!(
                "User: {} is not authorized to perform: {action} on resource: {resource_arn} \
                 {reason}",
                caller_arn(caller)
            ),
        })
    }

    /// The id of a role (`AROA…`), when it exists.
    pub fn role_id(&self, role_arn: &str) -> Option<String> {
        self.role_of_arn(role_arn).map(|role| role.document.id.clone())
    }

    fn role_of_arn(&self, role_arn: &str) -> Option<Arc<Role>> {
        let (_, name) = role_arn.rsplit_once('/')?;
        self.role(name).filter(|role| role.document.arn == role_arn)
    }

    fn role(&self, name: &str) -> Option<Arc<Role>> {
        self.roles.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Makes a role durable, then visible.
    async fn save(&self, document: RoleDocument) -> Result<(), AwsError> {
        let name = document.name.clone();
        self.core.store.commit(vec![Change::put(ROLES, &name, &document)?]).await?;
        let role = Arc::new(Role::new(document));
        self.roles.write().unwrap_or_else(PoisonError::into_inner).insert(name, role);
        Ok(())
    }

    async fn remove(&self, name: &str) -> Result<(), AwsError> {
        self.core.store.commit(vec![Change::delete(ROLES, name)]).await?;
        self.roles.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        Ok(())
    }
}

/// The ARN by which AWS names a caller in messages and in `GetCallerIdentity`.
pub fn caller_arn(caller: &Caller) -> String {
    match caller {
        Caller::Operator => format!("arn:aws:iam::{ACCOUNT_ID}:root"),
        Caller::Session { role_arn, session_name } => {
            let role = role_arn.rsplit_once('/').map_or(role_arn.as_str(), |(_, name)| name);
            format!("arn:aws:sts::{ACCOUNT_ID}:assumed-role/{role}/{session_name}")
        }
    }
}
