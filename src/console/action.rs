//! The registry of every action: the one source for the keymap, the palette, the help and the hints.

pub use labdeck_ops::danger::Danger;

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
    /// How much it can hurt.
    pub danger: Danger,
    /// Where it does something.
    pub applies: Applies,
}

macro_rules! actions {
    ($($name:ident $id:literal $hint:literal $danger:ident $applies:expr, $doc:literal;)+) => {
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
                danger: Danger::$danger,
                applies: $applies,
            },)+
        ];
    };
}

use Applies::{Always, Input, Lists, On, Popup, Screens};
use Screen::{Deploy, Gateway, Logs, Metrics, Overview, Release, Requests};

actions! {
    Rollback "rollback" "roll back" TakesBack Screens, "Take prod back to the version before, at once";
    Undo "undo" "undo" TakesBack Screens, "Take back the last move of prod";
    Deploy "deploy" "deploy" Changes Screens, "Build, plan and apply the lab";
    Plan "plan" "plan" Safe On(&[Deploy]), "Show what a deploy would do, and why";
    Destroy "destroy" "destroy" Deletes On(&[Deploy]), "Tear the lab down, after its name was typed";
    Variant "variant" "variant" Safe On(&[Deploy]), "Choose the variant that a deploy makes";
    KeepDrift "keep-drift" "drift" Safe On(&[Deploy]), "Keep what somebody else changed, or correct it";
    DeployAll "deploy-all" "deploy all" Changes On(&[Deploy]), "Build, plan and apply every lab, side by side";
    DestroyAll "destroy-all" "destroy all" Deletes On(&[Deploy]), "Tear every lab down, after all was typed";
    RunStep "run-step" "run step" Sends On(&[Deploy]), "Do the selected step of the course";
    Check "check" "checks" Safe On(&[Deploy]), "Evaluate the lab's checks on live state";
    Publish "publish" "publish" Changes On(&[Release]), "Publish a version of every function";
    Shift "shift" "shift" Prod On(&[Release]), "Give the newest version a share of prod";
    NudgeUp "nudge-up" "more" Prod On(&[Release]), "Give the canary five percent more";
    NudgeDown "nudge-down" "less" Prod On(&[Release]), "Give the canary five percent less";
    NudgeUpOne "nudge-up-one" "1% more" Prod On(&[Release]), "Give the canary one percent more";
    NudgeDownOne "nudge-down-one" "1% less" Prod On(&[Release]), "Give the canary one percent less";
    NudgeUpTen "nudge-up-ten" "10% more" Prod On(&[Release]), "Give the canary ten percent more";
    NudgeDownTen "nudge-down-ten" "10% less" Prod On(&[Release]), "Give the canary ten percent less";
    Promote "promote" "promote" Prod On(&[Release]), "Give all of prod to the canary";
    Complete "complete" "the rest" Prod On(&[Release]), "Bring the functions and stages after the last move that it did not reach";
    EditGateway "edit-gateway" "edit" Changes On(&[Gateway]), "Edit the selected stage or usage plan, with a preview of the patch";
    SwitchDeployment "switch-deployment" "switch" Prod On(&[Gateway]), "Let the stage serve the selected deployment";
    Redeploy "redeploy" "redeploy" Prod On(&[Gateway]), "Deploy the API's current definition to the stage";
    Difference "difference" "differs" Safe On(&[Gateway]), "What the current definition has that the deployment does not";
    FlushCache "flush-cache" "flush" Changes On(&[Gateway]), "Throw away what the cache of the stage holds";
    ResetQuota "reset-quota" "full quota" Changes On(&[Gateway]), "Give the selected key its whole quota again";
    ExtendQuota "extend-quota" "extend" Changes On(&[Gateway]), "Give the selected key more requests for this period";
    CreateKey "create-key" "new key" Changes On(&[Gateway]), "Make an API key by hand";
    ToggleKey "toggle-key" "on/off" Prod On(&[Gateway]), "Disable the selected key, or enable it again";
    RotateKey "rotate-key" "rotate" Prod On(&[Gateway]), "Make a new key in place of the selected one, without losing a request";
    ShowKey "show-key" "show" Safe On(&[Gateway]), "Show the value of the selected key for a few seconds";
    CopyKey "copy-key" "copy key" Safe On(&[Gateway]), "Copy the value of the selected key without showing it";
    History "history" "history" Safe On(&[Release]), "What happened to the release, who did it and when";
    Prune "prune" "delete old" Deletes On(&[Release]), "Delete the versions that nothing points to, after the lab's name was typed";
    Canary "canary" "canary" Prod On(&[Overview, Release]), "Begin a guarded canary, or go on with one that was left";
    CanaryPause "canary-pause" "pause" Safe On(&[Overview, Release]), "Let the guarded canary wait at its step, or go on";
    CanarySkip "canary-skip" "skip" Changes On(&[Overview, Release]), "Go to the canary's next step now, whatever is known";
    CanaryAbort "canary-abort" "abort" TakesBack On(&[Overview, Release]), "Take the guarded canary back";
    Send "send" "send" Sends Screens, "Send the selected request or event";
    SendAll "send-all" "send all" Sends On(&[Requests]), "Send every request of the lab, and look whether each is answered as expected";
    SendTo "send-to" "to" Safe On(&[Requests]), "Choose where to send: stage, method test, alias or version, URL";
    Edit "edit" "edit" Safe On(&[Requests]), "Edit the selected request before it is sent";
    NewRequest "new-request" "new" Safe On(&[Requests]), "Make a request of your own";
    SaveRequest "save-request" "keep" Safe On(&[Requests]), "Keep the selected request with its edits among your own";
    ForgetRequest "forget-request" "forget" Safe On(&[Requests]), "Forget the selected request of your own";
    AnswerHistory "answers" "answers" Safe On(&[Requests]), "What was sent before; two answers compared";
    CopyCurl "copy-curl" "curl" Safe On(&[Requests]), "Copy the request as a command line of curl, without the value of its key";
    Fix "fix" "mend it" Changes On(&[Requests]), "Do what mends the error answer, as its diagnosis says";
    Trace "trace" "its lines" Safe On(&[Overview, Requests, Logs]), "From an answer to its log lines, and from a log line to its answer";
    Reset "reset-request" "reset" Safe On(&[Requests]), "Forget the edits of the selected request";
    Burst "burst" "burst" Sends On(&[Requests]), "Send it many times: how often, how fast, how long, how many at once";
    Compare "compare" "compare" Sends On(&[Requests]), "Send the same traffic to several stages, versions or URLs, side by side";
    NextStage "next-stage" "stage" Safe Screens, "Send to the next stage";
    Chaos "chaos" "chaos" Prod Screens, "Switch one of the lab's real failures on or off";
    EndChaos "end-chaos" "end chaos" Changes Screens, "Switch every failure of the lab off";
    Filter "filter" "filter" Safe On(&[Overview, Logs]), "Show only the log events that match";
    ClearFilter "clear-filter" "no filter" Safe On(&[Overview, Logs]), "Show every log event again";
    Pause "pause" "pause" Safe On(&[Overview, Logs]), "Stop or follow the tail; nothing is lost meanwhile";
    Wrap "wrap" "wrap" Safe On(&[Logs, Overview]), "Wrap long log lines, or cut them";
    Window "window" "window" Safe On(&[Metrics]), "Look further back: 1, 5 or 15 minutes";
    Copy "copy" "copy" Safe Screens, "Copy the selected event, response or URL to the clipboard";
    Up "up" "up" Safe Lists, "One line up";
    Down "down" "down" Safe Lists, "One line down";
    PageUp "page-up" "page up" Safe Lists, "One page up";
    PageDown "page-down" "page down" Safe Lists, "One page down";
    Top "scroll-top" "top" Safe Lists, "To the first line";
    Bottom "scroll-bottom" "bottom" Safe Lists, "To the last line";
    Open "open" "open" Safe Screens, "Open what is selected";
    NextPanel "next-panel" "panel" Safe Screens, "To the next panel";
    PreviousPanel "previous-panel" "panel" Safe Screens, "To the panel before";
    Zoom "zoom" "zoom" Safe Screens, "Give the panel the whole screen, or give it back";
    Back "back" "back" Safe Screens, "Leave the zoom, stop the running job, or wait no longer";
    Labs "labs" "labs" Safe Screens, "Choose a lab";
    Attach "attach" "attach" Safe Screens, "Operate REST APIs and functions that labdeck did not deploy";
    Detach "detach" "detach" Safe Screens, "Forget what is attached; nothing in the account is changed";
    Messages "messages" "messages" Safe Screens, "What happened so far, with its failures";
    Audit "audit" "audit" Safe Screens, "What changed something: when, who, from what to what";
    ReadOnly "read-only" "read-only" Safe Screens, "Refuse every change from now on, until a restart";
    Refresh "refresh" "refresh" Safe Screens, "Read the live state again, now";
    Reconnect "reconnect" "reconnect" Safe Screens, "Connect to the target again";
    Overview "screen-overview" "overview" Safe Screens, "Aliases, stages, traffic and logs at a glance";
    DeployScreen "screen-deploy" "deploy" Safe Screens, "Labs, plan, course and checks";
    ReleaseScreen "screen-release" "release" Safe Screens, "Versions and aliases";
    GatewayScreen "screen-gateway" "gateway" Safe Screens, "APIs, stages and URLs";
    RequestsScreen "screen-requests" "requests" Safe Screens, "Saved requests, responses and bursts";
    LogsScreen "screen-logs" "logs" Safe Screens, "The live tail";
    MetricsScreen "screen-metrics" "metrics" Safe Screens, "Rates, errors and latencies by version";
    Palette "palette" "palette" Safe Screens, "Find an action by typing";
    Help "help" "help" Safe Screens, "Every key of this screen";
    Quit "quit" "quit" Safe Screens, "Leave the console";
    Close "close" "close" Safe Popup, "Close the popup";
    Accept "accept" "choose" Safe Popup, "Choose what is selected";
    Yes "yes" "yes" Safe Popup, "Confirm";
    No "no" "no" Safe Popup, "Do not confirm";
    Apply "apply" "deploy it" Changes Popup, "Deploy what the plan says";
    Longer "longer" "longer" Safe Popup, "Let chaos stay on longer";
    Shorter "shorter" "shorter" Safe Popup, "Let chaos stay on shorter";
    MarkAnswer "mark-answer" "mark" Safe Popup, "Mark an answer to compare another with";
    DiffAnswers "diff" "compare" Safe Popup, "Compare the answer with the marked one, or with the one before";
    CopyShown "copy-shown" "copy" Safe Popup, "Copy what the popup shows to the clipboard";
    InputAccept "input-accept" "done" Safe Input, "Take what was typed";
    InputCancel "input-cancel" "cancel" Safe Input, "Drop what was typed";
    EditOutside "edit-outside" "your editor" Safe Input, "Edit the body in your own editor ($VISUAL or $EDITOR)";
    NextField "next-field" "next" Safe Input, "To the next field or match";
    Mark "mark" "mark" Safe Input, "Mark what is selected, or take its mark away";
    PreviousField "previous-field" "previous" Safe Input, "To the field or match before";
    Interrupt "interrupt" "stop" Safe Always, "Stop the running job; without one, leave the console";
    Suspend "suspend" "suspend" Safe Always, "Give the terminal back to the shell until fg";
    Redraw "redraw" "redraw" Safe Always, "Draw the whole screen anew";
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
