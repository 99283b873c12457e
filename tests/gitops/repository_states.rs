//! Every state of an ECRRepository.

use ecr_operator::{
    api::{Aspect, ECRRepositoryStatus as Status, FINALIZER},
    domain::{
        failure::{Class as FailureClass, Failure},
        reason::Reason,
        status::{Problem, Standing, conclude, note_overridden},
    },
};
use serde_json::{Value, json};

use crate::{
    reasons::{Shown, of_repository},
    state::{Health, NOT_SEEN, SEEN, State, dashed, going, object, said, then},
};

pub(crate) fn all() -> Vec<State> {
    let mut states = well();
    states.extend(Reason::ALL.iter().flat_map(|&reason| hindered(reason)));
    states.push(several());
    states.extend(unseen());
    states.extend(on_the_way_out());
    states
}

/// Status as the operator keeps it beside the conditions.
fn bound() -> Status {
    Status {
        class_name: Some("default".to_owned()),
        registry_id: Some("123456789012".to_owned()),
        region: Some("eu-central-1".to_owned()),
        repository_name: Some("payments/api".to_owned()),
        arn: Some("arn:aws:ecr:eu-central-1:123456789012:repository/payments/api".to_owned()),
        ..Status::default()
    }
}

fn concluded(standing: Standing) -> Status {
    let mut status = bound();
    conclude(&mut status, standing, SEEN, then());
    status
}

fn state(name: &str, health: Health, spec: &Value, status: &Status) -> State {
    State {
        name: name.to_owned(),
        object: object("ECRRepository", "api", spec, &json!(status)),
        health,
        message: said(&status.conditions),
    }
}

fn problem(reason: Reason, stalled: bool) -> Problem {
    let failure = Failure {
        class: FailureClass::Invalid,
        said: format!("as for {reason}"),
    };
    Problem {
        aspect: Some(Aspect::LifecyclePolicy),
        action: "PutLifecyclePolicy",
        reason,
        message: failure.to_string(),
        stalled,
    }
}

/// What needs nobody, and what is so because spec says so.
fn well() -> Vec<State> {
    let synced = concluded(Standing::Enforced(Vec::new()));
    let mut overridden = synced.clone();
    note_overridden(&mut overridden, "The class enforces imageTagMutability");
    let observe = json!({"managementPolicy": "Observe"});
    let observed = |planned: Vec<Problem>, problems: Vec<Problem>| {
        concluded(Standing::Observed {
            needed: Vec::new(),
            planned,
            problems,
        })
    };
    let planned = || vec![problem(Reason::Observed, false)];
    let denied = || vec![problem(Reason::AccessDenied, true)];
    let suspend = json!({"suspend": true});
    let suspended = |name, undone| State {
        message: "Suspended — to go on, set spec.suspend to false".to_owned(),
        ..state(
            name,
            Health::Suspended,
            &suspend,
            &concluded(Standing::Suspended { undone }),
        )
    };
    vec![
        state("synced", Health::Healthy, &json!({}), &synced),
        state(
            "overridden-by-class",
            Health::Healthy,
            &json!({}),
            &overridden,
        ),
        state(
            "observed",
            Health::Healthy,
            &observe,
            &observed(Vec::new(), Vec::new()),
        ),
        state(
            "observed-with-a-plan",
            Health::Healthy,
            &observe,
            &observed(planned(), Vec::new()),
        ),
        state(
            "observed-and-denied",
            Health::Degraded,
            &observe,
            &observed(planned(), denied()),
        ),
        state(
            "observed-without-adoption",
            Health::Healthy,
            &observe,
            &concluded(Standing::Observed {
                needed: vec![Problem {
                    aspect: None,
                    message: "spec.adoption.policy IfUnowned".to_owned(),
                    ..problem(Reason::AlreadyExists, false)
                }],
                planned: planned(),
                problems: Vec::new(),
            }),
        ),
        suspended("suspended", false),
        suspended("suspended-and-undone", true),
        state(
            "beginning",
            Health::Progressing,
            &json!({}),
            &concluded(Standing::Beginning),
        ),
    ]
}

/// The states that a reason leads to.
fn hindered(reason: Reason) -> Vec<State> {
    let shown = of_repository(reason).iter().filter_map(|shown| {
        let (sign, health) = match shown {
            Shown::Stalled => ("stalled", Health::Degraded),
            Shown::Reconciling => ("reconciling", Health::Progressing),
            Shown::Otherwise => return None,
        };
        let problem = problem(reason, *shown == Shown::Stalled);
        let status = concluded(Standing::Enforced(vec![problem]));
        let name = format!("{}-{sign}", dashed(reason.as_str()));
        Some(state(&name, health, &json!({}), &status))
    });
    shown.collect()
}

/// What needs a person counts, also where something else heals by itself.
fn several() -> State {
    let problems = vec![
        problem(Reason::Throttled, false),
        problem(Reason::RejectedByAws, true),
    ];
    let status = concluded(Standing::Enforced(problems));
    state(
        "throttled-and-rejected",
        Health::Degraded,
        &json!({}),
        &status,
    )
}

/// What the operator has not looked at yet. The definition gives every object a status.
fn unseen() -> Vec<State> {
    let message = NOT_SEEN;
    let new = Status {
        observed_generation: Some(-1),
        ..Status::default()
    };
    let new = object("ECRRepository", "api", &json!({}), &json!(new));
    let edited = |standing| {
        let status = json!(concluded(standing));
        let mut edited = object("ECRRepository", "api", &json!({}), &status);
        edited["metadata"]["generation"] = json!(SEEN + 1);
        edited
    };
    let stalled = vec![problem(Reason::RejectedByAws, true)];
    [
        ("new", new),
        ("edited", edited(Standing::Enforced(Vec::new()))),
        ("edited-while-stalled", edited(Standing::Enforced(stalled))),
    ]
    .map(|(name, object)| State {
        name: name.to_owned(),
        object,
        health: Health::Progressing,
        message: message.to_owned(),
    })
    .into()
}

/// Whatever the conditions say, an object that goes is under way.
fn on_the_way_out() -> Vec<State> {
    let spec = json!({"deletionPolicy": "Delete"});
    let waits = |name: &str, standing: Standing, spec: &Value, why: bool| {
        let status = concluded(standing);
        let state = state(name, Health::Progressing, spec, &status);
        let message = if why {
            format!("Pending deletion: {}", state.message)
        } else {
            "Pending deletion".to_owned()
        };
        State {
            object: going(state.object, FINALIZER),
            message,
            ..state
        }
    };
    let by = |reason, stalled| Standing::Enforced(vec![problem(reason, stalled)]);
    let suspended = json!({"deletionPolicy": "Delete", "suspend": true});
    vec![
        waits("deleting", Standing::Enforced(Vec::new()), &spec, false),
        waits(
            "deleting-with-images",
            by(Reason::RepositoryNotEmpty, true),
            &spec,
            true,
        ),
        waits(
            "deleting-while-throttled",
            by(Reason::Throttled, false),
            &spec,
            true,
        ),
        waits(
            "deleting-while-suspended",
            Standing::Suspended { undone: false },
            &suspended,
            false,
        ),
    ]
}
