//! Everything that a face can do that may hurt, and how much: the one list, for the keys of the console,
//! the headless commands and the steps of a course.

use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::{Follows, StepAction};

use super::Danger;

macro_rules! acts {
    ($($name:ident $danger:ident, $words:literal;)+) => {
        /// Something that a face can do, whatever key or command does it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Act {
            $(#[doc = $words] $name,)+
        }

        impl Act {
            /// All of them, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// How much it can hurt, and no less than that where it depends on what it is done to.
            pub const fn danger(self) -> Danger {
                match self {
                    $(Self::$name => Danger::$danger,)+
                }
            }

            /// What it does, in a few words.
            pub const fn words(self) -> &'static str {
                match self {
                    $(Self::$name => $words,)+
                }
            }
        }
    };
}

acts! {
    Look Safe, "looks, or changes only what labdeck shows, or remembers on this machine";
    Forget Forgets, "forgets what labdeck remembers on this machine";
    Send Sends, "sends requests or events, once or many times";
    Step Sends, "does a step of a course: as dangerous as what it stands for";
    Deploy Changes, "builds, plans and deploys";
    Define Changes, "gives APIs another definition, and deploys it nowhere";
    Publish Changes, "publishes versions";
    ChaosOff Changes, "ends chaos";
    Redrive Changes, "sends dead letters back";
    RightSize Changes, "measures a copy of a function, which is removed";
    Quota Changes, "gives a key its quota again, or more of it";
    CreateKey Changes, "makes an API key";
    EnableKey Changes, "accepts an API key again";
    Mend Changes, "does what mends an error answer: as dangerous as that";
    Rollback TakesBack, "takes `prod` back";
    Undo TakesBack, "undoes the last move of `prod`";
    Shift Prod, "gives the newest version a share of `prod`";
    Promote Prod, "gives all of `prod` to the newest version";
    Complete Prod, "brings what the last move of `prod` did not reach after it";
    Canary Prod, "guards a canary, which moves `prod`";
    SkipStep Prod, "lets a guarded canary go to its next step, whatever is known";
    ChaosOn Prod, "switches chaos on";
    EditStage Prod, "edits a stage";
    SwitchDeployment Prod, "lets a stage serve another deployment";
    Redeploy Prod, "deploys the current definition to a stage";
    FlushCache Prod, "empties the cache of a stage";
    EditPlan Prod, "edits a usage plan";
    DisableKey Prod, "refuses an API key from now on";
    RotateKey Prod, "puts a new API key in place of one";
    Prune Deletes, "deletes versions that nothing points to";
    DeleteFunction Deletes, "deletes a function";
    LoseData Deletes, "deploys what loses data: something is made anew, or removed with what it holds";
    Destroy Deletes, "tears a lab down";
}

impl Act {
    /// Whether it changes what one stage answers, or how: less dangerous on a stage that is not `prod`.
    pub const fn is_about_a_stage(self) -> bool {
        matches!(self, Self::EditStage | Self::SwitchDeployment | Self::Redeploy | Self::FlushCache)
    }

    /// How much it can hurt when it is done to `stage` of a lab: `NAME` or `API/NAME`. What the lab does
    /// not let follow its releases is not `prod`.
    pub fn on_stage(self, blueprint: &Blueprint, stage: &str) -> Danger {
        let name = stage.rsplit_once('/').map_or(stage, |(_, name)| name);
        let mut released = blueprint.stages.iter().filter(|one| one.follows == Follows::Release);
        if self.is_about_a_stage() && !released.any(|one| one.name == name) {
            return Danger::Changes;
        }
        self.danger()
    }

    /// What a step of a course does.
    pub const fn of_step(action: &StepAction) -> Self {
        match action {
            StepAction::Request { .. }
            | StepAction::Compare { .. }
            | StepAction::TestMethod { .. }
            | StepAction::Event { .. } => Self::Send,
            StepAction::Deploy { .. } => Self::Deploy,
            StepAction::Define { .. } => Self::Define,
            StepAction::Publish => Self::Publish,
            StepAction::Redrive { .. } => Self::Redrive,
            StepAction::FlushCache { .. } => Self::FlushCache,
            StepAction::Chaos { on: true, .. } => Self::ChaosOn,
            StepAction::Chaos { on: false, .. } => Self::ChaosOff,
            StepAction::Rollback => Self::Rollback,
            StepAction::Undo => Self::Undo,
            StepAction::Shift { .. } => Self::Shift,
            StepAction::Promote => Self::Promote,
            StepAction::DeleteFunction { .. } => Self::DeleteFunction,
            StepAction::Destroy => Self::Destroy,
        }
    }
}

#[cfg(test)]
mod tests {
    use labdeck_lab::blueprint::Stage;

    use super::*;

    #[test]
    fn a_stage_that_follows_releases_is_prod_and_others_are_not() {
        let stage = |name: &str, follows| Stage { name: name.into(), follows, ..Stage::default() };
        let lab = Blueprint {
            stages: vec![stage("dev", Follows::Latest), stage("prod", Follows::Release)],
            ..Blueprint::default()
        };
        for act in Act::ALL.iter().filter(|act| act.is_about_a_stage()) {
            assert_eq!(act.on_stage(&lab, "Shop/prod"), Danger::Prod, "{act:?}");
            assert_eq!(act.on_stage(&lab, "prod"), Danger::Prod, "{act:?}");
            assert_eq!(act.on_stage(&lab, "Shop/dev"), Danger::Changes, "{act:?}");
            assert_eq!(act.on_stage(&lab, "Shop/by-hand"), Danger::Changes, "{act:?}");
        }
        assert_eq!(Act::EditPlan.on_stage(&lab, "dev"), Danger::Prod);
    }
}
