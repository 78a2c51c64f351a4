//! What mends the cause of an error answer: something that the console can do, and a command does.

use serde::{Serialize, Serializer};

use crate::request::curl;

/// What to do about an error answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fix {
    /// Deploy the lab.
    Deploy {
        /// Lab.
        lab: String,
    },
    /// Deploy the API's definition as it is now to a stage.
    Redeploy {
        /// Lab.
        lab: String,
        /// `API/STAGE`.
        stage: String,
    },
    /// Let a stage serve another deployment.
    SwitchDeployment {
        /// Lab.
        lab: String,
        /// `API/STAGE`.
        stage: String,
        /// The deployment's id.
        deployment: String,
    },
    /// Accept a key again.
    EnableKey {
        /// Lab.
        lab: String,
        /// Key's name.
        key: String,
    },
    /// Send the request with a key of the lab.
    UseKey {
        /// Lab.
        lab: String,
        /// The saved request's name.
        request: String,
        /// Stage.
        stage: String,
        /// Key's name.
        key: String,
    },
    /// Bind a usage plan to a stage.
    BindPlan {
        /// Lab.
        lab: String,
        /// Plan's name.
        plan: String,
        /// `API/STAGE`.
        stage: String,
    },
    /// Give a key its whole quota again for the present period.
    ResetQuota {
        /// Lab.
        lab: String,
        /// Plan's name.
        plan: String,
        /// Key's name.
        key: String,
    },
    /// Change settings of a usage plan.
    SetPlan {
        /// Lab.
        lab: String,
        /// Plan's name.
        plan: String,
        /// Settings and their values, as `labdeck plans` writes them.
        settings: Vec<(String, String)>,
    },
    /// Change settings of a stage.
    SetStage {
        /// Lab.
        lab: String,
        /// `API/STAGE`.
        stage: String,
        /// Settings and their values, as `labdeck stages` writes them.
        settings: Vec<(String, String)>,
    },
    /// Switch chaos off.
    ChaosOff {
        /// Lab.
        lab: String,
        /// Name of the switch.
        name: String,
    },
    /// Take the last release back.
    Rollback {
        /// Lab.
        lab: String,
    },
    /// Look at the log.
    OpenLogs {
        /// Lab.
        lab: String,
        /// Function, where it is known which.
        function: Option<String>,
    },
}

impl Fix {
    /// What it does, in a few words.
    pub fn does(&self) -> String {
        match self {
            Self::Deploy { lab } => format!("deploy {lab}"),
            Self::Redeploy { stage, .. } => {
                format!("deploy the definition as it is now to {stage}")
            }
            Self::SwitchDeployment { stage, deployment, .. } => {
                format!("let {stage} serve deployment {deployment}")
            }
            Self::EnableKey { key, .. } => format!("accept key {key} again"),
            Self::UseKey { key, .. } => format!("send it with key {key}"),
            Self::BindPlan { plan, stage, .. } => format!("bind plan {plan} to {stage}"),
            Self::ResetQuota { plan, key, .. } => {
                format!("give key {key} the whole quota of plan {plan} again")
            }
            Self::SetPlan { plan, settings, .. } => {
                format!("set {} of plan {plan}", pairs(settings).join(" "))
            }
            Self::SetStage { stage, settings, .. } => {
                format!("set {} of {stage}", pairs(settings).join(" "))
            }
            Self::ChaosOff { name, .. } => format!("switch chaos {name} off"),
            Self::Rollback { .. } => "take the last release back".to_owned(),
            Self::OpenLogs { function: Some(function), .. } => {
                format!("look at the log of {function}")
            }
            Self::OpenLogs { function: None, .. } => "look at the log".to_owned(),
        }
    }

    /// The arguments of the command that does it, without global flags.
    pub fn arguments(&self) -> Vec<String> {
        let words = |words: &[&str]| -> Vec<String> {
            words.iter().map(|word| (*word).to_owned()).collect()
        };
        match self {
            Self::Deploy { lab } => words(&["deploy", lab]),
            Self::Redeploy { lab, stage } => words(&["stages", lab, stage, "redeploy"]),
            Self::SwitchDeployment { lab, stage, deployment } => {
                words(&["stages", lab, stage, "switch", deployment])
            }
            Self::EnableKey { lab, key } => words(&["keys", lab, "enable", key]),
            Self::UseKey { lab, request, stage, key } => {
                words(&["request", lab, request, "--stage", stage, "--key", key])
            }
            Self::BindPlan { lab, plan, stage } => {
                words(&["plans", lab, plan, "set", &format!("stages.{stage}=on")])
            }
            Self::ResetQuota { lab, plan, key } => words(&["plans", lab, plan, "reset", key]),
            Self::SetPlan { lab, plan, settings } => {
                let mut all = words(&["plans", lab, plan, "set"]);
                all.extend(pairs(settings));
                all
            }
            Self::SetStage { lab, stage, settings } => {
                let mut all = words(&["stages", lab, stage, "set"]);
                all.extend(pairs(settings));
                all
            }
            Self::ChaosOff { lab, name } => words(&["chaos", lab, "off", name]),
            Self::Rollback { lab } => words(&["rollback", lab]),
            Self::OpenLogs { lab, function } => {
                let mut all = words(&["logs", lab, "--since", "5m"]);
                if let Some(function) = function {
                    all.extend(words(&["--filter", &format!("function:{function}")]));
                }
                all
            }
        }
    }

    /// The command line that does it, for a POSIX shell.
    pub fn command(&self) -> String {
        let words = self.arguments();
        let words = words.iter().map(|word| curl::quoted(word));
        std::iter::once("labdeck".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
    }
}

fn pairs(settings: &[(String, String)]) -> Vec<String> {
    settings.iter().map(|(key, value)| format!("{key}={value}")).collect()
}

/// With what it does and the command that does it.
#[expect(clippy::ref_option, reason = "serde hands a reference to the member")]
pub(super) fn with_command<S: Serializer>(
    fix: &Option<Fix>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Told<'f> {
        #[serde(flatten)]
        fix: &'f Fix,
        does: String,
        command: String,
        arguments: Vec<String>,
    }
    let told = fix.as_ref().map(|fix| Told {
        fix,
        does: fix.does(),
        command: fix.command(),
        arguments: fix.arguments(),
    });
    told.serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_stands_for_each() {
        let lab = || "items".to_owned();
        let stage = || "ItemsAPI/dev".to_owned();
        let settings = vec![("throttle.rate".to_owned(), "5".to_owned())];
        for (fix, command) in [
            (
                Fix::BindPlan { lab: lab(), plan: "Lab Plan".into(), stage: stage() },
                "labdeck plans items 'Lab Plan' set 'stages.ItemsAPI/dev=on'",
            ),
            (
                Fix::SetStage { lab: lab(), stage: stage(), settings },
                "labdeck stages items ItemsAPI/dev set 'throttle.rate=5'",
            ),
            (Fix::Rollback { lab: lab() }, "labdeck rollback items"),
            (
                Fix::OpenLogs { lab: lab(), function: Some("f".into()) },
                "labdeck logs items --since 5m --filter function:f",
            ),
        ] {
            assert_eq!(fix.command(), command);
        }
    }
}
