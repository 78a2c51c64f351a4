//! The registry of every action: the one source for the keymap, the palette, the help and the hints.

pub use labdeck_ops::danger::{Act, Danger};

/// A screen of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Screen {
    /// Aliases, stages, traffic and logs at a glance.
    Overview,
    /// Labs, plan, course and checks.
    Deploy,
    /// Versions and aliases.
    Release,
    /// APIs, stages and URLs.
    Gateway,
    /// Saved requests, responses and bursts.
    Requests,
    /// The tail.
    Logs,
    /// Numbers from the tail.
    Metrics,
}

impl Screen {
    /// Every screen in the order of the tab line.
    pub const ALL: [Self; 7] = [
        Self::Overview,
        Self::Deploy,
        Self::Release,
        Self::Gateway,
        Self::Requests,
        Self::Logs,
        Self::Metrics,
    ];

    /// Its name in the tab line.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Deploy => "Deploy",
            Self::Release => "Release",
            Self::Gateway => "Gateway",
            Self::Requests => "Requests",
            Self::Logs => "Logs",
            Self::Metrics => "Metrics",
        }
    }

    /// Its number in the tab line, from 1.
    pub const fn number(self) -> usize {
        self as usize + 1
    }
}

/// Where an action does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applies {
    /// On every screen.
    Screens,
    /// On these screens only.
    On(&'static [Screen]),
    /// In a popup.
    Popup,
    /// While text is typed.
    Input,
    /// Always, also in popups and while text is typed.
    Always,
    /// On screens and in popups: movement.
    Lists,
}

impl Applies {
    /// Whether the action does something on `screen` with no popup open.
    pub fn on(self, screen: Screen) -> bool {
        match self {
            Self::Screens | Self::Always | Self::Lists => true,
            Self::On(screens) => screens.contains(&screen),
            Self::Popup | Self::Input => false,
        }
    }
}

/// What the registry knows of an action.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The action.
    pub action: Action,
    /// Its id in `keymap.toml`, kebab-case.
    pub id: &'static str,
    /// One or two words for the hint line.
    pub hint: &'static str,
    /// One line for help and palette.
    pub doc: &'static str,
    /// What it does.
    pub act: Act,
    /// How much it can hurt, at most where it depends on what is selected.
    pub danger: Danger,
    /// Where it does something.
    pub applies: Applies,
}

macro_rules! actions {
    ($($name:ident $id:literal $hint:literal $act:ident $applies:expr, $doc:literal;)+) => {
        /// Everything a key or the palette can do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Action {
            $(#[doc = $doc] $name,)+
        }

        /// The registry, in the order help shows it.
        pub const REGISTRY: &[Entry] = &[
            $(Entry {
                action: Action::$name,
                id: $id,
                hint: $hint,
                doc: $doc,
                act: Act::$act,
                danger: Act::$act.danger(),
                applies: $applies,
            },)+
        ];
    };
}

use Applies::{Always, Input, Lists, On, Popup, Screens};
use Screen::{Deploy, Gateway, Logs, Metrics, Overview, Release, Requests};

