//! Which class counts.

use super::super::{Candidate, NoChoice, choose};
use crate::domain::desired::Refusal;

fn candidate(name: &'static str, marks: &str) -> Candidate<'static> {
    Candidate {
        name,
        is_default: marks.contains('d'),
        deleting: marks.contains('x'),
        uid: name,
    }
}

#[test]
fn the_named_one_counts_or_the_only_default() {
    let classes = [candidate("a", ""), candidate("b", "d"), candidate("c", "x")];
    assert_eq!(choose(Some("a"), &classes), Ok(classes[0]));
    assert_eq!(choose(None, &classes), Ok(classes[1]));
    assert_eq!(
        choose(Some("c"), &classes),
        Err(NoChoice::Deleting(classes[2]))
    );
    assert_eq!(choose(Some("z"), &classes), Err(NoChoice::NotFound("z")));
    assert_eq!(choose(None, &classes[..1]), Err(NoChoice::NoClass));
    assert_eq!(choose(None, &[]), Err(NoChoice::NoClass));
}

#[test]
fn of_several_defaults_those_that_stay_count() {
    let (b, a, x) = (
        candidate("b", "d"),
        candidate("a", "d"),
        candidate("x", "dx"),
    );
    assert_eq!(
        choose(None, &[b, a]),
        Err(NoChoice::AmbiguousDefaultClass(vec!["a", "b"]))
    );
    assert_eq!(choose(None, &[b, x]), Ok(b));
    assert_eq!(choose(None, &[x]), Err(NoChoice::Deleting(x)));
    assert_eq!(choose(Some("b"), &[b, a]), Ok(b));
}

#[test]
fn each_says_what_to_do() {
    let x = candidate("x", "x");
    for (why, reason, words) in [
        (NoChoice::NoClass, "NoClass", "Set spec.className"),
        (
            NoChoice::AmbiguousDefaultClass(vec!["a", "b"]),
            "AmbiguousDefaultClass",
            "a, b",
        ),
        (NoChoice::NotFound("prod"), "ClassNotFound", "\"prod\""),
        (
            NoChoice::Deleting(x),
            "ClassNotReady",
            "\"x\" is being deleted",
        ),
    ] {
        let refusal = Refusal::from(why);
        assert_eq!(refusal.reason.as_str(), reason);
        assert!(refusal.reason.is_refusal());
        assert!(refusal.message.contains(words), "{refusal}");
    }
}
