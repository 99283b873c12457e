//! Every state of an ECRRepositoryClass.

use std::time::Duration;

use ecr_operator::{
    api::{CLASS_FINALIZER, ECRRepositoryClassStatus as Status},
    domain::{
        class::{ClassStanding, conclude_class},
        desired::Refusal,
        failure::{Class as FailureClass, Failure},
        reason::Reason,
        retry::{Attempts, Call, Moment, Now, Slot, Waits},
    },
};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::state::{Health, NOT_SEEN, SEEN, State, dashed, going, object, said, then};

pub(crate) fn all() -> Vec<State> {
    let mut states = vec![
        state("ready", Health::Healthy, ClassStanding::Ready),
        state("several-defaults", Health::Healthy, several_defaults()),
        state("invalid-spec-stalled", Health::Degraded, refused()),
    ];
    states.extend(FAILURES.iter().flat_map(|&class| hindered(class)));
    states.extend(unseen());
    states.extend(on_the_way_out());
    states
}

const LOOK: Call = Call {
    slot: Slot::Look,
    operation: "GetCallerIdentity",
};

/// What asking AWS who we are may end with.
const FAILURES: [FailureClass; 5] = [
    FailureClass::Throttled,
    FailureClass::Unavailable,
    FailureClass::Credentials,
    FailureClass::WrongAccount,
    FailureClass::Denied,
];

fn spec() -> Value {
    json!({"allowedNamespaces": {}})
}

fn concluded(standing: ClassStanding) -> Status {
    let mut status = Status {
        repositories: Some(2),
        ..Status::default()
    };
    conclude_class(&mut status, standing, SEEN, then());
    status
}

fn state(name: &str, health: Health, standing: ClassStanding) -> State {
    let status = concluded(standing);
    State {
        name: name.to_owned(),
        object: object("ECRRepositoryClass", "default", &spec(), &json!(status)),
        health,
        message: said(&status.conditions),
    }
}

fn several_defaults() -> ClassStanding {
    ClassStanding::SeveralDefaults("This one counts, as the newest".to_owned())
}

fn refused() -> ClassStanding {
    ClassStanding::Refused(Refusal {
        reason: Reason::InvalidSpec,
        message: "Correct spec.nameTemplate".to_owned(),
    })
}

/// At the first failure, and after a quarter of an hour of it.
fn hindered(class: FailureClass) -> Vec<State> {
    let waits = Waits {
        rest: Duration::from_mins(30),
        rota: Duration::from_hours(8),
    };
    let mut attempts = Attempts::default();
    let mut states: Vec<State> = Vec::new();
    for minutes in [0, 15] {
        let failure = Failure {
            class,
            said: format!("as for {}", class.label()),
        };
        let waited = Duration::from_mins(minutes);
        let now = Now {
            moment: Moment(waited),
            wall: Timestamp::UNIX_EPOCH + waited,
        };
        let attempt = attempts.failed(LOOK, "", failure, now, 0.5, waits);
        let (sign, health) = if attempt.told.stalled {
            ("stalled", Health::Degraded)
        } else {
            ("reconciling", Health::Progressing)
        };
        let word = class.label().replace('_', "-");
        let state = state(
            &format!("{word}-{sign}"),
            health,
            ClassStanding::Hindered(attempt.clone()),
        );
        if states.iter().all(|it| it.name != state.name) {
            states.push(state);
        }
    }
    states
}

fn unseen() -> Vec<State> {
    let status = json!({"observedGeneration": -1});
    let new = object("ECRRepositoryClass", "default", &spec(), &status);
    let mut edited = state("edited", Health::Progressing, ClassStanding::Ready).object;
    edited["metadata"]["generation"] = json!(SEEN + 1);
    [("new", new), ("edited", edited)]
        .map(|(name, object)| State {
            name: name.to_owned(),
            object,
            health: Health::Progressing,
            message: NOT_SEEN.to_owned(),
        })
        .into()
}

fn on_the_way_out() -> Vec<State> {
    let name = format!("deleting-{}", dashed(Reason::InUse.as_str()));
    let waits = state(
        &name,
        Health::Progressing,
        ClassStanding::InUse { users: 2 },
    );
    let fresh = state("deleting", Health::Progressing, ClassStanding::Ready);
    vec![
        State {
            object: going(waits.object, CLASS_FINALIZER),
            message: format!("Pending deletion: {}", waits.message),
            ..waits
        },
        State {
            object: going(fresh.object, CLASS_FINALIZER),
            message: "Pending deletion".to_owned(),
            ..fresh
        },
    ]
}

/// A new kind of failure is to be looked at here: does asking AWS who we are end with it?
#[test]
fn every_failure_of_a_class_is_here() {
    let asks = |class| match class {
        FailureClass::Throttled
        | FailureClass::Unavailable
        | FailureClass::Credentials
        | FailureClass::WrongAccount
        | FailureClass::Denied => true,
        FailureClass::Invalid
        | FailureClass::Unsettled
        | FailureClass::PolicyRefused
        | FailureClass::Limit
        | FailureClass::Kms
        | FailureClass::Gone
        | FailureClass::Exists
        | FailureClass::NotEmpty
        | FailureClass::Altered
        | FailureClass::NotLeading => false,
    };
    assert!(FAILURES.into_iter().all(asks));
}