actions! {
    Rollback "rollback" "roll back" Rollback Screens, "Take prod back to the version before, at once";
    Undo "undo" "undo" Undo Screens, "Take back the last move of prod";
    Deploy "deploy" "deploy" Deploy Screens, "Build, plan and apply the lab";
    Plan "plan" "plan" Look On(&[Deploy]), "Show what a deploy would do, and why";
    Destroy "destroy" "destroy" Destroy On(&[Deploy]), "Tear the lab down, after its name was typed";
    Variant "variant" "variant" Look On(&[Deploy]), "Choose the variant that a deploy makes";
    KeepDrift "keep-drift" "drift" Look On(&[Deploy]), "Keep what somebody else changed, or correct it";
    DeployAll "deploy-all" "deploy all" Deploy On(&[Deploy]), "Build, plan and apply every lab, side by side";
    DestroyAll "destroy-all" "destroy all" Destroy On(&[Deploy]), "Tear every lab down, after all was typed";
    RunStep "run-step" "run step" Step On(&[Deploy]), "Do the selected step of the course";
    Check "check" "checks" Send On(&[Deploy]), "Evaluate the lab's checks on live state";
    Publish "publish" "publish" Publish On(&[Release]), "Publish a version of every function";
    Shift "shift" "shift" Shift On(&[Release]), "Give the newest version a share of prod";
    NudgeUp "nudge-up" "more" Shift On(&[Release]), "Give the canary five percent more";
    NudgeDown "nudge-down" "less" Shift On(&[Release]), "Give the canary five percent less";
    NudgeUpOne "nudge-up-one" "1% more" Shift On(&[Release]), "Give the canary one percent more";
    NudgeDownOne "nudge-down-one" "1% less" Shift On(&[Release]), "Give the canary one percent less";
    NudgeUpTen "nudge-up-ten" "10% more" Shift On(&[Release]), "Give the canary ten percent more";
    NudgeDownTen "nudge-down-ten" "10% less" Shift On(&[Release]), "Give the canary ten percent less";
    Promote "promote" "promote" Promote On(&[Release]), "Give all of prod to the canary";
    Complete "complete" "the rest" Complete On(&[Release]), "Bring the functions and stages after the last move that it did not reach";
    EditGateway "edit-gateway" "edit" EditStage On(&[Gateway]), "Edit the selected stage or usage plan, with a preview of the patch";
    SwitchDeployment "switch-deployment" "switch" SwitchDeployment On(&[Gateway]), "Let the stage serve the selected deployment";
    Redeploy "redeploy" "redeploy" Redeploy On(&[Gateway]), "Deploy the API's current definition to the stage";
    Difference "difference" "differs" Look On(&[Gateway]), "What the current definition has that the deployment does not";
    FlushCache "flush-cache" "flush" FlushCache On(&[Gateway]), "Throw away what the cache of the stage holds";
    ResetQuota "reset-quota" "full quota" Quota On(&[Gateway]), "Give the selected key its whole quota again";
    ExtendQuota "extend-quota" "extend" Quota On(&[Gateway]), "Give the selected key more requests for this period";
    CreateKey "create-key" "new key" CreateKey On(&[Gateway]), "Make an API key by hand";
    ToggleKey "toggle-key" "on/off" DisableKey On(&[Gateway]), "Disable the selected key, or enable it again";
    RotateKey "rotate-key" "rotate" RotateKey On(&[Gateway]), "Make a new key in place of the selected one, without losing a request";
    ShowKey "show-key" "show" Look On(&[Gateway]), "Show the value of the selected key for a few seconds";
    CopyKey "copy-key" "copy key" Look On(&[Gateway]), "Copy the value of the selected key without showing it";
    History "history" "history" Look On(&[Release]), "What happened to the release, who did it and when";
    Prune "prune" "delete old" Prune On(&[Release]), "Delete the versions that nothing points to, after the lab's name was typed";
    Canary "canary" "canary" Canary On(&[Overview, Release]), "Begin a guarded canary, or go on with one that was left";
    CanaryPause "canary-pause" "pause" Look On(&[Overview, Release]), "Let the guarded canary wait at its step, or go on";
    CanarySkip "canary-skip" "skip" SkipStep On(&[Overview, Release]), "Go to the canary's next step now, whatever is known";
    CanaryAbort "canary-abort" "abort" Rollback On(&[Overview, Release]), "Take the guarded canary back";
    Send "send" "send" Send Screens, "Send the selected request or event";
    SendAll "send-all" "send all" Send On(&[Requests]), "Send every request of the lab, and look whether each is answered as expected";
    SendTo "send-to" "to" Look On(&[Requests]), "Choose where to send: stage, method test, alias or version, URL";
    Edit "edit" "edit" Look On(&[Requests]), "Edit the selected request before it is sent";
    NewRequest "new-request" "new" Look On(&[Requests]), "Make a request of your own";
    SaveRequest "save-request" "keep" Look On(&[Requests]), "Keep the selected request with its edits among your own";
    ForgetRequest "forget-request" "forget" Forget On(&[Requests]), "Forget the selected request of your own";
    AnswerHistory "answers" "answers" Look On(&[Requests]), "What was sent before; two answers compared";
    CopyCurl "copy-curl" "curl" Look On(&[Requests]), "Copy the request as a command line of curl, without the value of its key";
    Fix "fix" "mend it" Mend On(&[Requests]), "Do what mends the error answer, as its diagnosis says";
    Trace "trace" "its lines" Look On(&[Overview, Requests, Logs]), "From an answer to its log lines, and from a log line to its answer";
    Reset "reset-request" "reset" Look On(&[Requests]), "Forget the edits of the selected request";
    Burst "burst" "burst" Send On(&[Requests]), "Send it many times: how often, how fast, how long, how many at once";
    Compare "compare" "compare" Send On(&[Requests]), "Send the same traffic to several stages, versions or URLs, side by side";
    NextStage "next-stage" "stage" Look Screens, "Send to the next stage";
    Chaos "chaos" "chaos" ChaosOn Screens, "Switch one of the lab's real failures on or off";
    EndChaos "end-chaos" "end chaos" ChaosOff Screens, "Switch every failure of the lab off";
    Filter "filter" "filter" Look On(&[Overview, Logs]), "Show only the log events that match";
    ClearFilter "clear-filter" "no filter" Look On(&[Overview, Logs]), "Show every log event again";
    Pause "pause" "pause" Look On(&[Overview, Logs]), "Stop or follow the tail; nothing is lost meanwhile";
    Wrap "wrap" "wrap" Look On(&[Logs, Overview]), "Wrap long log lines, or cut them";
    Window "window" "window" Look On(&[Metrics]), "Look further back: 1, 5 or 15 minutes";
    Copy "copy" "copy" Look Screens, "Copy the selected event, response or URL to the clipboard";
    Up "up" "up" Look Lists, "One line up";
    Down "down" "down" Look Lists, "One line down";
    PageUp "page-up" "page up" Look Lists, "One page up";
    PageDown "page-down" "page down" Look Lists, "One page down";
    Top "scroll-top" "top" Look Lists, "To the first line";
    Bottom "scroll-bottom" "bottom" Look Lists, "To the last line";
    Open "open" "open" Look Screens, "Open what is selected";
    NextPanel "next-panel" "panel" Look Screens, "To the next panel";
    PreviousPanel "previous-panel" "panel" Look Screens, "To the panel before";
    Zoom "zoom" "zoom" Look Screens, "Give the panel the whole screen, or give it back";
    Back "back" "back" Look Screens, "Leave the zoom, stop the running job, or wait no longer";
    Labs "labs" "labs" Look Screens, "Choose a lab";
    Attach "attach" "attach" Look Screens, "Operate REST APIs and functions that labdeck did not deploy";
    Detach "detach" "detach" Forget Screens, "Forget what is attached; nothing in the account is changed";
    Messages "messages" "messages" Look Screens, "What happened so far, with its failures";
    Audit "audit" "audit" Look Screens, "What changed something: when, who, from what to what";
    ReadOnly "read-only" "read-only" Look Screens, "Refuse every change from now on, until a restart";
    Refresh "refresh" "refresh" Look Screens, "Read the live state again, now";
    Reconnect "reconnect" "reconnect" Look Screens, "Connect to the target again";
    Overview "screen-overview" "overview" Look Screens, "Aliases, stages, traffic and logs at a glance";
    DeployScreen "screen-deploy" "deploy" Look Screens, "Labs, plan, course and checks";
    ReleaseScreen "screen-release" "release" Look Screens, "Versions and aliases";
    GatewayScreen "screen-gateway" "gateway" Look Screens, "APIs, stages and URLs";
    RequestsScreen "screen-requests" "requests" Look Screens, "Saved requests, responses and bursts";
    LogsScreen "screen-logs" "logs" Look Screens, "The live tail";
    MetricsScreen "screen-metrics" "metrics" Look Screens, "Rates, errors and latencies by version";
    Palette "palette" "palette" Look Screens, "Find an action by typing";
    Help "help" "help" Look Screens, "Every key of this screen";
    Quit "quit" "quit" Look Screens, "Leave the console";
    Close "close" "close" Look Popup, "Close the popup";
    Accept "accept" "choose" Look Popup, "Choose what is selected";
    Yes "yes" "yes" Look Popup, "Confirm";
    No "no" "no" Look Popup, "Do not confirm";
    Apply "apply" "deploy it" Deploy Popup, "Deploy what the plan says";
    Longer "longer" "longer" Look Popup, "Let chaos stay on longer";
    Shorter "shorter" "shorter" Look Popup, "Let chaos stay on shorter";
    MarkAnswer "mark-answer" "mark" Look Popup, "Mark an answer to compare another with";
    DiffAnswers "diff" "compare" Look Popup, "Compare the answer with the marked one, or with the one before";
    CopyShown "copy-shown" "copy" Look Popup, "Copy what the popup shows to the clipboard";
    InputAccept "input-accept" "done" Look Input, "Take what was typed";
    InputCancel "input-cancel" "cancel" Look Input, "Drop what was typed";
    EditOutside "edit-outside" "your editor" Look Input, "Edit the body in your own editor ($VISUAL or $EDITOR)";
    NextField "next-field" "next" Look Input, "To the next field or match";
    Mark "mark" "mark" Look Input, "Mark what is selected, or take its mark away";
    PreviousField "previous-field" "previous" Look Input, "To the field or match before";
    Interrupt "interrupt" "stop" Look Always, "Stop the running job; without one, leave the console";
    Suspend "suspend" "suspend" Look Always, "Give the terminal back to the shell until fg";
    Redraw "redraw" "redraw" Look Always, "Draw the whole screen anew";
}

