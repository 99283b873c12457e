//! Aspects are independent: what is asked and held of one decides its own writes and no other's.

use proptest::{prelude::*, sample::select};

use super::{
    arbitrary::{Situation, owned, parse, spec},
    desired::{Desired, Refusal},
    observed::Observed,
    plan::{Plan, Step},
    reason::Reason,
    setting::Setting,
};
use crate::api::{Aspect, ECRRepositorySpec};

fn aspect() -> impl Strategy<Value = Aspect> {
    select(Aspect::ALL.to_vec())
}

fn steps_but(plan: &Plan, aspect: Aspect) -> Vec<&Step> {
    let steps = plan.steps.iter();
    steps
        .filter(|step| step.action.aspect() != Some(aspect))
        .collect()
}

fn refused(plan: &Plan) -> Vec<Option<Aspect>> {
    plan.refusals.iter().map(|(aspect, _)| *aspect).collect()
}

/// Asks of one aspect what another object asks.
fn ask(desired: &mut Desired, aspect: Aspect, other: &Desired) {
    match aspect {
        Aspect::ImageTagMutability => desired.mutability = other.mutability.clone(),
        Aspect::ImageScanningConfiguration => desired.scan_on_push = other.scan_on_push.clone(),
        Aspect::LifecyclePolicy => desired.lifecycle = other.lifecycle.clone(),
        Aspect::RepositoryPolicy => {
            desired.policy = other.policy.clone();
            desired.keep = other.keep.clone();
        }
        Aspect::Tags => desired.tags = other.tags.clone(),
    }
}

fn refuse(desired: &mut Desired, aspect: Aspect, refusal: &Refusal) {
    let refusal = refusal.clone();
    match aspect {
        Aspect::ImageTagMutability => desired.mutability = Err(refusal),
        Aspect::ImageScanningConfiguration => desired.scan_on_push = Err(refusal),
        Aspect::LifecyclePolicy => desired.lifecycle = Err(refusal),
        Aspect::RepositoryPolicy => desired.policy = Err(refusal),
        Aspect::Tags => desired.tags = Err(refusal),
    }
}

/// Holds of one aspect what another repository holds.
fn hold(held: &mut Observed, aspect: Aspect, other: &Observed) {
    match aspect {
        Aspect::ImageTagMutability => {
            held.described
                .mutability
                .clone_from(&other.described.mutability);
        }
        Aspect::ImageScanningConfiguration => {
            held.described.scan_on_push = other.described.scan_on_push;
        }
        Aspect::LifecyclePolicy => held.lifecycle = other.lifecycle.clone(),
        Aspect::RepositoryPolicy => held.policy = other.policy.clone(),
        Aspect::Tags => held.tags = other.tags.clone(),
    }
}

proptest! {
    #[test]
    fn an_aspect_decides_its_own_writes_alone(at in owned(), other in owned(), aspect in aspect()) {
        let mut changed = at.clone();
        ask(&mut changed.desired, aspect, &other.desired);
        hold(&mut changed.observed, aspect, &other.observed);
        if aspect == Aspect::Tags {
            changed.remembered = other.remembered;
        }
        let (before, after) = (at.plan(), changed.plan());
        prop_assert_eq!(steps_but(&before, aspect), steps_but(&after, aspect));
    }

    #[test]
    fn a_refusal_leaves_the_other_aspects_alone(at in owned(), aspect in aspect()) {
        let refusal = Refusal { reason: Reason::InvalidSpec, message: "Mend it".to_owned() };
        let mut broken = at.clone();
        refuse(&mut broken.desired, aspect, &refusal);
        let (before, after) = (at.plan(), broken.plan());
        prop_assert_eq!(steps_but(&before, aspect), steps_but(&after, aspect));
        let mut expected = refused(&before);
        expected.push(Some(aspect));
        expected.sort();
        expected.dedup();
        let mut said = refused(&after);
        said.sort();
        prop_assert_eq!(said, expected);
        prop_assert!(after.refusals.contains(&(Some(aspect), refusal)));
        // Of the broken aspect nothing is written; our own tags are no user's.
        for step in after.steps.iter().filter(|step| step.action.aspect() == Some(aspect)) {
            let tags = step.action.tags().unwrap();
            prop_assert!(tags.keys().all(|key| key.starts_with("ecr-operator.dev/")), "{tags:?}");
        }
    }

    #[test]
    fn the_order_of_what_is_a_set_says_nothing(spec in spec(), at in owned()) {
        let plan_of = |spec: &ECRRepositorySpec| {
            let desired = parse(spec).unwrap();
            (desired.hashes(), Situation { desired, ..at.clone() }.plan())
        };
        let (hashes, plan) = plan_of(&spec);
        let (other_hashes, other) = plan_of(&reversed(spec));
        prop_assert_eq!(hashes, other_hashes);
        prop_assert_eq!(plan.steps, other.steps);
        // Of several mistakes another may be told first.
        let aspects = |plan: Vec<(Option<Aspect>, Refusal)>| {
            plan.into_iter().map(|(aspect, _)| aspect).collect::<Vec<_>>()
        };
        prop_assert_eq!(aspects(plan.refusals), aspects(other.refusals));
    }

    #[test]
    fn digests_differ_exactly_with_what_is_asked_for(one in spec(), other in spec()) {
        let (one, other) = (parse(&one).unwrap(), parse(&other).unwrap());
        for aspect in Aspect::ALL {
            let same = match aspect {
                Aspect::ImageTagMutability => one.mutability == other.mutability,
                Aspect::ImageScanningConfiguration => one.scan_on_push == other.scan_on_push,
                Aspect::LifecyclePolicy => one.lifecycle == other.lifecycle,
                Aspect::RepositoryPolicy => {
                    let managed = !matches!(one.policy, Ok(Setting::Unmanaged));
                    one.policy == other.policy && (!managed || one.keep == other.keep)
                }
                Aspect::Tags => one.tags == other.tags,
            };
            let refused = [&one, &other].iter().any(|it| it.refusals().any(|(at, _)| at == aspect));
            let (one, other) = (one.hashes(), other.hashes());
            if !refused {
                prop_assert_eq!(same, one.get(&aspect) == other.get(&aspect), "{:?}", aspect);
            }
        }
    }
}

/// The same spec, its sets written the other way round.
fn reversed(mut spec: ECRRepositorySpec) -> ECRRepositorySpec {
    let filters = spec.image_tag_mutability_exclusion_filters.iter_mut();
    filters.for_each(|filters| filters.reverse());
    if let Some(policy) = &mut spec.lifecycle_policy {
        // Without priorities it is the order that gives them.
        if policy.rules.iter().all(|rule| rule.rule_priority.is_some()) {
            policy.rules.reverse();
        }
        for rule in &mut policy.rules {
            rule.selection
                .tag_pattern_list
                .iter_mut()
                .for_each(|list| list.reverse());
        }
    }
    let statements = spec.repository_policy.as_mut();
    if let Some(serde_json::Value::Array(statements)) =
        statements.and_then(|policy| policy.0.get_mut("Statement"))
    {
        statements.reverse();
    }
    for list in spec
        .access
        .iter_mut()
        .flat_map(|access| [&mut access.pull, &mut access.push])
        .flatten()
    {
        list.reverse();
    }
    spec
}
