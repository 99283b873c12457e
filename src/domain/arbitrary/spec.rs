//! What users ask for.

use std::collections::BTreeMap;

use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::{select, subsequence},
};
use serde_json::{Map, Value, json};

use super::{KEYS, RESERVED, parse};
use crate::{
    api::{
        Access, Adoption, AdoptionPolicy, DeletionPolicy, ECRRepositorySpec,
        EncryptionConfiguration, EncryptionType, ExclusionFilterType, ImageScanningConfiguration,
        ImageTagMutability, ImageTagMutabilityExclusionFilter, LifecyclePolicy, ManagementPolicy,
        RepositoryPolicy,
    },
    domain::{desired::Desired, observed::Tags},
};

/// Keys of an arbitrary ARN, id and alias.
const KMS: &[&str] = &[
    "arn:aws:kms:ap-southeast-1:111122223333:key/a",
    "arn:aws:kms:ap-southeast-1:111122223333:key/b",
    "arn:aws:kms:ap-southeast-1:111122223333:alias/a",
    "alias/a",
    "1234abcd",
];

fn word(of: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    select(of).prop_map(str::to_owned)
}

fn words(of: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    vec(word(of), 0..3)
}

const MODES: &[ImageTagMutability] = &[
    ImageTagMutability::Mutable,
    ImageTagMutability::Immutable,
    ImageTagMutability::MutableWithExclusion,
    ImageTagMutability::ImmutableWithExclusion,
];

fn filters() -> impl Strategy<Value = Vec<ImageTagMutabilityExclusionFilter>> {
    let filter_type = ExclusionFilterType::Wildcard;
    words(&["dev-*", "latest", "v*"]).prop_map(move |filters| {
        let filter = |filter| ImageTagMutabilityExclusionFilter {
            filter_type,
            filter,
        };
        filters.into_iter().map(filter).collect()
    })
}

/// In one of ten the filters do not fit the mode.
fn mutability() -> impl Strategy<
    Value = (
        Option<ImageTagMutability>,
        Option<Vec<ImageTagMutabilityExclusionFilter>>,
    ),
> {
    let fits = any::<u8>().prop_map(|die| die % 10 > 0);
    (option::of(select(MODES)), option::of(filters()), fits).prop_map(|(mode, filters, fits)| {
        let mut filters = filters;
        if fits && !mode.is_some_and(ImageTagMutability::has_exclusions) {
            filters = filters.map(|_| vec![]);
        }
        (mode, filters)
    })
}

fn encryption() -> impl Strategy<Value = EncryptionConfiguration> {
    let kinds = [
        EncryptionType::Aes256,
        EncryptionType::Kms,
        EncryptionType::KmsDsse,
    ];
    (select(kinds.to_vec()), option::of(word(KMS))).prop_map(|(encryption_type, key)| {
        EncryptionConfiguration {
            encryption_type,
            // AES256 with a key stops the whole object; a table has that.
            kms_key: key.filter(|_| encryption_type != EncryptionType::Aes256),
        }
    })
}

/// A policy document, or an attempt at one.
fn statements() -> impl Strategy<Value = Vec<Value>> {
    let principal = word(&["111122223333", "444455556666"]);
    let actions = subsequence(vec!["ecr:BatchGetImage", "ecr:PutImage", "ecr:Get*"], 1..=3);
    let sid = prop_oneof![
        9 => word(&["a", "b", ""]),
        1 => Just("EcrOperatorPull".to_owned())
    ];
    let effect = prop_oneof![9 => select(&["Allow", "Deny"]), 1 => Just("allow")];
    let statement = (sid, effect, principal, actions).prop_map(|(sid, effect, principal, actions)| {
        json!({"Sid": sid, "Effect": effect, "Principal": {"AWS": principal}, "Action": actions})
    });
    vec(statement, 0..3)
}

fn repository_policy() -> impl Strategy<Value = RepositoryPolicy> {
    prop_oneof![
        1 => Just(RepositoryPolicy::default()),
        9 => statements().prop_map(|statements| {
            let mut policy = Map::new();
            policy.insert("Version".into(), "2012-10-17".into());
            policy.insert("Statement".into(), statements.into());
            RepositoryPolicy(policy)
        }),
    ]
}

