//! What each standing says.

use k8s_openapi::jiff::Timestamp;

use super::{
    reason::Reason,
    status::{Problem, RELEASED, Standing, conclude, fit},
};
use crate::api::{AppliedAspect, Aspect, ECRRepositoryStatus as Status};

const LIFECYCLE: Aspect = Aspect::LifecyclePolicy;

#[test]
fn texts_are_made_fit() {
    for (text, longest, expected) in [
        ("as it is", 1024, "as it is"),
        ("", 1024, ""),
        ("abc", 3, "abc"),
        ("abcd", 3, "abc"),
        ("aé", 2, "a"),
        ("a☃", 4, "a☃"),
        ("a\nb\u{7f}\u{9b}", 1024, "a\u{fffd}b\u{fffd}\u{fffd}"),
        (
            "\u{202e}\u{2066}\u{200f}\u{61c}",
            1024,
            "\u{fffd}\u{fffd}\u{fffd}\u{fffd}",
        ),
        ("\u{2028}\u{2029}\u{feff}", 1024, "\u{fffd}\u{fffd}\u{fffd}"),
        // One character goes, three bytes come.
        ("\n\n", 5, "\u{fffd}"),
    ] {
        assert_eq!(fit(text, longest), expected, "{text:?}");
    }
}

fn problem(reason: Reason, stalled: bool) -> Problem {
    Problem {
        aspect: Some(LIFECYCLE),
        action: "PutLifecyclePolicy",
        reason,
        message: "Mend it".to_owned(),
        stalled,
    }
}

/// Conditions as `kubectl get` might show them: `Type=Status/Reason`.
fn said(status: &mut Status, standing: Standing) -> String {
    conclude(status, standing, 1, Timestamp::UNIX_EPOCH);
    let conditions = status.conditions.iter();
    let said = conditions.map(|c| format!("{}={}/{}", c.type_, c.status, c.reason));
    said.collect::<Vec<_>>().join(" ")
}

#[test]
fn each_standing_says_its_own() {
    let (stalled, heals) = (
        problem(Reason::RejectedByAws, true),
        problem(Reason::Throttled, false),
    );
    let (refused, planned) = (
        problem(Reason::ImmutableField, true),
        problem(Reason::Observed, false),
    );
    let observed = |planned: &[Problem], problems: &[Problem]| Standing::Observed {
        needed: Vec::new(),
        planned: planned.to_vec(),
        problems: problems.to_vec(),
    };
    let table = [
        (
            Standing::Beginning,
            "Ready=False/Progressing Accepted=True/Accepted Synced=False/Progressing Reconciling=True/Progressing",
        ),
        (
            Standing::Enforced(vec![]),
            "Ready=True/Synced Accepted=True/Accepted Synced=True/Synced",
        ),
        (
            Standing::Enforced(vec![heals.clone(), stalled]),
            "Ready=False/RejectedByAws Accepted=True/Accepted Synced=False/RejectedByAws Stalled=True/RejectedByAws",
        ),
        (
            Standing::Enforced(vec![heals.clone()]),
            "Ready=False/Throttled Accepted=True/Accepted Synced=False/Throttled Reconciling=True/Throttled",
        ),
        (
            Standing::Enforced(vec![refused.clone()]),
            "Ready=False/ImmutableField Accepted=False/ImmutableField Synced=False/ImmutableField Stalled=True/ImmutableField",
        ),
        (
            observed(&[], &[]),
            "Ready=True/Observed Accepted=True/Accepted Synced=True/Observed",
        ),
        (
            observed(std::slice::from_ref(&planned), &[]),
            "Ready=True/Observed Accepted=True/Accepted Synced=False/Observed",
        ),
        (
            observed(&[planned], std::slice::from_ref(&refused)),
            "Ready=False/ImmutableField Accepted=False/ImmutableField Synced=False/ImmutableField Stalled=True/ImmutableField",
        ),
        (
            Standing::Suspended { undone: false },
            "Ready=True/Suspended Accepted=True/Accepted Synced=True/Suspended",
        ),
        (
            Standing::Suspended { undone: true },
            "Ready=False/Suspended Accepted=True/Accepted Synced=False/Suspended",
        ),
    ];
    for (standing, expected) in table {
        let what = format!("{standing:?}");
        assert_eq!(said(&mut Status::default(), standing), expected, "{what}");
    }
}

