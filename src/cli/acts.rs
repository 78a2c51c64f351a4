//! What each command does, for `labdeck_ops::danger` to say how much it can hurt. A command without an act
//! does not compile, and one that the test below does not list fails it.

use labdeck_ops::danger::Act;

use crate::args::{
    ChaosArgs, Command, KeysCommand, PlansCommand, ReleaseCommand, RequestArgs, StagesCommand,
    Switch,
};

impl Command {
    /// What it does.
    pub fn act(&self) -> Act {
        match self {
            Self::Cloud(_)
            | Self::Labs(_)
            | Self::Plan(_)
            | Self::Logs(_)
            | Self::Metrics(_)
            | Self::Cost(_)
            | Self::Attach(_)
            | Self::Audit(_)
            | Self::Doctor
            | Self::Completions { .. }
            | Self::Man => Act::Look,
            Self::Deploy(_) => Act::Deploy,
            Self::Destroy(_) => Act::Destroy,
            Self::Request(args) => args.act(),
            Self::Invoke(args) if args.event.is_none() => Act::Look,
            Self::Invoke(_) | Self::Compare(_) | Self::Check(_) => Act::Send,
            Self::Release(args) => args.command.act(),
            Self::Rollback(_) => Act::Rollback,
            Self::Stages(args) => args.command.as_ref().map_or(Act::Look, StagesCommand::act),
            Self::Plans(args) => args.command.as_ref().map_or(Act::Look, PlansCommand::act),
            Self::Keys(args) => args.command.as_ref().map_or(Act::Look, KeysCommand::act),
            Self::Chaos(args) => args.act(),
            Self::RightSize(_) => Act::RightSize,
            Self::Walk(args) if args.step.is_none() => Act::Look,
            Self::Walk(_) => Act::Step,
            Self::Detach(_) => Act::Forget,
        }
    }
}

impl RequestArgs {
    /// What it does.
    pub fn act(&self) -> Act {
        let looks = self.history || !self.diff.is_empty() || !self.own.save.is_empty() || self.curl;
        match &self.name {
            Some(_) if self.own.forget => Act::Forget,
            Some(_) if !looks => Act::Send,
            None if self.all => Act::Send,
            _ => Act::Look,
        }
    }
}

impl ReleaseCommand {
    /// What it does.
    pub const fn act(&self) -> Act {
        match self {
            Self::Status | Self::History | Self::Prune { dry_run: true, .. } => Act::Look,
            Self::Prune { .. } => Act::Prune,
            Self::Publish { .. } => Act::Publish,
            Self::Rollback { .. } => Act::Rollback,
            Self::Undo => Act::Undo,
            Self::Shift { .. } => Act::Shift,
            Self::Promote => Act::Promote,
            Self::Complete => Act::Complete,
            Self::Canary(_) => Act::Canary,
        }
    }
}

impl StagesCommand {
    /// What it does.
    pub const fn act(&self) -> Act {
        match self {
            Self::Set { dry_run: true, .. } | Self::Deployments | Self::Diff { .. } => Act::Look,
            Self::Set { .. } => Act::EditStage,
            Self::Switch { .. } => Act::SwitchDeployment,
            Self::Redeploy => Act::Redeploy,
            Self::Flush => Act::FlushCache,
        }
    }
}

impl PlansCommand {
    /// What it does.
    pub const fn act(&self) -> Act {
        match self {
            Self::Set { dry_run: true, .. } | Self::Usage => Act::Look,
            Self::Set { .. } => Act::EditPlan,
            Self::Reset { .. } | Self::Extend { .. } => Act::Quota,
        }
    }
}

impl KeysCommand {
    /// What it does.
    pub const fn act(&self) -> Act {
        match self {
            Self::Show { .. } => Act::Look,
            Self::Create { .. } => Act::CreateKey,
            Self::Enable { .. } => Act::EnableKey,
            Self::Disable { .. } => Act::DisableKey,
            Self::Rotate { .. } => Act::RotateKey,
        }
    }
}

