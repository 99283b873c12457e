//! The rules of kstatus, and of Flux's condition checks (fluxcd/pkg, runtime/conditions/check), for
//! one version of an object.

use ecr_operator::api::{ECRRepository, ECRRepositoryStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// What breaks a rule.
pub(crate) fn broken(object: &ECRRepository) -> Vec<String> {
    let Some(status) = &object.status else {
        return Vec::new();
    };
    let generation = object.metadata.generation.unwrap_or_default();
    let mut broken = Vec::new();
    let mut rule = |holds: bool, name: &str| {
        if !holds {
            broken.push(name.to_owned());
        }
    };
    let first = status.observed_generation.unwrap_or(-1) < 0;
    let is = |type_: &str, value: &str| find(status, type_).is_some_and(|c| c.status == value);
    let ready = is("Ready", "True");
    rule(
        first || find(status, "Ready").is_some(),
        "Ready is always there",
    );
    rule(
        !(is("Reconciling", "True") && ready),
        "Reconciling, so not Ready",
    );
    rule(!(is("Stalled", "True") && ready), "Stalled, so not Ready");
    rule(
        !(has(status, "Reconciling") && has(status, "Stalled")),
        "not both Reconciling and Stalled",
    );
    rule(
        !is("Reconciling", "False") && !is("Stalled", "False"),
        "no leftovers that are False",
    );
    rule(
        status.observed_generation <= Some(generation),
        "observedGeneration <= generation",
    );
    rule(
        status
            .conditions
            .iter()
            .all(|c| c.observed_generation == status.observed_generation),
        "every condition speaks of the generation that status speaks of",
    );
    rule(
        !is("Ready", "Unknown") || is("Reconciling", "True"),
        "Ready is Unknown only while Reconciling",
    );
    rule(
        status
            .conditions
            .iter()
            .all(|c| c.message.len() <= 1024 && !c.message.chars().any(char::is_control)),
        "messages are short and plain",
    );
    broken
}

fn find<'a>(status: &'a ECRRepositoryStatus, type_: &str) -> Option<&'a Condition> {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_)
}

fn has(status: &ECRRepositoryStatus, type_: &str) -> bool {
    find(status, type_).is_some()
}
