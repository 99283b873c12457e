//! How a registry's images are scanned, and what follows from it for each repository.
//!
//! <https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning.html>.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Context, Place, REPOSITORY_NAME, list, push, scans, text};
use crate::error::Error;
use crate::events::News;
use crate::registry::RegistryConfig;
use crate::shape::{self, Member, Shape, optional, required};
use crate::state::{Registry, Repository};

const FILTERS: Shape = Shape::list(
    &Shape::Structure(&[
        required(
            "filter",
            Shape::matching(1, 255, r"^[a-z0-9*](?:[._\-/a-z0-9*]?[a-z0-9*]+)*$"),
        ),
        required("filterType", Shape::one_of(&["WILDCARD"])),
    ]),
    0,
    100,
);
const RULES: Shape = Shape::list(
    &Shape::Structure(&[
        required(
            "scanFrequency",
            Shape::one_of(&["SCAN_ON_PUSH", "CONTINUOUS_SCAN", "MANUAL"]),
        ),
        required("repositoryFilters", FILTERS),
    ]),
    0,
    2,
);

pub(super) const PUT: &[Member] = &[
    optional("scanType", Shape::one_of(&["BASIC", "ENHANCED"])),
    optional("rules", RULES),
];
pub(super) const BATCH_GET: &[Member] = &[required(
    "repositoryNames",
    Shape::list(&REPOSITORY_NAME, 1, 25),
)];

/// Replaces the whole configuration. Without a scan type it is BASIC, the default (model,
/// `PutRegistryScanningConfiguration$scanType`).
pub(super) fn put(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    if context.settings.scanning_blocked {
        return Err(Error::new(
            "BlockedByOrganizationPolicyException",
            "The scanning configuration is managed by a policy of the organization",
        ));
    }
    let enhanced = text(input, "scanType") == "ENHANCED";
    let rules = list(input, "rules");
    check_rules(rules, enhanced)?;
    let rules = shape::known(&RULES, &Value::from(rules));
    let before = frequencies(context.registry);
    let config = &mut context.registry.config;
    config.scanning_rules = list(&json!({ "rules": rules }), "rules").to_vec();
    let was_enhanced = std::mem::replace(&mut config.enhanced, enhanced);
    if enhanced || was_enhanced {
        scans::reconsider(context);
    }
    if enhanced {
        tell_changes(context, &before);
    }
    let configuration = written(&context.registry.config);
    Ok(json!({ "registryScanningConfiguration": configuration }))
}

/// How often each repository is scanned.
fn frequencies(registry: &Registry) -> BTreeMap<String, &'static str> {
    let repositories = registry.repositories.iter();
    repositories
        .map(|(name, repository)| {
            let effective = effective(&registry.config, repository);
            (name.clone(), effective.frequency)
        })
        .collect()
}

/// Repositories in one event: it may have 256 KB, and each takes less than 1 KB.
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html>
const TOLD_AT_ONCE: usize = 200;

fn tell_changes(context: &mut Context<'_>, before: &BTreeMap<String, &'static str>) {
    let after = frequencies(context.registry);
    let both = after.iter().zip(before.values());
    let changes: Vec<(&str, &str, &str)> = both
        .filter(|((_, frequency), previous)| frequency != previous)
        .map(|((name, frequency), previous)| (name.as_str(), *frequency, *previous))
        .collect();
    let place = context.place();
    let at = (&place, context.now);
    let told = changes.chunks(TOLD_AT_ONCE);
    context
        .news
        .extend(told.map(|changes| News::scan_frequencies(at, changes)));
}

/// What is told of a new repository, if enhanced scanning is to look at it.
pub(super) fn of_new(
    config: &RegistryConfig,
    repository: &Repository,
    at: (&Place, f64),
) -> Option<News> {
    let frequency = effective(config, repository).frequency;
    let change = (repository.name.as_str(), frequency, "MANUAL");
    (config.enhanced && frequency != "MANUAL").then(|| News::scan_frequencies(at, &[change]))
}

