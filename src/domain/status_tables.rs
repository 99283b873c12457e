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
            "Ready=True/Synced Accepted=True/Accepted Synced=True/Synced",
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
    said(&mut status, Standing::Observed { planned, problems });
    let reasons: Vec<_> = status.pending.iter().map(|it| it.reason.as_str()).collect();
    assert_eq!(reasons, ["ImmutableField", "Observed"]);
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
    let mut status = Status {
        applied: vec![AppliedAspect {
            aspect: LIFECYCLE,
            hash: RELEASED.to_owned(),
        }],
        ..Status::default()
    };
    said(&mut status, Standing::Enforced(vec![]));
    let ready = &status.conditions[0].message;
    assert_eq!(
        ready,
        "ECR matches; no longer managed, and left as it is in ECR: lifecyclePolicy"
    );
}
