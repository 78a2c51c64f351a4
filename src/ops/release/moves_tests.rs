//! A lab of two functions and one API, taken through releases by arithmetic alone.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::release::annotate;
use crate::status::{StageStatus, VersionStatus};

const SCOPE_ALIAS: &str = "prod";
const NONE: [&str; 0] = [];

fn scope() -> Scope {
    Scope {
        alias: SCOPE_ALIAS.into(),
        stages: vec!["prod".into()],
        newest: Some("dev".into()),
        functions_of: vec![("shop".into(), vec!["a".into()])],
        partial: false,
    }
}

fn stamp(at_ms: u64) -> Stamp {
    Stamp { at_ms, by: "ada".into() }
}

fn function(name: &str, versions: u32, serves: &str) -> FunctionStatus {
    let version = |number: u32| VersionStatus {
        role: String::new(),
        dead_letter: String::new(),
        differs: Vec::new(),
        version: number.to_string(),
        code_sha256: String::new(),
        published: String::new(),
        description: String::new(),
        code_size: 0,
    };
    FunctionStatus {
        name: name.into(),
        exists: true,
        state: "Active".into(),
        code_sha256: String::new(),
        last_modified: String::new(),
        memory_mb: 128,
        timeout_s: 5,
        versions: (1..=versions).map(version).collect(),
        aliases: vec![AliasStatus {
            name: SCOPE_ALIAS.into(),
            version: serves.into(),
            canary: None,
            description: "mine".into(),
            revision_id: "r".into(),
            rollback: None,
            can_undo: false,
            pointer: None,
        }],
    }
}

fn lab() -> LabStatus {
    let stage = |name: &str, deployment: &str| StageStatus {
        cache: None,
        throttle: None,
        name: name.into(),
        deployment_id: deployment.into(),
        variables: vec![],
        updated_ms: 0,
        url: String::new(),
    };
    LabStatus {
        last_move: None,
        events: crate::status::Events::default(),
        access: crate::status::Access::default(),
        lab: "shop".into(),
        title: String::new(),
        deployed: true,
        variant: None,
        functions: vec![function("a", 1, "1"), function("b", 1, "1")],
        apis: vec![ApiStatus {
            name: "shop".into(),
            id: "api1".into(),
            stages: vec![stage("dev", "d1"), stage("prod", "d1")],
        }],
        tables: vec![],
        endpoints: vec![],
        chaos: vec![],
    }
}

fn publish(lab: &mut LabStatus, name: &str) {
    let function = lab.functions.iter_mut().find(|f| f.name == name).unwrap();
    let mut next = function.versions.last().unwrap().clone();
    next.version = (next.version.parse::<u32>().unwrap() + 1).to_string();
    function.versions.push(next);
}

/// Does what the calls would do.
fn apply(lab: &mut LabStatus, moves: &Moves) {
    for change in &moves.changes {
        let function = lab.functions.iter_mut().find(|f| f.name == change.function).unwrap();
        let alias = &mut function.aliases[0];
        assert_eq!(alias.split(), change.from);
        alias.version.clone_from(&change.to.stable);
        alias.canary.clone_from(&change.to.canary);
        let rendered = change.pointer.render(SCOPE_ALIAS, &change.text);
        let live = alias.split();
        let (text, pointer) =
            Pointer::read(&rendered.description, SCOPE_ALIAS, &live, &rendered.tags);
        assert_eq!(text, "mine");
        alias.pointer = pointer;
        alias.revision_id.push('r');
    }
    for stage in &moves.stages {
        let api = lab.apis.iter_mut().find(|api| api.id == stage.api_id).unwrap();
        let live = api.stages.iter_mut().find(|live| live.name == stage.stage).unwrap();
        live.deployment_id.clone_from(&stage.to);
    }
    annotate(lab);
}

fn served(lab: &LabStatus) -> String {
    let aliases = lab.functions.iter().map(|f| format!("{} {}", f.name, f.aliases[0].split()));
    aliases.collect::<Vec<_>>().join(", ")
}