/// Which frequencies a scan type supports is in the model (`RegistryScanningRule$scanFrequency`),
/// one rule for each in AWS's documentation of filters; the words of the refusals are ours.
fn check_rules(rules: &[Value], enhanced: bool) -> Result<(), Error> {
    let refuse = |message: String| Err(Error::invalid("registryScanningConfiguration", message));
    let mut seen = Vec::new();
    for rule in rules {
        let frequency = text(rule, "scanFrequency");
        let (kind, unsupported) = if enhanced {
            ("ENHANCED", "MANUAL")
        } else {
            ("BASIC", "CONTINUOUS_SCAN")
        };
        if frequency == unsupported {
            return refuse(format!(
                "The scan frequency {frequency} is not supported by the scan type {kind}"
            ));
        }
        if seen.contains(&frequency) {
            return refuse(format!("There is more than one rule for {frequency}"));
        }
        seen.push(frequency);
        for filter in list(rule, "repositoryFilters") {
            let filter = text(filter, "filter");
            if filter.matches('*').count() > MAX_WILDCARDS {
                return refuse(format!(
                    "The filter {filter} has more than the maximum of {MAX_WILDCARDS} wildcards"
                ));
            }
        }
    }
    Ok(())
}

/// <https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning-filters.html>.
const MAX_WILDCARDS: usize = 4;

fn written(config: &RegistryConfig) -> Value {
    let scan_type = if config.enhanced { "ENHANCED" } else { "BASIC" };
    json!({ "scanType": scan_type, "rules": config.scanning_rules })
}

#[expect(clippy::unnecessary_wraps, reason = "all operations have one type")]
pub(super) fn get(context: &mut Context<'_>, _: &Value) -> Result<Value, Error> {
    Ok(json!({
        "registryId": context.caller.account,
        "scanningConfiguration": written(&context.registry.config),
    }))
}

/// What a registry's configuration means for one repository.
pub(super) struct Effective {
    pub(super) frequency: &'static str,
    filters: Vec<Value>,
}

/// A repository that filters of both frequencies match is scanned continuously. Repository-level
/// settings count only where the registry's do not, and only in basic scanning: enhanced scanning
/// knows filters alone.
pub(super) fn effective(config: &RegistryConfig, repository: &Repository) -> Effective {
    for frequency in ["CONTINUOUS_SCAN", "SCAN_ON_PUSH"] {
        let filters: Vec<Value> = config
            .scanning_rules
            .iter()
            .filter(|rule| text(rule, "scanFrequency") == frequency)
            .flat_map(|rule| list(rule, "repositoryFilters"))
            .filter(|filter| covers(text(filter, "filter"), &repository.name))
            .cloned()
            .collect();
        if !filters.is_empty() {
            return Effective { frequency, filters };
        }
    }
    Effective {
        frequency: if repository.scan_on_push && !config.enhanced {
            "SCAN_ON_PUSH"
        } else {
            "MANUAL"
        },
        filters: Vec::new(),
    }
}

/// A filter without a wildcard covers every name that contains it:
/// <https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning-filters.html>.
fn covers(filter: &str, name: &str) -> bool {
    if filter.contains('*') {
        push::glob(filter.as_bytes(), name.as_bytes())
    } else {
        name.contains(filter)
    }
}

/// `scanOnPush` is the effective one, as is all else in the answer; AWS does not say it clearly.
#[expect(clippy::unnecessary_wraps, reason = "all operations have one type")]
pub(super) fn batch_get(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let (mut configurations, mut failures) = (Vec::new(), Vec::new());
    for name in list(input, "repositoryNames")
        .iter()
        .filter_map(Value::as_str)
    {
        let Some(repository) = context.registry.repositories.get(name) else {
            failures.push(json!({
                "repositoryName": name,
                "failureCode": "REPOSITORY_NOT_FOUND",
                "failureReason": "Requested repository not found",
            }));
            continue;
        };
        let effective = effective(&context.registry.config, repository);
        configurations.push(json!({
            "repositoryArn": repository.arn,
            "repositoryName": name,
            "scanOnPush": effective.frequency == "SCAN_ON_PUSH",
            "scanFrequency": effective.frequency,
            "appliedScanFilters": effective.filters,
        }));
    }
    Ok(json!({ "scanningConfigurations": configurations, "failures": failures }))
}