impl Action {
    /// What the registry knows of it.
    pub fn entry(self) -> &'static Entry {
        &REGISTRY[self as usize]
    }

    /// Its id in `keymap.toml`.
    pub fn id(self) -> &'static str {
        self.entry().id
    }

    /// The action with this id.
    pub fn from_id(id: &str) -> Option<Self> {
        REGISTRY.iter().find(|entry| entry.id == id).map(|entry| entry.action)
    }

    /// The screen it goes to, where it is one of those.
    pub fn screen(self) -> Option<Screen> {
        Some(match self {
            Self::Overview => Screen::Overview,
            Self::DeployScreen => Screen::Deploy,
            Self::ReleaseScreen => Screen::Release,
            Self::GatewayScreen => Screen::Gateway,
            Self::RequestsScreen => Screen::Requests,
            Self::LogsScreen => Screen::Logs,
            Self::MetricsScreen => Screen::Metrics,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_indexed_by_action_and_ids_are_unique_kebab_case() {
        let mut seen = std::collections::BTreeSet::new();
        for (index, entry) in REGISTRY.iter().enumerate() {
            assert_eq!(entry.action as usize, index);
            assert!(seen.insert(entry.id), "{} twice", entry.id);
            assert!(entry.id.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", entry.id);
            assert_eq!(Action::from_id(entry.id), Some(entry.action));
        }
    }
}
