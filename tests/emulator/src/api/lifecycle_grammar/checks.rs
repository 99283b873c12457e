//! The second step: what a schema cannot say, in sentences. The first one ends it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::rule::Rule;

const MAX_WILDCARDS: usize = 4;
/// Images stay in the archive for at least 90 days.
const MIN_ARCHIVED_DAYS: u64 = 90;

/// What holds for a rule by itself. Of these sentences only the one on tagStatus=TAGGED has been
/// quoted by users; the others are ours, the rules behind them are documented.
pub(super) fn check_rule(rule: &Rule<'_>) -> Result<(), String> {
    let lists = (rule.patterns.is_empty(), rule.prefixes.is_empty());
    match (rule.tag_status, lists) {
        ("tagged", (true, true)) => {
            return Err(
                "Must specify tagPrefixList or tagPatternList when tagStatus=TAGGED.".into(),
            );
        }
        (_, (false, false)) => {
            return Err("Cannot specify both tagPrefixList and tagPatternList.".into());
        }
        ("any" | "untagged", (false, _) | (_, false)) => {
            let status = rule.tag_status.to_uppercase();
            return Err(format!(
                "Cannot specify tagPrefixList or tagPatternList when tagStatus={status}."
            ));
        }
        _ => {}
    }
    check_texts(rule)?;
    match (rule.count_type, rule.action) {
        ("sinceImagePulled", "expire") => {
            Err("countType=sinceImagePulled requires action type transition.".into())
        }
        ("sinceImageTransitioned", "transition") => {
            Err("countType=sinceImageTransitioned requires action type expire.".into())
        }
        ("sinceImageTransitioned", _) if rule.count_number < MIN_ARCHIVED_DAYS => Err(format!(
            "countNumber must be at least {MIN_ARCHIVED_DAYS} when countType=sinceImageTransitioned."
        )),
        _ => Ok(()),
    }
}

fn check_texts(rule: &Rule<'_>) -> Result<(), String> {
    let texts = || {
        rule.patterns
            .iter()
            .chain(rule.prefixes)
            .filter_map(Value::as_str)
    };
    if texts().any(str::is_empty) {
        return Err("An entry of tagPrefixList or tagPatternList must not be empty.".into());
    }
    let excessive = rule
        .patterns
        .iter()
        .filter_map(Value::as_str)
        .find(|pattern| pattern.matches('*').count() > MAX_WILDCARDS);
    excessive.map_or(Ok(()), |pattern| {
        Err(format!(
            "The tag pattern {pattern} exceeds the maximum of {MAX_WILDCARDS} wildcards."
        ))
    })
}

/// What holds between the rules. The sentences on UNTAGGED and ANY are ECR's, the others ours.
pub(super) fn check_together(rules: &[Rule<'_>]) -> Result<(), &'static str> {
    let mut priorities = BTreeSet::new();
    let mut untagged = BTreeSet::new();
    let mut tagged = BTreeSet::new();
    for rule in rules {
        if !priorities.insert(rule.priority) {
            return Err("Each rule must have a unique rulePriority.");
        }
        if rule.tag_status == "untagged" && !untagged.insert(rule.class()) {
            return Err("Only one rule can select Untagged images per storage class.");
        }
        let set = |items: &'_ [Value]| -> BTreeSet<String> {
            items.iter().map(ToString::to_string).collect()
        };
        if !rule.prefixes.is_empty() && !tagged.insert((rule.class(), set(rule.prefixes))) {
            return Err("The set of tagPrefixList values must be unique per storage class.");
        }
        let last_of_class = rules
            .iter()
            .filter(|other| other.class() == rule.class() && !std::ptr::eq(*other, rule))
            .all(|other| other.priority < rule.priority);
        if rule.tag_status == "any" && !last_of_class {
            return Err("Rule for tagStatus=ANY must have the lowest priority per storage class");
        }
    }
    Ok(())
}