#[test]
fn observing_shows_the_plan_also_beside_what_is_wrong() {
    let mut status = Status::default();
    let planned = vec![problem(Reason::Observed, false)];
    let problems = vec![problem(Reason::ImmutableField, true)];
    let needed = vec![problem(Reason::AlreadyExists, false)];
    let standing = Standing::Observed {
        needed,
        planned,
        problems,
    };
    said(&mut status, standing);
    let reasons: Vec<_> = status.pending.iter().map(|it| it.reason.as_str()).collect();
    assert_eq!(reasons, ["ImmutableField", "AlreadyExists", "Observed"]);
}

#[test]
fn observing_says_how_many_changes_there_are_and_what_enforce_would_need() {
    let (change, needed) = (
        problem(Reason::Observed, false),
        Problem {
            message: "spec.adoption".to_owned(),
            ..problem(Reason::AlreadyExists, false)
        },
    );
    for (needed, changes, message, synced) in [
        (vec![], 0, "ECR matches — nothing would be written", "True"),
        (
            vec![],
            1,
            "1 change pending — set spec.managementPolicy to Enforce to make it",
            "False",
        ),
        (
            vec![],
            2,
            "2 changes pending — set spec.managementPolicy to Enforce to make them",
            "False",
        ),
        (
            vec![needed.clone()],
            0,
            "ECR matches; Enforce would first need: spec.adoption",
            "False",
        ),
        (
            vec![needed.clone(), needed],
            1,
            "1 change pending; Enforce would first need: spec.adoption; spec.adoption",
            "False",
        ),
    ] {
        let mut status = Status::default();
        let standing = Standing::Observed {
            needed,
            planned: vec![change.clone(); changes],
            problems: vec![],
        };
        let conditions = said(&mut status, standing);
        assert!(conditions.starts_with("Ready=True/Observed Accepted=True/Accepted"));
        assert!(
            conditions.ends_with(&format!("Synced={synced}/Observed")),
            "{conditions}"
        );
        assert_eq!(status.conditions[0].message, message);
    }
}

#[test]
fn suspended_says_since_when_however_often_it_is_said() {
    let mut status = Status::default();
    let at = |seconds| Timestamp::from_second(seconds).unwrap();
    let suspended = |undone| Standing::Suspended { undone };
    conclude(&mut status, suspended(false), 1, at(60));
    conclude(&mut status, suspended(false), 1, at(90));
    let message = |status: &Status| status.conditions[0].message.clone();
    assert_eq!(
        message(&status),
        "Suspended since 1970-01-01T00:01:00Z, when all was in force, and ECR has not been looked at since \
         — set spec.suspend to false to go on"
    );
    conclude(&mut status, suspended(true), 2, at(120));
    assert_eq!(
        message(&status),
        "Suspended since 1970-01-01T00:01:00Z, and not all that the spec asks for is in force \
         — set spec.suspend to false to go on"
    );
    status.suspended_since = Some("\u{1b}forged".to_owned());
    conclude(&mut status, suspended(true), 2, at(150));
    assert!(message(&status).starts_with("Suspended since 1970-01-01T00:02:30Z,"));
    conclude(&mut status, Standing::Enforced(vec![]), 3, at(180));
    assert_eq!(status.suspended_since, None);
}

#[test]
fn work_that_begins_or_rests_leaves_what_is_pending() {
    for standing in [Standing::Beginning, Standing::Suspended { undone: true }] {
        let mut status = Status::default();
        said(
            &mut status,
            Standing::Enforced(vec![problem(Reason::Throttled, false)]),
        );
        let before = status.pending.clone();
        said(&mut status, standing);
        assert_eq!(status.pending, before);
        said(&mut status, Standing::Enforced(vec![]));
        assert_eq!(status.pending, vec![]);
    }
}

#[test]
fn what_was_let_go_is_said_while_all_is_well() {
    let mut status = Status::default();
    status.working_memory.applied = vec![AppliedAspect {
        aspect: LIFECYCLE,
        hash: RELEASED.to_owned(),
    }];
    said(&mut status, Standing::Enforced(vec![]));
    let ready = &status.conditions[0].message;
    assert_eq!(
        ready,
        "ECR matches; no longer managed, and left as it is in ECR: lifecyclePolicy"
    );
}