impl ChaosArgs {
    /// What it does.
    pub const fn act(&self) -> Act {
        match self.state {
            None => Act::Look,
            Some(Switch::On) => Act::ChaosOn,
            Some(Switch::Off) => Act::ChaosOff,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::{BTreeMap, BTreeSet};

    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::args::Cli;

    /// Every command, and what it does; for those that do several things a line for each.
    const COMMANDS: &[(&str, Act)] = &[
        ("cloud", Act::Look),
        ("cloud status", Act::Look),
        ("cloud stop", Act::Look),
        ("cloud env", Act::Look),
        ("labs", Act::Look),
        ("plan LAB", Act::Look),
        ("deploy LAB", Act::Deploy),
        ("deploy --all", Act::Deploy),
        ("destroy LAB", Act::Destroy),
        ("destroy --all", Act::Destroy),
        ("request LAB", Act::Look),
        ("request LAB NAME", Act::Send),
        ("request LAB --all", Act::Send),
        ("request LAB NAME --curl", Act::Look),
        ("request LAB --history", Act::Look),
        ("request LAB --diff 1 2", Act::Look),
        ("request LAB NAME --save GET /", Act::Look),
        ("request LAB NAME --forget", Act::Forget),
        ("invoke LAB", Act::Look),
        ("invoke LAB EVENT", Act::Send),
        ("compare LAB NAME OTHER", Act::Send),
        ("release LAB publish", Act::Publish),
        ("release LAB shift 5", Act::Shift),
        ("release LAB promote", Act::Promote),
        ("release LAB complete", Act::Complete),
        ("release LAB rollback", Act::Rollback),
        ("release LAB canary", Act::Canary),
        ("release LAB undo", Act::Undo),
        ("release LAB status", Act::Look),
        ("release LAB history", Act::Look),
        ("release LAB prune", Act::Prune),
        ("release LAB prune --dry-run", Act::Look),
        ("rollback LAB", Act::Rollback),
        ("stages LAB", Act::Look),
        ("stages LAB STAGE set throttle.rate=5", Act::EditStage),
        ("stages LAB STAGE set throttle.rate=5 --dry-run", Act::Look),
        ("stages LAB deployments", Act::Look),
        ("stages LAB STAGE switch ID", Act::SwitchDeployment),
        ("stages LAB STAGE redeploy", Act::Redeploy),
        ("stages LAB STAGE flush", Act::FlushCache),
        ("stages LAB STAGE diff", Act::Look),
        ("plans LAB", Act::Look),
        ("plans LAB set quota.limit=5", Act::EditPlan),
        ("plans LAB set quota.limit=5 --dry-run", Act::Look),
        ("plans LAB usage", Act::Look),
        ("plans LAB reset KEY", Act::Quota),
        ("plans LAB extend KEY 5", Act::Quota),
        ("keys LAB", Act::Look),
        ("keys LAB show KEY", Act::Look),
        ("keys LAB create KEY", Act::CreateKey),
        ("keys LAB enable KEY", Act::EnableKey),
        ("keys LAB disable KEY", Act::DisableKey),
        ("keys LAB rotate KEY", Act::RotateKey),
        ("chaos LAB", Act::Look),
        ("chaos LAB on NAME", Act::ChaosOn),
        ("chaos LAB off NAME", Act::ChaosOff),
        ("logs LAB", Act::Look),
        ("metrics LAB", Act::Look),
        ("cost LAB", Act::Look),
        ("right-size LAB FUNCTION", Act::RightSize),
        ("check LAB", Act::Send),
        ("walk LAB", Act::Look),
        ("walk LAB STEP", Act::Step),
        ("attach", Act::Look),
        ("attach NAME --api API", Act::Look),
        ("detach NAME", Act::Forget),
        ("audit", Act::Look),
        ("doctor", Act::Look),
        ("completions bash", Act::Look),
        ("man", Act::Look),
    ];

    /// The names of the commands in a line: `release publish` for `release LAB publish`.
    fn named(line: &str) -> String {
        let mut names = Vec::new();
        let mut command = Cli::command();
        for word in line.split_whitespace() {
            if let Some(found) = command.find_subcommand(word) {
                names.push(word.to_owned());
                command = found.clone();
            }
        }
        names.join(" ")
    }

    /// Every command that can be given, by its names.
    fn all(command: &clap::Command, before: &str, found: &mut BTreeSet<String>) {
        for sub in command.get_subcommands() {
            let name = format!("{before} {}", sub.get_name()).trim().to_owned();
            all(sub, &name, found);
            if !sub.is_subcommand_required_set() {
                found.insert(name);
            }
        }
    }

    #[test]
    fn every_command_has_an_act_and_none_is_missing_here() {
        let mut seen = BTreeSet::new();
        for (line, act) in COMMANDS {
            let words = std::iter::once("labdeck").chain(line.split_whitespace());
            let command =
                Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(command.command.unwrap().act(), *act, "{line}");
            seen.insert(named(line));
        }
        let mut there_are = BTreeSet::new();
        all(&Cli::command(), "", &mut there_are);
        assert_eq!(seen, there_are, "list the command in COMMANDS with its act");
    }

    #[test]
    fn the_documentation_names_every_command_that_does_more_than_look() {
        let page = include_str!("../../docs/read-only.md");
        let mut by_act: BTreeMap<Act, Vec<String>> = BTreeMap::new();
        for (line, act) in COMMANDS.iter().filter(|(_, act)| *act != Act::Look) {
            // What stands for a name or a value is left out.
            let plain = |c: char| c.is_ascii_lowercase() || c == '-';
            let words = line.split_whitespace().filter(|word| word.chars().all(plain));
            let words: Vec<&str> = words.collect();
            by_act.entry(*act).or_default().push(format!("`{}`", words.join(" ")));
        }
        for act in Act::ALL.iter().filter(|act| **act != Act::Look) {
            let commands = by_act.remove(act).map_or_else(|| "–".to_owned(), |all| all.join(" "));
            let row = page.lines().find(|line| line.starts_with(&format!("| {} |", act.words())));
            let row =
                row.unwrap_or_else(|| panic!("docs/read-only.md has no row {:?}", act.words()));
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            assert_eq!(cells[2], act.danger().words(), "{row}");
            assert_eq!(cells[4], commands, "{row}");
        }
    }
}
