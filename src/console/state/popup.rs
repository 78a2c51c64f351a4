//! What can lie over a screen.

use std::sync::Arc;

use labdeck_ops::canary::Start;
use labdeck_ops::request::destination::Destination;
use labdeck_telemetry::LogEvent;
use tui_input::Input;

use super::answers::{AnswerList, Compared};
use super::attach::Picker;
use super::audit::AuditList;
use super::form::RequestForm;
use super::gateway::{PreviewBox, SettingsForm};
use crate::action::Action;
use crate::message::{JobKind, ReleaseOperation};

/// What is done when a question was answered with yes.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Intent {
    /// Leave although a job is running.
    Quit,
    /// Start a job.
    Start(JobKind),
    /// Forget a request of one's own.
    ForgetRequest(String),
    /// Enter read-only mode, though a job runs.
    ReadOnly,
    /// Move a release.
    Release(ReleaseOperation),
    /// Begin a guarded canary, or go on with one.
    Guard(Start),
    /// Let the guarded canary go to its next step.
    SkipStep,
    /// Move a chaos switch.
    Chaos {
        /// The switch.
        name: String,
        /// On or off.
        on: bool,
    },
    /// Forget what is attached by this name.
    Detach(String),
}

/// What is asked for in one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// A filter.
    Filter,
    /// A percentage for the canary.
    Percent,
    /// Steps of a guarded canary and how long each holds: `5,25,50 30s`.
    Canary,
    /// A description for the version.
    Description,
    /// How many requests or how long, how fast, how many at once: `200x8`, `30s 50/s x8`.
    Burst,
    /// The name of a request of one's own: a new one, or a copy of the selected one.
    RequestName {
        /// Whether it is a copy.
        copies: bool,
    },
    /// Where to send.
    Destination,
    /// Destinations and how many requests each, for a comparison: `dev prod 200x8`.
    Compare,
    /// The lab's name, to destroy it.
    LabName,
    /// The lab's name, to do the step of its course that destroys it.
    LabNameForStep {
        /// Index of the step.
        index: usize,
    },
    /// The function's name, to do the step of the course that deletes it.
    FunctionForStep {
        /// Index of the step.
        index: usize,
    },
    /// The lab's name, to delete its old versions.
    Prune,
    /// The word `all`, to destroy every lab.
    AllLabs,
    /// How many more requests a key gets.
    Extend,
    /// The name of a new key.
    KeyName,
    /// The name of what is being attached.
    AttachName,
    /// Whether a plan with warnings is to be carried out: yes or no.
    Apply {
        /// Number of the question.
        question: u64,
    },
}

/// A line that is asked for.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// What.
    pub asked: Asked,
    /// What one must know to answer, in paragraphs; empty where the title says it all.
    pub about: Vec<String>,
    /// What was typed.
    pub input: Input,
    /// What is wrong with it.
    pub error: Option<String>,
}

/// A popup.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there are two or three at most")]
pub enum Popup {
    /// Every key of the screen.
    Help {
        /// First line shown.
        scroll: usize,
    },
    /// Actions found by typing.
    Palette {
        /// What was typed.
        input: Input,
        /// The selected match.
        selected: usize,
        /// The matches, the best first.
        matches: Vec<Action>,
    },
    /// The labs.
    Labs {
        /// The selected one.
        selected: usize,
    },
    /// Where the selected request or event can be sent.
    Destinations {
        /// The choices; behind the last one anything can be typed.
        all: Vec<Destination>,
        /// The selected one.
        selected: usize,
    },
    /// The lab's variants.
    Variants {
        /// The selected one: 0 follows what is live, then the variants.
        selected: usize,
    },
    /// The plan or the last job, in full.
    Review {
        /// First line shown.
        scroll: usize,
    },
    /// The chaos switches.
    Chaos {
        /// The selected one.
        selected: usize,
    },
    /// A question, answered with yes or no.
    Confirm {
        /// The question in lines.
        lines: Vec<String>,
        /// What yes does.
        intent: Intent,
    },
    /// A line that is asked for.
    Prompt(Prompt),
    /// The form of a request.
    Form(RequestForm),
    /// The form of a stage or a usage plan.
    Settings(SettingsForm),
    /// What is going to be changed.
    Preview(Box<PreviewBox>),
    /// A log event, expanded.
    Event {
        /// The event.
        event: Arc<LogEvent>,
        /// Its text in lines: JSON indented.
        lines: Vec<String>,
        /// First line shown.
        scroll: usize,
    },
    /// What happened so far.
    Messages {
        /// The selected note, counted from the newest.
        selected: usize,
    },
    /// The audit.
    Audit(Box<AuditList>),
    /// What was sent before.
    Answers(Box<AnswerList>),
    /// What differs between two answers.
    Compared {
        /// The two.
        compared: Compared,
        /// First line shown.
        scroll: usize,
    },
    /// What can be attached.
    Attach(Box<Picker>),
    /// A text.
    Text {
        /// Its title.
        title: String,
        /// The text.
        text: String,
        /// First line shown.
        scroll: usize,
    },
}

impl Popup {
    /// Whether keys are typed into it.
    pub fn types(&self) -> bool {
        matches!(
            self,
            Self::Palette { .. }
                | Self::Prompt(_)
                | Self::Form(_)
                | Self::Audit(_)
                | Self::Attach(_)
                | Self::Settings(_)
        )
    }
}
