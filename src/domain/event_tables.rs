//! What is told of a pass, and what is not.

use std::slice::from_ref;

use super::{
    action::{Action, NewRepository},
    class::Preview,
    event::{Done, Event, of_pass},
    lifecycle::Lifecycle,
    observed::Tags,
    reason::Reason,
    status::{LONGEST_MESSAGE, Problem, RELEASED, Standing, conclude},
};
use crate::api::{AppliedAspect, Aspect, ECRRepositoryStatus as Status, Loss};
use k8s_openapi::jiff::Timestamp;

fn done(action: Action) -> Done {
    Done {
        action,
        before: "what was before".to_owned(),
        drift: false,
        preview: None,
    }
}

fn creation() -> Action {
    Action::CreateRepository(NewRepository {
        mutability: None,
        scan_on_push: None,
        encryption: None,
        tags: Tags::new(),
    })
}

fn problem(reason: Reason, stalled: bool) -> Problem {
    Problem {
        aspect: Some(Aspect::RepositoryPolicy),
        action: "SetRepositoryPolicy",
        reason,
        message: "Mend it: it is broken".to_owned(),
        stalled,
    }
}

/// `Warning Reason Action` of each event.
fn told(events: &[Event]) -> Vec<String> {
    let line = |event: &Event| {
        let kind = if event.warning { "Warning" } else { "Normal" };
        format!("{kind} {} {}", event.reason, event.action)
    };
    events.iter().map(line).collect()
}

fn of_writes(writes: &[Done]) -> Vec<Event> {
    of_pass(&Status::default(), &Status::default(), writes, &[])
}

const NONE: [&str; 0] = [];

/// What status says once a pass ended so.
fn after(standing: Standing) -> Status {
    let mut status = Status::default();
    conclude(&mut status, standing, 1, Timestamp::UNIX_EPOCH);
    status
}

/// What is told of problems, once a pass has ended with those before.
fn of_problems(before: &Status, problems: &[Problem]) -> Vec<String> {
    let mut next = before.clone();
    conclude(
        &mut next,
        Standing::Enforced(problems.to_vec()),
        1,
        Timestamp::UNIX_EPOCH,
    );
    told(&of_pass(before, &next, &[], problems))
}

#[test]
fn all_writes_of_a_pass_are_one_event_and_none_is_none() {
    assert_eq!(of_writes(&[]), vec![]);
    let (scan, delete) = (
        Action::PutImageScanningConfiguration(true),
        Action::DeleteLifecyclePolicy,
    );
    let force = Action::DeleteRepository { force: true };
    let key = || ["team".to_owned()];
    let untag = Action::UntagResource(key().into());
    let tag = Action::TagResource(key().map(|key| (key, "a".to_owned())).into());
    let table = [
        (
            vec![creation(), Action::DeleteRepositoryPolicy],
            "Normal Created CreateRepository",
            "CreateRepository; DeleteRepositoryPolicy",
        ),
        (
            vec![scan, delete],
            "Normal Updated PutImageScanningConfiguration",
            "PutImageScanningConfiguration scanOnPush=true (was what was before); \
             DeleteLifecyclePolicy (was what was before)",
        ),
        (
            vec![untag, tag],
            "Normal Updated UntagResource",
            "UntagResource team; TagResource team",
        ),
        (
            vec![force],
            "Normal Deleted DeleteRepository",
            "DeleteRepository with all its images",
        ),
    ];
    for (writes, line, note) in table {
        let events = of_writes(&writes.into_iter().map(done).collect::<Vec<_>>());
        assert_eq!(told(&events), [line]);
        assert_eq!(events[0].note, note);
    }
}

#[test]
fn a_lifecycle_policy_is_told_with_what_it_replaced_and_what_it_takes() {
    let keep = |count: u32| {
        let rule = serde_json::json!({"rules": [{
            "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": count},
            "action": {"type": "expire"},
        }]});
        Lifecycle::stored(&rule.to_string())
    };
    let put = |before: &str, preview| Done {
        before: before.to_owned(),
        preview,
        ..done(Action::PutLifecyclePolicy(keep(1)))
    };
    let counts = |expiring, archiving| {
        Some(Preview {
            expiring,
            archiving,
        })
    };
    for (before, preview, start) in [
        (keep(10).text(), None, "PutLifecyclePolicy (was {"),
        (
            keep(10).text(),
            counts(11, 0),
            "PutLifecyclePolicy, which deletes 11 images, by ECR's preview (was {",
        ),
        (
            "none".to_owned(),
            counts(1, 2),
            "PutLifecyclePolicy, which deletes 1 image and archives 2, by ECR's preview (was none; is {",
        ),
        ("x".repeat(5000), None, "PutLifecyclePolicy (was xxx"),
    ] {
        let events = of_writes(&[put(&before, preview)]);
        let note = &events[0].note;
        assert!(note.starts_with(start), "{note}");
        assert!(
            note.contains("; is {\"rules\":[{") && note.contains("\"countNumber\":1"),
            "{note}"
        );
    }
    // Of a new repository nothing is replaced.
    assert_eq!(of_writes(&[put("", None)])[0].note, "PutLifecyclePolicy");
}

#[test]
fn every_drift_is_told_by_itself() {
    let drifted = |action| Done {
        drift: true,
        ..done(action)
    };
    let events = of_writes(&[
        drifted(Action::PutImageScanningConfiguration(true)),
        done(Action::DeleteRepositoryPolicy),
        drifted(Action::DeleteLifecyclePolicy),
    ]);
    assert_eq!(
        told(&events),
        [
            "Normal Updated PutImageScanningConfiguration",
            "Warning DriftRepaired PutImageScanningConfiguration",
            "Warning DriftRepaired DeleteLifecyclePolicy",
        ]
    );
    assert_eq!(
        events[2].note,
        "lifecyclePolicy was changed outside: it was what was before; repaired by DeleteLifecyclePolicy"
    );
}