#[test]
fn a_shift_makes_the_newest_version_the_canary_and_leaves_the_others() {
    let mut lab = lab();
    publish(&mut lab, "a");
    let plan = shift(&lab, &scope(), 20.0, &stamp(1)).unwrap();
    assert_eq!(plan.operation, "shift 20%");
    apply(&mut lab, &plan);
    assert_eq!(served(&lab), "a v1 80% · v2 20%, b v1");
    assert_eq!(plan.changes[1].note.as_deref(), Some("nothing newer than v1 is published"));
    let target = lab.functions[0].aliases[0].rollback.as_ref().unwrap();
    assert_eq!((target.version.as_str(), target.guess), ("1", false));
    assert!(lab.functions[1].aliases[0].rollback.is_none(), "b has no canary to take away");

    let back = rollback(&lab, &scope(), &stamp(2)).unwrap();
    assert_eq!(back.changes.len(), 1);
    apply(&mut lab, &back);
    assert_eq!(served(&lab), "a v1, b v1");

    let again = undo(&lab, &scope(), &stamp(3)).unwrap();
    apply(&mut lab, &again);
    assert_eq!(served(&lab), "a v1 80% · v2 20%, b v1", "undo brings the weights back");
}

#[test]
fn a_shift_without_anything_newer_says_why() {
    let failure = shift(&lab(), &scope(), 20.0, &stamp(1)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(failure.why.contains("a: nothing newer than v1 is published"), "{}", failure.why);
}

#[test]
fn versions_that_lambda_does_not_mix_are_refused_and_promoted_at_once() {
    let mut lab = lab();
    publish(&mut lab, "a");
    lab.functions[0].versions.last_mut().unwrap().dead_letter = "arn:q".to_owned();
    let failure = shift(&lab, &scope(), 20.0, &stamp(1)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(failure.why.contains("v1 and v2 of a differ in their dead-letter queue"), "{failure}");
    let plan = promote(&lab, &scope(), &stamp(2)).unwrap();
    apply(&mut lab, &plan);
    assert_eq!(served(&lab), "a v2, b v1");
}

#[test]
fn shares_that_no_alias_can_have_are_refused() {
    for share in [-1.0, 100.5, 0.001, f64::NAN, f64::INFINITY] {
        let failure = shift(&lab(), &scope(), share, &stamp(1)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Invalid, "{share}");
    }
}

#[test]
fn a_shift_to_zero_clears_the_split_and_one_to_hundred_promotes() {
    let mut lab = lab();
    publish(&mut lab, "a");
    let plan = shift(&lab, &scope(), 12.5, &stamp(1)).unwrap();
    apply(&mut lab, &plan);
    assert_eq!(lab.functions[0].aliases[0].canary, Some(("2".into(), 0.125)));
    let plan = shift(&lab, &scope(), 0.0, &stamp(2)).unwrap();
    apply(&mut lab, &plan);
    assert_eq!(served(&lab), "a v1, b v1");
    let plan = shift(&lab, &scope(), 100.0, &stamp(3)).unwrap();
    assert_eq!(plan.operation, "promote");
    apply(&mut lab, &plan);
    assert_eq!(served(&lab), "a v2, b v1");
    let plan = shift(&lab, &scope(), 0.0, &stamp(4)).unwrap();
    assert!(plan.changes.is_empty());
}

#[test]
fn rollback_takes_back_the_newest_release_only_and_goes_on_to_the_one_before() {
    let mut lab = lab();
    publish(&mut lab, "a");
    publish(&mut lab, "b");
    let plan = promote(&lab, &scope(), &stamp(10)).unwrap();
    apply(&mut lab, &plan);
    publish(&mut lab, "a");
    let plan = promote(&lab, &scope(), &stamp(20)).unwrap();
    apply(&mut lab, &plan);
    assert_eq!(served(&lab), "a v3, b v2");

    let back = rollback(&lab, &scope(), &stamp(30)).unwrap();
    apply(&mut lab, &back);
    assert_eq!(served(&lab), "a v2, b v2", "the second release moved a alone");
    let again = rest_of_rollback(&lab, &scope(), "me").unwrap_err();
    assert!(again.to_string().contains("from v3 to v2"), "{again}");
    let back = rollback(&lab, &scope(), &stamp(40)).unwrap();
    apply(&mut lab, &back);
    assert_eq!(served(&lab), "a v1, b v1");
    let failure = rollback(&lab, &scope(), &stamp(50)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused);

    let plan = undo(&lab, &scope(), &stamp(60)).unwrap();
    apply(&mut lab, &plan);
    assert_eq!(served(&lab), "a v2, b v2");
    let back = rollback(&lab, &scope(), &stamp(70)).unwrap();
    apply(&mut lab, &back);
    assert_eq!(served(&lab), "a v1, b v1", "undo brought the way back with it");
}

#[test]
fn promote_moves_the_deployment_and_rollback_and_undo_put_it_back() {
    let mut lab = lab();
    lab.apis[0].stages[0].deployment_id = "d2".into();
    let plan = promote(&lab, &scope(), &stamp(1)).unwrap();
    assert_eq!(plan.stages.len(), 1);
    apply(&mut lab, &plan);
    assert_eq!(lab.apis[0].stages[1].deployment_id, "d2");
    let target = lab.functions[0].aliases[0].rollback.clone().unwrap();
    assert_eq!(target.deployments, [("shop".into(), "prod".into(), "d1".into())]);

    let back = rollback(&lab, &scope(), &stamp(2)).unwrap();
    apply(&mut lab, &back);
    assert_eq!(lab.apis[0].stages[1].deployment_id, "d1");
    assert!(rest_of_rollback(&lab, &scope(), "me").is_err());
    lab.apis[0].stages[1].deployment_id = "d2".into();
    let rest = rest_of_rollback(&lab, &scope(), "me").unwrap().unwrap();
    assert!(rest.changes.is_empty());
    apply(&mut lab, &rest);
    assert_eq!(lab.apis[0].stages[1].deployment_id, "d1", "the stage that was left behind");
    let plan = undo(&lab, &scope(), &stamp(3)).unwrap();
    apply(&mut lab, &plan);
    assert_eq!(lab.apis[0].stages[1].deployment_id, "d2");
    assert_eq!(served(&lab), "a v1, b v1");
}

#[test]
fn a_missing_or_stale_pointer_makes_rollback_a_guess_and_undo_refused() {
    let mut lab = lab();
    for _ in 0..3 {
        publish(&mut lab, "a");
    }
    lab.functions[0].aliases[0].version = "4".into();
    annotate(&mut lab);
    let target = lab.functions[0].aliases[0].rollback.clone().unwrap();
    assert_eq!((target.version.as_str(), target.guess), ("3", true));
    let plan = rollback(&lab, &scope(), &stamp(1)).unwrap();
    assert!(plan.changes[0].note.as_ref().unwrap().starts_with("a guess"));
    assert_eq!(plan.stays[0].reason, "no version older than v1 is published");
    apply(&mut lab, &plan);

    lab.functions[0].aliases[0].version = "2".into();
    annotate(&mut lab);
    assert!(!lab.functions[0].aliases[0].can_undo);
    let failure = undo(&lab, &scope(), &stamp(2)).unwrap_err();
    assert!(failure.why.contains("somebody else moved it since"), "{}", failure.why);
}

#[test]
fn undoing_an_undo_does_it_again() {
    let mut lab = lab();
    publish(&mut lab, "a");
    let plan = promote(&lab, &scope(), &stamp(1)).unwrap();
    apply(&mut lab, &plan);
    for expected in ["a v1, b v1", "a v2, b v1", "a v1, b v1"] {
        let plan = undo(&lab, &scope(), &stamp(9)).unwrap();
        apply(&mut lab, &plan);
        assert_eq!(served(&lab), expected);
    }
}

#[test]
fn a_lab_that_is_not_deployed_can_not_be_released() {
    let mut lab = lab();
    lab.functions[1].aliases.clear();
    let failure = promote(&lab, &scope(), &stamp(1)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotFound);
    assert_eq!(failure.why, "function b has no alias prod");
}

#[test]
fn a_rollback_that_was_cut_short_is_ended_and_no_more() {
    let mut lab = lab();
    publish(&mut lab, "a");
    publish(&mut lab, "b");
    let plan = promote(&lab, &scope(), &stamp(10)).unwrap();
    apply(&mut lab, &plan);
    publish(&mut lab, "a");
    publish(&mut lab, "b");
    let plan = promote(&lab, &scope(), &stamp(20)).unwrap();
    apply(&mut lab, &plan);
    assert_eq!(rest_of_rollback(&lab, &scope(), "me").unwrap(), None);

    let mut cut = rollback(&lab, &scope(), &stamp(30)).unwrap();
    cut.changes.truncate(1);
    apply(&mut lab, &cut);
    assert_eq!(served(&lab), "a v2, b v3");
    let rest = rest_of_rollback(&lab, &scope(), "me").unwrap().unwrap();
    apply(&mut lab, &rest);
    assert_eq!(served(&lab), "a v2, b v2");
    assert!(rest_of_rollback(&lab, &scope(), "me").is_err());
    let plan = undo(&lab, &scope(), &stamp(50)).unwrap();
    apply(&mut lab, &plan);
    assert_eq!(served(&lab), "a v3, b v3", "both parts were one rollback");
}

/// Two functions at v1 with v2 published, and a definition that is newer at dev.
fn ready() -> LabStatus {
    let mut lab = lab();
    publish(&mut lab, "a");
    publish(&mut lab, "b");
    lab.apis[0].stages[0].deployment_id = "d2".into();
    lab
}

/// Carries out what reaches `reached`, and the stages where `stages` says so.
fn cut_short(lab: &mut LabStatus, mut moves: Moves, reached: &str, stages: bool) {
    moves.changes.retain(|change| change.function == reached);
    moves.stages.retain(|_| stages);
    apply(lab, &moves);
}

fn left(lab: &LabStatus) -> Vec<String> {
    let last = last_move(lab, &scope()).unwrap();
    let functions =
        last.left.iter().map(|one| format!("{} {} → {}", one.function, one.serves, one.goes));
    let stages =
        last.stages.iter().map(|one| format!("{} {} → {}", one.stage, one.serves, one.goes));
    functions.chain(stages).collect()
}

fn bring_the_rest(lab: &mut LabStatus) {
    let moves = rest(lab, &scope(), "ada").unwrap().unwrap();
    apply(lab, &moves);
    assert_eq!(rest(lab, &scope(), "ada").unwrap(), None);
    assert!(last_move(lab, &scope()).unwrap().is_whole());
}

#[test]
fn a_promotion_that_was_cut_short_is_ended_or_undone_as_one() {
    for again in [true, false] {
        let mut lab = ready();
        let plan = promote(&lab, &scope(), &stamp(10)).unwrap();
        cut_short(&mut lab, plan, "a", false);
        assert_eq!(left(&lab), ["b v1 → v2", "prod d1 → d2"]);
        if again {
            // The same key again goes on with it, and does not make a second release of it.
            let plan = promote(&lab, &scope(), &stamp(20)).unwrap();
            assert_eq!(plan.changes.len(), 1);
            apply(&mut lab, &plan);
        } else {
            bring_the_rest(&mut lab);
        }
        assert_eq!(served(&lab), "a v2, b v2");
        assert_eq!(lab.apis[0].stages[1].deployment_id, "d2");
        assert!(last_move(&lab, &scope()).unwrap().is_whole());
        let mut other = lab.clone();
        let plan = undo(&lab, &scope(), &stamp(30)).unwrap();
        apply(&mut lab, &plan);
        assert_eq!(served(&lab), "a v1, b v1", "both parts were one promotion");
        assert_eq!(lab.apis[0].stages[1].deployment_id, "d1");
        let plan = rollback(&other, &scope(), &stamp(30)).unwrap();
        apply(&mut other, &plan);
        assert_eq!(served(&other), "a v1, b v1");
    }
    let mut lab = ready();
    let plan = promote(&lab, &scope(), &stamp(10)).unwrap();
    cut_short(&mut lab, plan, "a", false);
    let plan = undo(&lab, &scope(), &stamp(20)).unwrap();
    apply(&mut lab, &plan);
    assert_eq!(served(&lab), "a v1, b v1", "what was moved is taken back");
    assert_eq!(left(&lab), NONE);
}

#[test]
fn a_stage_that_did_not_follow_its_release_is_brought_after_it() {
    let mut lab = ready();
    let plan = promote(&lab, &scope(), &stamp(10)).unwrap();
    apply(&mut lab, &Moves { stages: Vec::new(), ..plan });
    assert_eq!(left(&lab), ["prod d1 → d2"]);
    bring_the_rest(&mut lab);
    assert_eq!(lab.apis[0].stages[1].deployment_id, "d2");
    // A definition that is deployed later is another release, not what is left of this one.
    lab.apis[0].stages[0].deployment_id = "d3".into();
    assert_eq!(left(&lab), NONE);
}

#[test]
fn a_share_that_reached_one_function_alone_is_given_to_the_other() {
    let mut lab = ready();
    let plan = shift(&lab, &scope(), 20.0, &stamp(10)).unwrap();
    cut_short(&mut lab, plan, "b", false);
    assert_eq!(left(&lab), ["a v1 → v1 80% · v2 20%"]);
    let mut other = lab.clone();
    bring_the_rest(&mut other);
    assert_eq!(served(&other), "a v1 80% · v2 20%, b v1 80% · v2 20%");
    let plan = shift(&lab, &scope(), 20.0, &stamp(20)).unwrap();
    apply(&mut lab, &plan);
    let plan = undo(&lab, &scope(), &stamp(30)).unwrap();
    apply(&mut lab, &plan);
    assert_eq!(served(&lab), "a v1, b v1", "both parts were one shift");

    // The end of a split too, and a rollback of one.
    for plan in [shift(&other, &scope(), 0.0, &stamp(40)), rollback(&other, &scope(), &stamp(40))] {
        let mut lab = other.clone();
        cut_short(&mut lab, plan.unwrap(), "a", false);
        assert_eq!(left(&lab), ["b v1 80% · v2 20% → v1"]);
        bring_the_rest(&mut lab);
        assert_eq!(served(&lab), "a v1, b v1");
        let plan = undo(&lab, &scope(), &stamp(50)).unwrap();
        apply(&mut lab, &plan);
        assert_eq!(served(&lab), served(&other));
    }
}

#[test]
fn an_undo_that_was_cut_short_is_ended() {
    let mut lab = ready();
    let plan = promote(&lab, &scope(), &stamp(10)).unwrap();
    apply(&mut lab, &plan);
    let plan = undo(&lab, &scope(), &stamp(20)).unwrap();
    cut_short(&mut lab, plan, "b", false);
    assert_eq!(left(&lab), ["a v2 → v1", "prod d2 → d1"]);
    bring_the_rest(&mut lab);
    assert_eq!(served(&lab), "a v1, b v1");
    assert_eq!(lab.apis[0].stages[1].deployment_id, "d1");
    let plan = undo(&lab, &scope(), &stamp(30)).unwrap();
    apply(&mut lab, &plan);
    assert_eq!(served(&lab), "a v2, b v2", "both parts were one undo");
}

#[test]
fn a_rollback_pressed_again_goes_on_with_one_that_was_cut_short() {
    let mut lab = ready();
    let plan = promote(&lab, &scope(), &stamp(10)).unwrap();
    apply(&mut lab, &plan);
    let plan = rollback(&lab, &scope(), &stamp(20)).unwrap();
    cut_short(&mut lab, plan, "b", true);
    assert_eq!(left(&lab), ["a v2 → v1"]);
    let plan = rollback(&lab, &scope(), &stamp(30)).unwrap();
    apply(&mut lab, &plan);
    assert_eq!(served(&lab), "a v1, b v1");
    let plan = undo(&lab, &scope(), &stamp(40)).unwrap();
    apply(&mut lab, &plan);
    assert_eq!(served(&lab), "a v2, b v2", "both parts were one rollback");
}

#[test]
fn what_is_published_or_deployed_after_a_move_was_not_left_behind_by_it() {
    let mut lab = lab();
    publish(&mut lab, "a");
    let plan = promote(&lab, &scope(), &stamp(10)).unwrap();
    apply(&mut lab, &plan);
    assert_eq!(left(&lab), NONE, "b has nothing newer");
    // A function that came later has no move on record.
    lab.functions.push(function("c", 2, "1"));
    lab.functions[2].versions[1].published = "2026-11-20T12:03:43.120+0000".into();
    assert_eq!(left(&lab), NONE);
    let plan = promote(&lab, &scope(), &stamp(1_795_176_300_000)).unwrap();
    assert_eq!(plan.changes.len(), 3, "it is a release of its own");
}