fn access() -> impl Strategy<Value = Access> {
    const WHO: &[&str] = &[
        "111122223333",
        "444455556666",
        "arn:aws:iam::111122223333:role/ci",
        "lambda.amazonaws.com",
    ];
    let who = || prop_oneof![9 => words(WHO), 1 => Just(vec!["nobody".to_owned()])];
    (option::of(who()), option::of(who())).prop_map(|(pull, push)| Access { pull, push })
}

/// Statements of others that stay.
fn keep() -> impl Strategy<Value = Option<Vec<String>>> {
    let sids = select(vec![vec![], vec!["a"], vec!["*"]]);
    let sids = sids.prop_map(|sids| sids.into_iter().map(str::to_owned).collect());
    option::of(sids).boxed()
}

prop_compose! {
    fn rule()(
        any in any::<bool>(),
        count in 1..4,
        priority in prop_oneof![9 => (1_i64..9).prop_map(Some), 1 => Just(None)],
        tags in subsequence(vec!["v*", "dev-*", "x"], 1..=3),
    ) -> Value {
        let mut selection = json!({"countType": "imageCountMoreThan", "countNumber": count});
        selection["tagStatus"] = if any { "untagged" } else { "tagged" }.into();
        if !any {
            selection["tagPatternList"] = tags.into();
        }
        let mut rule = json!({"selection": selection, "action": {"type": "expire"}});
        if let Some(priority) = priority {
            rule["rulePriority"] = priority.into();
        }
        rule
    }
}

fn lifecycle() -> impl Strategy<Value = LifecyclePolicy> {
    vec(rule(), 0..3).prop_map(|rules| serde_json::from_value(json!({"rules": rules})).unwrap())
}

fn tags() -> impl Strategy<Value = Tags> {
    let value = word(&["a", "b"]);
    let too_many = (0..49).map(|i| (format!("k{i}"), String::new()));
    prop_oneof![
        12 => btree_map(word(KEYS), value.clone(), 0..4),
        1 => btree_map(word(RESERVED), value, 1..3),
        1 => Just(too_many.collect::<BTreeMap<_, _>>()),
    ]
}

fn adoption() -> impl Strategy<Value = Adoption> {
    let from = Some("other/payments/web".to_owned());
    let spec = |policy, from| Adoption { policy, from };
    select(vec![
        spec(AdoptionPolicy::Never, None),
        spec(AdoptionPolicy::IfUnowned, None),
        spec(AdoptionPolicy::TakeOver, from),
    ])
}

prop_compose! {
    /// What an object asks for; each of its aspects may be one that ECR would never take.
    pub(crate) fn spec()(
        (image_tag_mutability, filters) in mutability(),
        scanning in option::of(option::of(any::<bool>())),
        encryption_configuration in option::of(encryption()),
        lifecycle_policy in option::of(lifecycle()),
        (repository_policy, access, keep_statements) in
            (option::of(repository_policy()).boxed(), option::of(access()).boxed(), keep()),
        tags in option::of(tags()),
        adoption in option::of(adoption()),
        deletion in select(vec![None, Some(DeletionPolicy::Delete), Some(DeletionPolicy::DeleteWithImages)]),
        management_policy in select(vec![None, Some(ManagementPolicy::Observe)]),
        suspend in option::of(any::<bool>()),
    ) -> ECRRepositorySpec {
        ECRRepositorySpec {
            class_name: None,
            unmanaged: None,
            repository_name: None,
            image_tag_mutability,
            image_tag_mutability_exclusion_filters: filters,
            image_scanning_configuration: scanning
                .map(|scan_on_push| ImageScanningConfiguration { scan_on_push }),
            encryption_configuration,
            lifecycle_policy,
            repository_policy,
            access,
            keep_statements,
            tags,
            deletion_policy: deletion,
            adoption,
            management_policy,
            suspend,
        }
    }
}

/// What an object asks for, parsed.
pub(crate) fn desired() -> impl Strategy<Value = Desired> {
    spec().prop_map(|spec| parse(&spec).unwrap())
}
