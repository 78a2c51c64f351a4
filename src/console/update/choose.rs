//! What a person chooses for a deploy, and what they are told before they decide.

use crate::action::Action;
use crate::message::{Effect, Question};
use crate::state::State;
use crate::state::job::Report;
use crate::state::note::Tone;
use crate::state::popup::{Asked, Popup, Prompt};

/// Opens the list of the lab's variants.
pub fn variants(state: &mut State) -> Vec<Effect> {
    let Some(blueprint) = state.blueprint() else {
        super::work::ready(state);
        return Vec::new();
    };
    if blueprint.variants.is_empty() {
        let said = format!("{} has no variants", blueprint.name);
        state.notes.say(state.now_ms, Tone::Info, said);
        return Vec::new();
    }
    let chosen = state.how().variant;
    let at = blueprint.variants.iter().position(|one| Some(&one.name) == chosen.as_ref());
    state.popups.push(Popup::Variants { selected: at.map_or(0, |at| at + 1) });
    Vec::new()
}

/// Takes a line of that list: the first follows what is live.
pub fn variant(state: &mut State, selected: usize) {
    let Some(blueprint) = state.blueprint() else { return };
    let (lab, last) = (blueprint.name.clone(), blueprint.variants.last().map(|v| v.name.clone()));
    let index = selected.checked_sub(1);
    let variant = index.and_then(|index| blueprint.variants.get(index)).map(|one| one.name.clone());
    let said = match &variant {
        Some(name) => format!("{lab}: the next plan and deploy are of the variant {name}"),
        None => format!(
            "{lab}: plans and deploys follow the variant that is live, else {}",
            last.unwrap_or_default()
        ),
    };
    state.how.entry(lab).or_default().variant = variant;
    changed(state, said);
}

/// Whether what somebody else changed is kept or corrected.
pub fn keep_drift(state: &mut State) -> Vec<Effect> {
    let Some(lab) = state.current_lab().map(|lab| lab.name.clone()) else {
        super::work::ready(state);
        return Vec::new();
    };
    let how = state.how.entry(lab.clone()).or_default();
    how.keep_drift = !how.keep_drift;
    let said = if how.keep_drift {
        format!("{lab}: what somebody else changed is kept")
    } else {
        format!("{lab}: what somebody else changed is corrected")
    };
    changed(state, said);
    Vec::new()
}

/// A plan that was made before is not what would be done now.
fn changed(state: &mut State, said: String) {
    let mut said = said;
    if matches!(state.report, Some(Report::Planned { .. })) {
        state.report = None;
        said = format!("{said}; {} plans anew", state.keys(Action::Plan));
    }
    state.notes.say(state.now_ms, Tone::Info, said);
}

/// Takes in what a job asks.
pub fn asked(state: &mut State, question: Question) {
    state.questions.push_back(question);
    next(state);
}

/// Shows the next question of the running job, once nothing else lies over the screen: what is being
/// typed must not become its answer.
pub fn next(state: &mut State) {
    let Some(question @ Question { number, plan }) = state.questions.front() else { return };
    if !state.popups.is_empty() {
        return;
    }
    let mut about: Vec<String> = plan.warnings().map(|warning| format!("! {warning}")).collect();
    about.push(crate::view::plan::counts(plan));
    if let Some(lab) = question.typed() {
        let place = super::danger::place(state);
        about.push(format!("What is lost on {place} is lost for good. Type {lab} to go on."));
    }
    let prompt = Prompt {
        asked: Asked::Apply { question: *number },
        about,
        input: String::new().into(),
        error: None,
    };
    state.popups.push(Popup::Prompt(prompt));
}

/// What was typed as the answer: nothing, or a no, leaves everything as it is.
///
/// # Errors
/// What is wanted instead.
pub fn typed(state: &mut State, question: u64, text: &str) -> Result<Vec<Effect>, String> {
    let asked = state.questions.iter().find(|one| one.number == question);
    let name = asked.and_then(Question::typed).map(str::to_owned);
    let yes = match (text, name) {
        ("" | "n" | "N" | "no", _) => false,
        (text, Some(name)) => super::popups::typed_exactly(text, &name).map(|()| true)?,
        ("y" | "Y" | "yes", None) => true,
        _ => return Err("type y to deploy, n to leave everything as it is".to_owned()),
    };
    Ok(answer(state, question, yes))
}

/// The answer to a question of the running job.
pub fn answer(state: &mut State, question: u64, yes: bool) -> Vec<Effect> {
    state.questions.retain(|one| one.number != question);
    next(state);
    vec![Effect::Answer { question, yes }]
}

/// The job is over, and its questions with it.
pub fn over(state: &mut State) {
    state.questions.clear();
    state
        .popups
        .retain(|popup| !matches!(popup, Popup::Prompt(Prompt { asked: Asked::Apply { .. }, .. })));
}

/// What one must know before the answer is typed.
pub fn about(state: &State, asked: Asked) -> Vec<String> {
    let on = state.target().map_or("", |target| target.name.as_str());
    match asked {
        Asked::LabName | Asked::LabNameForStep { .. } => {
            let lab = state.current_lab().map_or("", |lab| lab.name.as_str());
            vec![format!(
                "Functions, versions, APIs, tables with their items, roles and logs of {lab} on \
                 {on} go for good. Type the lab's name."
            )]
        }
        Asked::FunctionForStep { index } => {
            let name = super::popups::step_function(state, index).unwrap_or_default();
            vec![format!(
                "{name} on {} goes for good, with its versions and aliases. Type its name.",
                super::danger::place(state)
            )]
        }
        Asked::Prune => super::versions::about(state),
        Asked::AllLabs => {
            let live = state.labs.iter().filter(|lab| !lab.attached).filter(|lab| {
                state.statuses.get(&lab.name).is_none_or(|fetched| fetched.status.deployed)
            });
            let live: Vec<&str> = live.map(|lab| lab.name.as_str()).collect();
            let live = if live.is_empty() { "nothing".to_owned() } else { live.join(", ") };
            vec![
                format!("Deployed on {on}: {live}."),
                "Functions, versions, APIs, tables with their items, roles and logs of every lab go \
                 for good. Type all."
                    .to_owned(),
            ]
        }
        _ => Vec::new(),
    }
}
