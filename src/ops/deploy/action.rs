//! What the applier does for a step of a plan.

/// What the applier does for a step. Opaque to the faces; names are those of the plan's lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make a role and give it its policy.
    CreateRole(String),
    /// Say again who may assume a role.
    UpdateTrust(String),
    /// Give a role its policy.
    PutRolePolicy(String),
    /// Make a table and wait until it can be used.
    CreateTable(String),
    /// Make a log group and say how long it keeps.
    CreateLogGroup(String),
    /// Say how long a log group keeps.
    SetRetention(String),
    /// Make a function and wait until it can be used.
    CreateFunction(String),
    /// Give a function new code.
    UpdateCode(String),
    /// Give a function new settings.
    UpdateConfiguration(String),
    /// Make an alias.
    CreateAlias {
        /// Function.
        function: String,
        /// Alias.
        alias: String,
        /// What it points to.
        to: AliasVersion,
    },
    /// Point an alias to `$LATEST` again.
    FollowLatest {
        /// Function.
        function: String,
        /// Alias.
        alias: String,
    },
    /// Let a stage's method invoke an alias.
    Grant(Grant),
    /// Take a permission away.
    Revoke {
        /// Function.
        function: String,
        /// Alias.
        alias: String,
        /// Statement id.
        statement: String,
    },
    /// Import an API.
    ImportApi(String),
    /// Give an API its definition.
    PutApi(String),
    /// Put the lab's tag on an API.
    TagApi(String),
    /// Take a snapshot of an API's definition.
    CreateDeployment(String),
    /// Make a stage.
    CreateStage {
        /// API.
        api: String,
        /// Stage.
        stage: String,
    },
    /// Point a stage to the deployment of the wanted definition, or set its variables, or both.
    UpdateStage {
        /// API.
        api: String,
        /// Stage.
        stage: String,
        /// Whether it moves to the deployment of the wanted definition.
        moves: bool,
    },
    /// Remove an API with its stages and deployments, by id.
    DeleteApi(String),
    /// Remove a function with its versions and aliases.
    DeleteFunction(String),
    /// Remove a log group.
    DeleteLogGroup(String),
    /// Remove a table and wait until it is gone.
    DeleteTable(String),
    /// Remove a role with its policies.
    DeleteRole(String),
}

/// What a new alias points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AliasVersion {
    /// `$LATEST`.
    Latest,
    /// A version that is published already.
    Published(String),
    /// The version that is published of the current code.
    Publish,
}

/// A permission for a stage's method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Function.
    pub function: String,
    /// Alias.
    pub alias: String,
    /// Statement id.
    pub statement: String,
    /// API.
    pub api: String,
    /// Stage.
    pub stage: String,
    /// Method in capitals, `*` for any.
    pub method: String,
    /// Path with `{parameters}`.
    pub path: String,
    /// Whether a statement of this id with another source has to go first.
    pub replaces: bool,
}
