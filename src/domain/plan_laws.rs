//! The laws of convergence: a plan that was carried out, wholly or in part, in whatever order and
//! after whatever crash, leads to what was asked for, and there to rest.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*};

use super::{
    arbitrary::{Situation, desired, observed_like, owned, parse, rights, spec, stamps},
    desired::{Desired, Encryption, EncryptionType, is_reserved},
    ecr_model::{run, run_anew},
    observed::{Observed, Reading, Tags},
    ownership::{OwnerObject, Rights},
    plan::{Plan, Step, plan, plan_creation},
    setting::Setting,
};
use crate::api::ECRRepositorySpec;

/// The keys that status remembers once this plan is about to be carried out.
fn remember(remembered: &BTreeSet<String>, plan: &Plan) -> BTreeSet<String> {
    let written = plan.steps.iter().filter_map(|step| step.action.tags());
    let keys = written.flat_map(Tags::keys).cloned();
    remembered
        .iter()
        .cloned()
        .chain(keys)
        .filter(|key| !is_reserved(key))
        .collect()
}

/// The keys that status remembers once all of it is done.
fn settled(desired: &Desired, remembered: &BTreeSet<String>) -> BTreeSet<String> {
    let wanted = desired.tags.as_ref();
    wanted.map_or_else(
        |_| remembered.clone(),
        |tags| tags.keys().cloned().collect(),
    )
}

/// Whether ECR holds what is asked of a document, as far as anything is known of it.
fn holds<T: PartialEq>(wanted: &Setting<T>, held: &Reading<T>) -> bool {
    match (wanted, held) {
        (Setting::Unmanaged, _) | (_, Reading::NotRead) | (Setting::Absent, Reading::Absent) => {
            true
        }
        (Setting::Present(wanted), Reading::Stored(held)) => wanted == held,
        (Setting::Present(_), Reading::Absent) | (Setting::Absent, Reading::Stored(_)) => false,
    }
}

/// Whether ECR holds all that is asked for and can be given.
fn is_as_asked(desired: &Desired, held: &Observed) -> bool {
    let mutability = desired.mutability.as_ref().ok().and_then(Setting::value);
    let scanning = desired.scan_on_push.as_ref().ok().and_then(Setting::value);
    let has = |tags: &Tags| {
        tags.iter()
            .all(|(key, value)| held.tags.get(key) == Some(value))
    };
    mutability.is_none_or(|wanted| held.described.mutability.as_ref() == Some(wanted))
        && scanning.is_none_or(|wanted| held.described.scan_on_push == *wanted)
        && desired
            .lifecycle
            .as_ref()
            .map_or(true, |wanted| holds(wanted, &held.lifecycle))
        && desired.policy.as_ref().map_or(true, |wanted| {
            let own = &desired.identity.registry.id;
            let whole = desired.keep.with(wanted, &held.policy, own);
            // What can't be kept is not overwritten.
            whole.map_or(true, |whole| holds(&whole, &held.policy))
        })
        && desired.tags.as_ref().map_or(true, has)
        && has(&stamps())
}

/// The repository that is exactly what is asked for; what isn't asked for is as `others` has it.
fn equal(desired: &Desired, others: &Observed) -> Observed {
    fn document<T: Clone>(wanted: &Setting<T>, other: &Reading<T>) -> Reading<T> {
        match wanted {
            Setting::Unmanaged => other.clone(),
            Setting::Absent => Reading::Absent,
            Setting::Present(value) => Reading::Stored(value.clone()),
        }
    }
    let mut held = others.clone();
    if let Ok(Setting::Present(mutability)) = &desired.mutability {
        held.described.mutability = Some(mutability.clone());
    }
    if let Ok(Setting::Present(scan)) = desired.scan_on_push {
        held.described.scan_on_push = scan;
    }
    if let Some(Encryption { kind, key }) = &desired.encryption {
        let arn = "arn:aws:kms:eu-west-1:111122223333:key/any".to_owned();
        let key = key.clone().filter(|key| !key.contains("alias/"));
        let by_arn = key.map(|key| match key.strip_prefix("arn:") {
            Some(_) => key,
            None => format!("arn:aws:kms:eu-west-1:111122223333:key/{key}"),
        });
        let key = by_arn.or(Some(arn));
        let key = key.filter(|_| *kind != EncryptionType::Aes256);
        held.described.encryption = Some(Encryption { kind: *kind, key });
    }
    if let Ok(wanted) = &desired.lifecycle {
        held.lifecycle = document(wanted, &others.lifecycle);
    }
    if let Ok(wanted) = &desired.policy {
        held.policy = document(wanted, &others.policy);
    }
    held.tags.extend(desired.tags.clone().unwrap_or_default());
    held.tags.extend(stamps());
    held
}

/// Those of the steps that `dice` picks, in the order that it throws them in.
fn some<'a>(steps: &'a [Step], dice: &[(bool, u8)]) -> Vec<&'a Step> {
    let mut picked: Vec<_> = steps.iter().zip(dice).filter(|(_, die)| die.0).collect();
    picked.sort_by_key(|(_, die)| die.1);
    picked.into_iter().map(|(step, _)| step).collect()
}

/// More than a plan has steps.
const MOST: usize = 8;

fn dice() -> impl Strategy<Value = Vec<(bool, u8)>> {
    vec(any::<(bool, u8)>(), MOST)
}

