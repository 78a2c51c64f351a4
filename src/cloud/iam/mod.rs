//! IAM: roles with their policies, the sessions that functions run under, and what they may do.

mod api;
mod api_managed;
mod api_policies;
mod asked;
mod condition;
mod context;
mod managed;
mod operator;
mod policy;
mod resource;
mod role;
mod session;
pub(crate) mod wildcard;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Instant;

pub use asked::Asked;
pub use operator::{OperatorPolicy, PolicyFileError};
pub use resource::{Requester, ResourcePolicy};
pub use session::{Credential, SessionCredentials, random_id, random_text};

use crate::core::{ACCOUNT_ID, Core};
use crate::error::AwsError;
use crate::store::{Change, StoreError};
use crate::wire::Caller;
use context::{Context, OPERATOR};
use managed::PolicyDocument;
use policy::{Decision, Policy};
use role::{Role, RoleDocument};
use session::Sessions;

/// Documents of roles, by role name.
const ROLES: &str = "iam.roles";
/// Documents of the account's managed policies, by ARN.
const POLICIES: &str = "iam.policies";

/// The identity service of the local cloud.
#[derive(Debug)]
pub struct Iam {
    core: Arc<Core>,
    roles: RwLock<BTreeMap<String, Arc<Role>>>,
    /// The account's managed policies, by ARN.
    managed: RwLock<BTreeMap<String, PolicyDocument>>,
    sessions: Sessions,
    /// What the operator may do; everything, unless a policy was given.
    operator: OnceLock<Policy>,
    /// What it asked to do, where a policy was given.
    pub asked: Asked,
    /// When roles were made that services can't assume yet.
    fresh: Mutex<HashMap<String, Instant>>,
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
        let managed: BTreeMap<String, PolicyDocument> =
            core.store.load::<PolicyDocument>(POLICIES)?.into_iter().collect();
        let mut roles = BTreeMap::new();
        for (name, document) in core.store.load::<RoleDocument>(ROLES)? {
            roles.insert(name, Arc::new(Role::new(document, &managed)));
        }
        Ok(Arc::new(Self {
            core,
            roles: RwLock::new(roles),
            managed: RwLock::new(managed),
            sessions: Sessions::default(),
            operator: OnceLock::new(),
            asked: Asked::default(),
            fresh: Mutex::default(),
            writing: tokio::sync::Mutex::new(()),
        }))
    }

    /// Whether the role exists, has become known everywhere, and its trust policy lets `service`
    /// (such as `lambda.amazonaws.com`) assume it.
    pub fn assumable_by(&self, role_arn: &str, service: &str) -> bool {
        self.role_of_arn(role_arn).is_some_and(|role| {
            self.is_known_everywhere(&role.document.name)
                && role.trust.trusts_service(service, &Context::now(role_arn))
        })
    }

    /// From now on a role that was just made takes its time to be known everywhere.
    fn spread(&self, role: &str) {
        let time = self.core.timing.role_propagation;
        if time.is_zero() {
            return;
        }
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        fresh.retain(|_, made| made.elapsed() < time);
        fresh.insert(role.to_owned(), Instant::now());
    }

    fn is_known_everywhere(&self, role: &str) -> bool {
        let fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        fresh.get(role).is_none_or(|made| made.elapsed() >= self.core.timing.role_propagation)
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

    /// From now on the operator is a user who may do what this policy allows.
    pub fn restrict_operator(&self, policy: OperatorPolicy) {
        let _ = self.operator.set(policy.into_policy());
    }

    /// Whether `caller` may do `action` (such as `dynamodb:GetItem`) on a resource.
    pub fn authorize(
        &self,
        caller: &Caller,
        action: &str,
        resource_arn: &str,
    ) -> Result<(), Denial> {
        self.authorize_with(caller, action, resource_arn, &[])
    }

    /// As [`Iam::authorize`], with condition keys that only this call has.
    pub fn authorize_with(
        &self,
        caller: &Caller,
        action: &str,
        resource_arn: &str,
        keys: &[(&'static str, &str)],
    ) -> Result<(), Denial> {
        let decision = self.decide(caller, action, resource_arn, &context_of(caller).with(keys));
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
                self.caller_arn(caller)
            ),
        })
    }

    /// What the policies of a caller itself say.
    fn decide(
        &self,
        caller: &Caller,
        action: &str,
        resource_arn: &str,
        context: &Context,
    ) -> Decision {
        match caller {
            Caller::Cloud => Decision::Allow,
            Caller::Operator => self.operator.get().map_or(Decision::Allow, |policy| {
                self.asked.note(action, resource_arn);
                policy.decide(action, resource_arn, context)
            }),
            Caller::Session { role_arn, .. } => self
                .role_of_arn(role_arn)
                .map_or(Decision::ImplicitDeny, |role| role.decide(action, resource_arn, context)),
        }
    }

    /// Whether no policy holds for a caller.
    fn is_unrestricted(&self, caller: &Caller) -> bool {
        match caller {
            Caller::Cloud => true,
            Caller::Operator => self.operator.get().is_none(),
            Caller::Session { .. } => false,
        }
    }

    /// Whether `caller` may give a role to a service (`iam:PassRole`).
    pub fn authorize_pass(
        &self,
        caller: &Caller,
        role_arn: &str,
        service: &str,
    ) -> Result<(), Denial> {
        self.authorize_with(caller, "iam:PassRole", role_arn, &[("iam:PassedToService", service)])
    }

    /// The ARN by which AWS names a caller in messages and in `GetCallerIdentity`.
    pub fn caller_arn(&self, caller: &Caller) -> String {
        match caller {
            Caller::Operator if self.operator.get().is_some() => {
                format!("arn:aws:iam::{ACCOUNT_ID}:user/{OPERATOR}")
            }
            Caller::Operator | Caller::Cloud => format!("arn:aws:iam::{ACCOUNT_ID}:root"),
            Caller::Session { role_arn, session_name } => {
                let role = role_arn.rsplit_once('/').map_or(role_arn.as_str(), |(_, name)| name);
                format!("arn:aws:sts::{ACCOUNT_ID}:assumed-role/{role}/{session_name}")
            }
        }
    }

    /// The id of a caller, as `GetCallerIdentity` tells it.
    pub fn caller_id(&self, caller: &Caller) -> String {
        match caller {
            Caller::Operator if self.operator.get().is_some() => context::OPERATOR_ID.to_owned(),
            Caller::Operator | Caller::Cloud => ACCOUNT_ID.to_owned(),
            Caller::Session { role_arn, session_name } => {
                let role_id = self.role_id(role_arn).unwrap_or_else(|| "AROADELETED".to_owned());
                format!("{role_id}:{session_name}")
            }
        }
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
        let role = {
            let managed = self.managed.read().unwrap_or_else(PoisonError::into_inner);
            Arc::new(Role::new(document, &managed))
        };
        self.roles.write().unwrap_or_else(PoisonError::into_inner).insert(name, role);
        Ok(())
    }

    /// Makes a managed policy durable, then valid for every role that it is attached to.
    async fn save_policy(&self, policy: PolicyDocument) -> Result<(), AwsError> {
        let arn = policy.arn.clone();
        self.core.store.commit(vec![Change::put(POLICIES, &arn, &policy)?]).await?;
        let mut managed = self.managed.write().unwrap_or_else(PoisonError::into_inner);
        managed.insert(arn.clone(), policy);
        let mut roles = self.roles.write().unwrap_or_else(PoisonError::into_inner);
        for role in roles.values_mut().filter(|role| role.document.attached.contains(&arn)) {
            *role = Arc::new(Role::new(role.document.clone(), &managed));
        }
        Ok(())
    }

    /// Removes a managed policy that is attached to nothing.
    async fn remove_policy(&self, arn: &str) -> Result<(), AwsError> {
        self.core.store.commit(vec![Change::delete(POLICIES, arn)]).await?;
        self.managed.write().unwrap_or_else(PoisonError::into_inner).remove(arn);
        Ok(())
    }

    async fn remove(&self, name: &str) -> Result<(), AwsError> {
        self.core.store.commit(vec![Change::delete(ROLES, name)]).await?;
        self.roles.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        Ok(())
    }
}

/// The context of a call by a caller.
fn context_of(caller: &Caller) -> Context {
    match caller {
        Caller::Session { role_arn, .. } => Context::now(role_arn),
        Caller::Operator | Caller::Cloud => Context::operator(),
    }
}
