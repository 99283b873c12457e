//! Every kind of failure: what is done about it, and what people read.

use std::{collections::BTreeSet, time::Duration};

use super::{
    failure::{Class, Failure, Pace, Retry},
    reason::Reason,
};

/// The class after this one; a new class has to be put in here, and so in every table.
const fn next(class: Class) -> Option<Class> {
    match class {
        Class::Throttled => Some(Class::Unavailable),
        Class::Unavailable => Some(Class::Unsettled),
        Class::Unsettled => Some(Class::Credentials),
        Class::Credentials => Some(Class::WrongAccount),
        Class::WrongAccount => Some(Class::Denied),
        Class::Denied => Some(Class::Invalid),
        Class::Invalid => Some(Class::PolicyRefused),
        Class::PolicyRefused => Some(Class::Limit),
        Class::Limit => Some(Class::Kms),
        Class::Kms => Some(Class::Gone),
        Class::Gone => Some(Class::Exists),
        Class::Exists => Some(Class::NotEmpty),
        Class::NotEmpty => Some(Class::Altered),
        Class::Altered => Some(Class::NotLeading),
        Class::NotLeading => None,
    }
}

fn all() -> impl Iterator<Item = Class> {
    std::iter::successors(Some(Class::Throttled), |class| next(*class))
}

#[test]
fn every_advice_begins_with_what_to_do() {
    const DOING: &[&str] = &["allow", "ask", "check", "correct", "delete", "set", "write"];
    for class in all() {
        let advice = class.advice();
        let first = advice.split(' ').next().unwrap();
        let nothing = advice.starts_with("nothing to do: ");
        assert!(DOING.contains(&first) || nothing, "{class:?}: {advice}");
        // Who is told that there is nothing to do is never told that a person is needed.
        assert_eq!(
            nothing,
            class.retry().patience.is_none(),
            "{class:?}: {advice}"
        );
        assert!(
            !advice.ends_with(['.', ':', ' ']),
            "it ends the message: {advice}"
        );
        assert!(
            advice.len() < 300 && !advice.contains(['\n', '\t']),
            "{advice}"
        );
    }
}

#[test]
fn advice_comes_after_the_words_of_aws() {
    for class in all() {
        let failure = Failure {
            class,
            said: "what AWS said".to_owned(),
        };
        assert_eq!(
            failure.to_string(),
            format!("what AWS said — {}", class.advice())
        );
    }
}

#[test]
fn classes_have_labels_of_their_own() {
    let labels: BTreeSet<_> = all().map(Class::label).collect();
    assert_eq!(labels.len(), all().count());
    let legal = |label: &str| label.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    assert!(labels.iter().all(|label| legal(label)), "{labels:?}");
}

#[test]
fn each_is_tried_again_in_its_own_way() {
    const MINUTES: fn(u64) -> Option<Duration> = |n| Some(Duration::from_secs(n * 60));
    use Pace::{BackOff, Rest, Rota};
    let table = [
        (Class::Throttled, None, BackOff, Reason::Throttled),
        (Class::Unavailable, None, BackOff, Reason::AwsUnavailable),
        (Class::Unsettled, None, BackOff, Reason::Progressing),
        (
            Class::Credentials,
            MINUTES(5),
            BackOff,
            Reason::AccessDenied,
        ),
        (
            Class::WrongAccount,
            MINUTES(0),
            BackOff,
            Reason::WrongAccount,
        ),
        (Class::Denied, MINUTES(5), BackOff, Reason::AccessDenied),
        (Class::Invalid, MINUTES(0), Rest, Reason::RejectedByAws),
        (
            Class::PolicyRefused,
            MINUTES(10),
            Rest,
            Reason::InvalidPolicy,
        ),
        (Class::Limit, MINUTES(0), Rest, Reason::LimitExceeded),
        (Class::Kms, MINUTES(0), Rest, Reason::KmsKeyUnusable),
        (Class::Gone, None, BackOff, Reason::Progressing),
        (Class::Exists, MINUTES(0), Rest, Reason::AlreadyExists),
        (
            Class::NotEmpty,
            MINUTES(0),
            BackOff,
            Reason::RepositoryNotEmpty,
        ),
        (Class::Altered, MINUTES(0), Rota, Reason::StoredDiffers),
        (Class::NotLeading, None, BackOff, Reason::Progressing),
    ];
    assert_eq!(table.map(|row| row.0).to_vec(), all().collect::<Vec<_>>());
    for (class, patience, then, reason) in table {
        assert_eq!(class.retry(), Retry { patience, then }, "{class:?}");
        assert_eq!(class.reason(true), reason, "{class:?}");
        let heals = match class {
            Class::PolicyRefused => Reason::PolicyNotYetAccepted,
            _ => reason,
        };
        assert_eq!(class.reason(false), heals, "{class:?}");
    }
}

#[test]
fn only_what_any_other_call_would_meet_too_ends_a_pass() {
    let ending: Vec<_> = all().filter(|class| class.ends_the_pass()).collect();
    assert_eq!(
        ending,
        [
            Class::Unavailable,
            Class::Unsettled,
            Class::Credentials,
            Class::WrongAccount,
            Class::Gone,
            Class::NotLeading
        ]
    );
}

#[test]
fn a_cure_of_its_own_stands_alone_and_long_words_leave_room_for_it() {
    let of = |said: &str| {
        Failure {
            class: Class::Credentials,
            said: said.to_owned(),
        }
        .to_string()
    };
    let clock = "TagResource: the node's clock is wrong — set it";
    assert_eq!(of(clock), clock);
    let long = of(&"ä".repeat(2000));
    assert!(long.len() < 1024, "{long}");
    assert!(long.ends_with(Class::Credentials.advice()), "{long}");
    let waits = Failure::unsettled("the repository does not show yet");
    assert_eq!(
        waits.to_string(),
        "the repository does not show yet — nothing to do: it is looked at again in a moment"
    );
}
