//! How much something can hurt, and what is wanted before it is done: the one place that decides, for the
//! console and the headless commands alike.

mod act;

use labdeck_lab::Blueprint;
use labdeck_lab::blueprint::StepAction;
use labdeck_telemetry::clean;

use crate::deploy::plan::Plan;
use crate::engine::Engine;

pub use act::Act;

/// How much something can hurt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Danger {
    /// Looks only.
    Safe,
    /// Forgets what is kept on this machine; nothing of the account is touched.
    Forgets,
    /// Sends requests: may change something unless they only read.
    Sends,
    /// Changes something that can be changed back, and that `prod` does not serve.
    Changes,
    /// Takes `prod` back: what is done when something is wrong, and so never asked for.
    TakesBack,
    /// Changes what `prod` serves, or how.
    Prod,
    /// Removes something for good.
    Deletes,
}

/// What is wanted before something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing: it is done at once.
    Nothing,
    /// A yes in the console, where one key does it by mistake; headless nothing: the command names what
    /// goes.
    Meant,
    /// A yes, after account, region and alias were shown; headless `--yes`.
    Yes,
    /// The name of what goes, typed; headless `--yes`.
    Typed,
}

impl Danger {
    /// Its name, as the documentation has it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Safe => "looks",
            Self::Forgets => "forgets",
            Self::Sends => "sends",
            Self::Changes => "changes",
            Self::TakesBack => "takes back",
            Self::Prod => "prod",
            Self::Deletes => "deletes",
        }
    }

    /// What is wanted before it is done. On the local cloud nobody else is hurt: only what is lost for
    /// good is asked for there.
    pub const fn wants(self, local: bool) -> Wanted {
        match self {
            Self::Safe | Self::Sends | Self::Changes | Self::TakesBack => Wanted::Nothing,
            Self::Forgets => Wanted::Meant,
            Self::Prod if local => Wanted::Nothing,
            Self::Prod => Wanted::Yes,
            Self::Deletes => Wanted::Typed,
        }
    }

    /// Whether it is refused in read-only mode whatever it is about. What is sent is judged by itself: a
    /// GET is sent.
    pub const fn changes(self) -> bool {
        !matches!(self, Self::Safe | Self::Forgets | Self::Sends)
    }
}

/// How much a step of a course can hurt: as much as the act that it stands for.
pub fn of_step(blueprint: &Blueprint, action: &StepAction) -> Danger {
    let act = Act::of_step(action);
    match action {
        StepAction::FlushCache { stage } => act.on_stage(blueprint, stage),
        _ => act.danger(),
    }
}

/// How much it can hurt to carry a plan out.
pub fn of_plan(plan: &Plan) -> Danger {
    if plan.loses_data() { Act::LoseData.danger() } else { Act::Deploy.danger() }
}

/// What must be typed before a step is done that removes something: the name of what goes.
pub fn typed_for_step<'s>(lab: &'s str, action: &'s StepAction) -> Option<&'s str> {
    match action {
        StepAction::Destroy => Some(lab),
        StepAction::DeleteFunction { function } => Some(function),
        _ => None,
    }
}

/// Where it would be done, for whoever is asked: `school · account 111122223333 · eu-west-1 · alias prod`.
pub fn place(target: &str, account: Option<&str>, region: &str, alias: Option<&str>) -> String {
    let account =
        account.map_or_else(|| "account unknown".to_owned(), |id| format!("account {id}"));
    let mut place = format!("{target} · {account} · {region}");
    if let Some(alias) = alias {
        place.push_str(" · alias ");
        place.push_str(alias);
    }
    clean(&place).into_owned()
}

/// [`place`] of an engine's target; the account is asked for where it is not known yet.
pub async fn place_of(engine: &Engine, alias: Option<&str>) -> String {
    let target = &engine.target;
    place(target.name(), target.account().await.ok(), target.region(), alias)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prod_is_asked_for_where_it_is_not_local_and_deleting_everywhere() {
        for danger in [Danger::Safe, Danger::Sends, Danger::Changes, Danger::TakesBack] {
            assert_eq!(
                (danger.wants(true), danger.wants(false)),
                (Wanted::Nothing, Wanted::Nothing)
            );
        }
        assert_eq!(Danger::Forgets.wants(true), Wanted::Meant);
        assert_eq!(Danger::Forgets.wants(false), Wanted::Meant);
        assert_eq!(Danger::Prod.wants(true), Wanted::Nothing);
        assert_eq!(Danger::Prod.wants(false), Wanted::Yes);
        assert_eq!(Danger::Deletes.wants(true), Wanted::Typed);
        assert_eq!(Danger::Deletes.wants(false), Wanted::Typed);
    }

    #[test]
    fn read_only_mode_refuses_what_changes_and_judges_what_is_sent_by_itself() {
        assert!([Danger::Safe, Danger::Forgets, Danger::Sends].iter().all(|one| !one.changes()));
        for danger in [Danger::Changes, Danger::TakesBack, Danger::Prod, Danger::Deletes] {
            assert!(danger.changes(), "{danger:?}");
        }
    }

    #[test]
    fn a_step_is_as_dangerous_as_what_it_stands_for() {
        let lab = Blueprint::default();
        let chaos = |on| StepAction::Chaos { name: "deny".to_owned(), on };
        assert_eq!(of_step(&lab, &chaos(true)), Danger::Prod);
        assert_eq!(of_step(&lab, &chaos(false)), Danger::Changes);
        assert_eq!(of_step(&lab, &StepAction::Shift { percent: 5 }), Danger::Prod);
        assert_eq!(of_step(&lab, &StepAction::Rollback), Danger::TakesBack);
        assert_eq!(typed_for_step("shop", &StepAction::Destroy), Some("shop"));
        let delete = StepAction::DeleteFunction { function: "f".to_owned() };
        assert_eq!(
            (of_step(&lab, &delete), typed_for_step("shop", &delete)),
            (Danger::Deletes, Some("f"))
        );
        assert_eq!(typed_for_step("shop", &StepAction::Publish), None);
    }

    #[test]
    fn the_place_has_account_region_and_alias() {
        let school = place("school", Some("1"), "eu-west-1", Some("prod"));
        assert_eq!(school, "school · account 1 · eu-west-1 · alias prod");
        assert_eq!(place("x", None, "r", None), "x · account unknown · r");
    }
}
