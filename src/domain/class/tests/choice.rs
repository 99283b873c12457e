//! Which class counts.

use k8s_openapi::jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::super::{Candidate, Defaults, NoChoice, choose};

/// `d`: a default; `x`: being deleted; a digit: created in that second.
fn candidate(name: &'static str, marks: &str) -> Candidate<'static> {
    let second = marks.chars().find_map(|it| it.to_digit(10));
    Candidate {
        name,
        is_default: marks.contains('d'),
        deleting: marks.contains('x'),
        uid: name,
        created: second.map(|it| Timestamp::from_second(it.into()).unwrap()),
    }
}

#[test]
fn the_named_one_counts_or_the_default() {
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

/// As `StorageClass`: the newest, then by name. Those that stay come before those that go.
#[test]
fn of_several_defaults_the_newest_counts() {
    let old = candidate("a-old", "d1");
    let (new, same) = (candidate("new", "d5"), candidate("newer-by-name", "d5"));
    let going = candidate("going", "dx9");
    assert_eq!(choose(None, &[old, new]), Ok(new));
    assert_eq!(choose(None, &[new, old]), Ok(new));
    assert_eq!(choose(None, &[same, new, old]), Ok(new));
    assert_eq!(choose(None, &[old, going]), Ok(old));
    assert_eq!(choose(None, &[going]), Err(NoChoice::Deleting(going)));
    assert_eq!(choose(Some("a-old"), &[old, new]), Ok(old));
    // Nobody but the API server says when; where it does not, the others are newer.
    assert_eq!(choose(None, &[candidate("a", "d"), old]), Ok(old));
}

#[test]
fn both_defaults_say_which_of_them_counts() {
    let (old, new) = (candidate("old", "d1"), candidate("new", "d5"));
    assert_eq!(Defaults::of(&[old, candidate("c", "7")]), None);
    let classes = [old, new];
    let defaults = Defaults::of(&classes).unwrap();
    let told = |class| defaults.told_by(class).unwrap_or_default();
    assert!(told("new").contains("old are all default classes, and this one counts"));
    assert!(told("old").contains("of new, which is newer — remove"));
    assert_eq!(told("c"), "");
}

proptest! {
    /// Whatever the order in which classes are told, the same one counts.
    #[test]
    fn the_order_makes_no_difference(
        chosen in subsequence(vec!["d1", "d1", "d2", "dx3", "d3", "x", "2", "dx1"], 0..8),
        by in any::<u64>(),
    ) {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let classes: Vec<_> = names.iter().zip(&chosen).map(|(name, marks)| candidate(name, marks)).collect();
        let mut mixed = classes.clone();
        mixed.rotate_left(usize::try_from(by).unwrap_or(usize::MAX) % classes.len().max(1));
        prop_assert_eq!(choose(None, &classes), choose(None, &mixed));
        mixed.reverse();
        prop_assert_eq!(choose(None, &classes), choose(None, &mixed));
        prop_assert_eq!(Defaults::of(&classes), Defaults::of(&mixed));
    }
}

#[test]
fn each_says_what_happened_and_what_to_do() {
    let x = candidate("x", "x");
    for (why, reason, words) in [
        (
            NoChoice::NoClass,
            "NoClass",
            "there is no default class — set spec.className",
        ),
        (
            NoChoice::NotFound("prd"),
            "ClassNotFound",
            "There is no class \"prd\"; did you mean prod? — set spec.className",
        ),
        (
            NoChoice::NotFound("billing"),
            "ClassNotFound",
            "There is no class \"billing\" — set spec.className",
        ),
        (
            NoChoice::Deleting(x),
            "ClassNotReady",
            "Class x is being deleted — set spec.className",
        ),
    ] {
        let refusal = why.refusal(["prod", "dev"]);
        assert_eq!(refusal.reason.as_str(), reason);
        assert!(refusal.reason.is_refusal());
        assert!(refusal.message.contains(words), "{refusal}");
    }
}