#[test]
fn a_loss_is_told_once_it_was_made_good() {
    let status = |created: Option<&str>, lost: bool| Status {
        created_at: created.map(str::to_owned),
        last_loss: lost.then(|| Loss {
            at: "noon".to_owned(),
            previous_created_at: Some("dawn".to_owned()),
        }),
        ..Status::default()
    };
    for (what, before, after, expected) in [
        (
            "lost and created anew",
            status(Some("dawn"), false),
            status(Some("dusk"), true),
            true,
        ),
        (
            "taken up after a crash",
            status(Some("dawn"), true),
            status(Some("dusk"), true),
            true,
        ),
        (
            "lost and not created",
            status(Some("dawn"), false),
            status(Some("dawn"), true),
            false,
        ),
        (
            "long ago",
            status(Some("dusk"), true),
            status(Some("dusk"), true),
            false,
        ),
        (
            "created after an older loss",
            status(None, true),
            status(Some("dusk"), true),
            false,
        ),
        (
            "created",
            status(None, false),
            status(Some("dawn"), false),
            false,
        ),
        (
            "bound anew",
            status(Some("dusk"), true),
            status(None, true),
            false,
        ),
    ] {
        let events = told(&of_pass(&before, &after, &[], &[]));
        let told = events == ["Warning RepositoryLost CreateRepository"];
        assert_eq!(told, expected, "{what}: {events:?}");
        assert_eq!(events.is_empty(), !expected, "{what}: {events:?}");
    }
    // Before it was adopted it was told that another repository stands in its place.
    let standing = Standing::Enforced(vec![problem(Reason::Adopting, false)]);
    let adopting = Status {
        conditions: after(standing).conditions,
        ..status(Some("dawn"), true)
    };
    let adopted = status(Some("dusk"), true);
    assert_eq!(told(&of_pass(&adopting, &adopted, &[], &[])), NONE);
}

#[test]
fn letting_go_is_told_once() {
    let applied = |hash: &str| {
        let mut status = Status::default();
        status.working_memory.applied = vec![AppliedAspect {
            aspect: Aspect::LifecyclePolicy,
            hash: hash.to_owned(),
        }];
        status
    };
    let (held, let_go) = (applied("x"), applied(RELEASED));
    let events = of_pass(&held, &let_go, &[], &[]);
    assert_eq!(told(&events), ["Normal Released Release"]);
    assert_eq!(
        events[0].note,
        "lifecyclePolicy is no longer managed and left as it is in ECR"
    );
    assert_eq!(of_pass(&let_go, &let_go, &[], &[]), vec![]);
    assert_eq!(of_pass(&let_go, &held, &[], &[]), vec![]);
}

#[test]
fn what_needs_a_person_is_told_and_what_heals_is_not() {
    let stalled = problem(Reason::InvalidPolicy, true);
    let heals = problem(Reason::PolicyNotYetAccepted, false);
    let nothing = Status::default();
    let line = "Warning InvalidPolicy SetRepositoryPolicy";
    assert_eq!(of_problems(&nothing, &[heals]), NONE);
    assert_eq!(of_problems(&nothing, from_ref(&stalled)), [line]);
    let tags = Problem {
        aspect: Some(Aspect::Tags),
        ..stalled.clone()
    };
    assert_eq!(of_problems(&nothing, &[stalled, tags]), [line, line]);
}

#[test]
fn nothing_is_told_twice() {
    let stalled = problem(Reason::RejectedByAws, true);
    let before = after(Standing::Enforced(vec![stalled.clone()]));
    assert_eq!(of_problems(&before, from_ref(&stalled)), NONE);
    let long = Problem {
        message: "x".repeat(2000),
        ..stalled.clone()
    };
    let before_long = after(Standing::Enforced(vec![long.clone()]));
    assert_eq!(of_problems(&before_long, &[long]), NONE);

    let changes = [
        Problem {
            message: "Mend something else".to_owned(),
            ..stalled.clone()
        },
        Problem {
            reason: Reason::LimitExceeded,
            ..stalled.clone()
        },
        Problem {
            aspect: None,
            ..stalled
        },
    ];
    for change in changes {
        assert_eq!(of_problems(&before, &[change]).len(), 1);
    }
}

#[test]
fn what_did_not_heal_is_told_once_it_needs_a_person() {
    let denied = problem(Reason::AccessDenied, false);
    let ripe = Problem {
        stalled: true,
        ..denied.clone()
    };
    let before = after(Standing::Enforced(vec![denied]));
    assert_eq!(of_problems(&before, from_ref(&ripe)).len(), 1);
    let before = after(Standing::Enforced(vec![ripe.clone()]));
    assert_eq!(of_problems(&before, &[ripe]), NONE);
}

#[test]
fn notes_are_fit_to_be_shown() {
    let evil = Problem {
        message: format!("a\u{1b}[2J\n{}", "é".repeat(2000)),
        ..problem(Reason::RejectedByAws, true)
    };
    let drift = Done {
        drift: true,
        before: format!("{}\u{202e}", "☃".repeat(1000)),
        ..done(Action::DeleteLifecyclePolicy)
    };
    let events = of_pass(&Status::default(), &Status::default(), &[drift], &[evil]);
    assert_eq!(events.len(), 3);
    for event in events {
        assert!(event.note.len() <= LONGEST_MESSAGE, "{}", event.note.len());
        assert!(!event.note.chars().any(char::is_control), "{}", event.note);
    }
}
