//! What the applier does for a step of a plan.

use super::kinds::account::AccountAction;
use super::kinds::alarm::AlarmAction;
use super::kinds::alias::AliasAction;
use super::kinds::api::ApiAction;
use super::kinds::asynchronous::AsynchronousAction;
use super::kinds::function::FunctionAction;
use super::kinds::key::KeyAction;
use super::kinds::log_group::LogGroupAction;
use super::kinds::mapping::MappingAction;
use super::kinds::permission::PermissionAction;
use super::kinds::provisioned::ProvisionedAction;
use super::kinds::queue::QueueAction;
use super::kinds::role::RoleAction;
use super::kinds::stage::StageAction;
use super::kinds::subscription::SubscriptionAction;
use super::kinds::table::TableAction;
use super::kinds::topic::TopicAction;
use super::kinds::usage_plan::UsagePlanAction;
use super::run::StepRun;
use labdeck_aws::Result;

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident($of:ident) by $run:ident,)*) => {
        /// What the applier does for a step. Opaque to the faces; names are those of the plan's lab.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Action {
            $($(#[$doc])* $name($of),)*
        }

        $(impl From<$of> for Action {
            fn from(action: $of) -> Self {
                Self::$name(action)
            }
        })*

        impl StepRun {
            /// Does what the step is for.
            pub(super) async fn perform(&self, action: &Action) -> Result<()> {
                match action {
                    $(Action::$name(action) => self.$run(action).await,)*
                }
            }
        }
    };
}

actions! {
    /// On a role.
    Role(RoleAction) by on_role,
    /// On a table.
    Table(TableAction) by on_table,
    /// On a queue.
    Queue(QueueAction) by on_queue,
    /// On a topic.
    Topic(TopicAction) by on_topic,
    /// On a subscription.
    Subscription(SubscriptionAction) by on_subscription,
    /// On a log group.
    LogGroup(LogGroupAction) by on_log_group,
    /// On a function.
    Function(FunctionAction) by on_function,
    /// On an alias.
    Alias(AliasAction) by on_alias,
    /// On how asynchronous invocations are tried.
    Asynchronous(AsynchronousAction) by on_asynchronous,
    /// On environments that are kept ready.
    Provisioned(ProvisionedAction) by on_provisioned,
    /// On an event source mapping.
    Mapping(MappingAction) by on_mapping,
    /// On an API or its deployments.
    Api(ApiAction) by on_api,
    /// On a stage.
    Stage(StageAction) by on_stage,
    /// On a permission.
    Permission(PermissionAction) by on_permission,
    /// On the account's settings.
    Account(AccountAction) by on_account,
    /// On an API key.
    Key(KeyAction) by on_key,
    /// On a usage plan.
    UsagePlan(UsagePlanAction) by on_usage_plan,
    /// On an alarm.
    Alarm(AlarmAction) by on_alarm,
}
