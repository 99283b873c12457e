//! The laws would hold of nothing at all, too: here is what they are tried on.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*, strategy::ValueTree as _, test_runner::TestRunner};

use super::{
    action::Action,
    arbitrary::{Situation, owned, situation, stamps},
    desired::EncryptionType,
    observed::{Observed, Reading},
    ownership::{Conflict, Rights},
    plan::{Step, plan_creation},
    setting::Setting,
};
use crate::api::Aspect;

fn operations(steps: &[Step]) -> BTreeSet<&'static str> {
    steps.iter().map(|step| step.action.operation()).collect()
}

/// As many as the laws are tried on, and then some.
fn samples<T>(strategy: impl Strategy<Value = T>) -> Vec<T> {
    let mut runner = TestRunner::deterministic();
    let many = vec(strategy, 2000).new_tree(&mut runner);
    many.unwrap().current()
}

#[test]
fn every_write_is_reached() {
    let mut reached = BTreeMap::new();
    for at in samples(owned()) {
        let plans = [at.plan(), plan_creation(&at.desired, stamps())];
        for operation in plans.iter().flat_map(|plan| operations(&plan.steps)) {
            *reached.entry(operation).or_insert(0) += 1;
        }
    }
    // A new kind of write has to be named here.
    let planned = |action: &Action| match action {
        Action::DeleteRepository { .. } => false,
        Action::CreateRepository(_)
        | Action::TagResource(_)
        | Action::UntagResource(_)
        | Action::PutImageTagMutability(_)
        | Action::PutImageScanningConfiguration(_)
        | Action::PutLifecyclePolicy(_)
        | Action::DeleteLifecyclePolicy
        | Action::SetRepositoryPolicy(_)
        | Action::DeleteRepositoryPolicy => true,
    };
    assert!(!planned(&Action::DeleteRepository { force: false }));
    assert_eq!(
        reached.keys().copied().collect::<Vec<_>>(),
        [
            "CreateRepository",
            "DeleteLifecyclePolicy",
            "DeleteRepositoryPolicy",
            "PutImageScanningConfiguration",
            "PutImageTagMutability",
            "PutLifecyclePolicy",
            "SetRepositoryPolicy",
            "TagResource",
            "UntagResource",
        ]
    );
    assert!(reached.values().all(|times| *times > 50), "{reached:?}");
}

#[test]
fn the_laws_are_tried_on_all_there_is() {
    let all = samples(situation());
    let count = |what: &dyn Fn(&Situation) -> bool| all.iter().filter(|at| what(at)).count();
    let refuses = |at: &Situation, aspect| at.desired.refusals().any(|(it, _)| it == aspect);
    let rights = |at: &Situation| at.rights(&at.observed.tags);
    let reads = |what: fn(&Observed) -> bool| count(&|at| what(&at.observed));
    for (what, times) in [
        (
            "ours",
            count(&|at| matches!(rights(at), Rights::Ours { .. })),
        ),
        (
            "adoptable",
            count(&|at| matches!(rights(at), Rights::MayAdopt { .. })),
        ),
        (
            "looked up",
            count(&|at| matches!(rights(at), Rights::LookUp(_))),
        ),
        (
            "without owner",
            count(&|at| rights(at) == Rights::Refused(Conflict::AlreadyExists)),
        ),
        (
            "another's",
            count(&|at| rights(at) == Rights::Refused(Conflict::OtherOwner)),
        ),
        (
            "two clusters",
            count(&|at| rights(at) == Rights::Refused(Conflict::TwoClusters)),
        ),
        (
            "bad mutability",
            count(&|at| refuses(at, Aspect::ImageTagMutability)),
        ),
        (
            "bad lifecycle",
            count(&|at| refuses(at, Aspect::LifecyclePolicy)),
        ),
        (
            "bad policy",
            count(&|at| refuses(at, Aspect::RepositoryPolicy)),
        ),
        ("bad tags", count(&|at| refuses(at, Aspect::Tags))),
        (
            "no lifecycle wanted",
            count(&|at| at.desired.lifecycle == Ok(Setting::Absent)),
        ),
        (
            "no policy wanted",
            count(&|at| at.desired.policy == Ok(Setting::Absent)),
        ),
        (
            "lifecycle not read",
            reads(|held| held.lifecycle == Reading::NotRead),
        ),
        (
            "no lifecycle",
            reads(|held| held.lifecycle == Reading::Absent),
        ),
        (
            "unknown lifecycle",
            reads(|held| matches!(&held.lifecycle, Reading::Stored(it) if !it.is_understood())),
        ),
        (
            "known policy",
            reads(|held| matches!(&held.policy, Reading::Stored(it) if it.is_understood())),
        ),
        (
            "unknown mutability",
            reads(|held| held.described.mutability.is_none()),
        ),
        (
            "KMS",
            count(&|at| {
                at.desired
                    .encryption
                    .as_ref()
                    .is_some_and(|it| it.kind == EncryptionType::Kms)
            }),
        ),
    ] {
        assert!(times > 10, "{what}: {times} of {}", all.len());
    }
}