proptest! {
    #[test]
    fn a_plan_carried_out_leaves_what_is_asked_for_and_nothing_to_do(at in owned()) {
        let first = at.plan();
        let after = run(&at.observed, &first.steps);
        prop_assert!(is_as_asked(&at.desired, &after), "{after:?}");
        let remembered = remember(&at.remembered, &first);
        for remembered in [settled(&at.desired, &remembered), remembered] {
            let second = at.plan_at(&after, &remembered);
            prop_assert_eq!(second.steps, vec![]);
            prop_assert_eq!(&second.refusals, &first.refusals);
        }
    }

    #[test]
    fn what_is_equal_needs_no_write(at in owned()) {
        let held = equal(&at.desired, &at.observed);
        let plan = at.plan_at(&held, &settled(&at.desired, &BTreeSet::new()));
        prop_assert_eq!(plan.steps, vec![]);
        let refused: Vec<_> = at.desired.refusals().map(|(aspect, _)| Some(aspect)).collect();
        let said: Vec<_> = plan.refusals.into_iter().map(|(aspect, _)| aspect).collect();
        prop_assert_eq!(said, refused);
    }

    #[test]
    fn a_crash_after_any_step_changes_nothing_in_the_end(at in owned()) {
        let plan = at.plan();
        let whole = run(&at.observed, &plan.steps);
        let remembered = remember(&at.remembered, &plan);
        for done in 0..=plan.steps.len() {
            let crashed = run(&at.observed, plan.steps.iter().take(done));
            let rest = at.plan_at(&crashed, &remembered);
            prop_assert_eq!(&run(&crashed, &rest.steps), &whole, "after {} steps", done);
        }
    }

    #[test]
    fn any_of_the_steps_in_any_order_lead_to_the_same_end(at in owned(), dice in dice()) {
        let plan = at.plan();
        prop_assert!(plan.steps.len() <= MOST);
        let whole = run(&at.observed, &plan.steps);
        let part = run(&at.observed, some(&plan.steps, &dice));
        let rest = at.plan_at(&part, &remember(&at.remembered, &plan));
        prop_assert_eq!(run(&part, &rest.steps), whole);
    }

    #[test]
    fn a_repository_that_was_created_is_as_asked(desired in desired()) {
        let creation = plan_creation(&desired, stamps());
        let after = run_anew(None, &creation.steps).unwrap();
        prop_assert!(is_as_asked(&desired, &after), "{after:?}");
        let again = replan(&desired, &after, &settled(&desired, &BTreeSet::new()));
        prop_assert_eq!(again.steps, vec![]);
        prop_assert_eq!(again.refusals, creation.refusals);
    }

    #[test]
    fn a_creation_that_crashed_is_taken_up(desired in desired(), dice in dice()) {
        let creation = plan_creation(&desired, stamps());
        let whole = run_anew(None, &creation.steps);
        let remembered = remember(&BTreeSet::new(), &creation);
        let prefixes = (0..=creation.steps.len()).map(|done| creation.steps.iter().take(done).collect());
        for part in prefixes.chain([some(&creation.steps, &dice)]) {
            let end = match run_anew(None, part) {
                None => run_anew(None, &creation.steps),
                Some(made) => {
                    let rest = replan(&desired, &made, &remembered);
                    Some(run(&made, &rest.steps))
                }
            };
            prop_assert_eq!(&end, &whole);
        }
    }

    #[test]
    fn whatever_happened_before_the_last_spec_decides_and_foreign_tags_stay(
        at in owned(),
        past in vec((spec(), dice(), any::<bool>()), 0..4),
        drifted in observed_like(vec![parse(&ECRRepositorySpec::default()).unwrap()]),
    ) {
        let Situation { desired: last, observed: mut held, .. } = at;
        held.tags.retain(|key, _| !key.starts_with("team") && !key.starts_with("env"));
        let foreign = held.tags.clone();
        let mut remembered = BTreeSet::new();
        let mut named = BTreeSet::new();
        for (spec, dice, drifts) in past {
            let desired = parse(&spec).unwrap();
            named.extend(desired.tags.iter().flatten().map(|(key, _)| key.clone()));
            let plan = replan(&desired, &held, &remembered);
            remembered = remember(&remembered, &plan);
            held = run(&held, some(&plan.steps, &dice));
            if drifts {
                let tags = held.tags;
                held = Observed { tags, ..drifted.clone() };
            }
        }
        let plan = replan(&last, &held, &remembered);
        held = run(&held, &plan.steps);
        prop_assert!(is_as_asked(&last, &held));
        let wanted = last.tags.clone().unwrap_or_default();
        for (key, value) in &foreign {
            if !named.contains(key) && !wanted.contains_key(key) && !stamps().contains_key(key) {
                prop_assert_eq!(held.tags.get(key), Some(value));
            }
        }
        if last.tags.is_ok() {
            for key in held.tags.keys().filter(|key| named.contains(*key)) {
                prop_assert!(wanted.contains_key(key) || foreign.contains_key(key), "{} is left", key);
            }
        }
    }
}

fn replan(desired: &Desired, held: &Observed, remembered: &BTreeSet<String>) -> Plan {
    let rights = rights(
        &desired.adoption,
        None,
        &held.tags,
        OwnerObject::NotLookedUp,
    );
    assert!(matches!(rights, Rights::Ours { .. }), "{rights:?}");
    plan(desired, held, &rights, remembered)
}
