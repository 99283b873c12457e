//! The grammar of AWS's lifecycle policies in CEL, after
//! <https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html>.
//!
//! ECR has two storage classes, standard and archive, and a rule is about one of them: those that
//! count `sinceImageTransitioned` are about archived images, all others about standard ones. Left to
//! ECR are the length of the document (30,720 characters) and equal lists of patterns in two rules:
//! comparing those costs more than the API server allows.

use kube::core::{Reason, Rule};

/// Whether the rule in `variable` is about archived images.
fn archive(variable: &str) -> String {
    format!("({variable}.selection.countType == 'sinceImageTransitioned')")
}

/// The rules on the list of rules.
pub(super) fn rules() -> Vec<Rule> {
    vec![
        all_or_no_priorities(),
        unique_priorities(),
        one_catch_all_per_class(),
        any_has_highest_priority(),
        any_comes_last(),
    ]
}

fn all_or_no_priorities() -> Rule {
    Rule::new("self.all(r, has(r.rulePriority)) || !self.exists(r, has(r.rulePriority))")
        .message("some rules have a rulePriority and others have none — set it on every rule, or on none: then the order of the list counts")
}

fn unique_priorities() -> Rule {
    Rule::new(
        "self.all(r, !has(r.rulePriority) \
        || self.exists_one(s, has(s.rulePriority) && s.rulePriority == r.rulePriority))",
    )
    .message("two rules have the same rulePriority — give each its own")
}

fn one_catch_all_per_class() -> Rule {
    Rule::new(format!(
        "self.all(a, a.selection.tagStatus == 'tagged' \
        || self.exists_one(b, b.selection.tagStatus == a.selection.tagStatus && {} == {}))",
        archive("b"),
        archive("a")
    ))
    .message("only one rule may have tagStatus untagged, and only one any, in each storage class (rules with countType sinceImageTransitioned are about archived images, all others about standard ones) — merge them")
}

fn any_has_highest_priority() -> Rule {
    Rule::new(format!(
        "self.all(a, a.selection.tagStatus != 'any' || !has(a.rulePriority) \
        || self.all(b, !has(b.rulePriority) || {} != {} || b.rulePriority <= a.rulePriority))",
        archive("b"),
        archive("a")
    ))
    .message("the rule with tagStatus any must have the highest rulePriority of its storage class: it catches what the others left")
}

fn any_comes_last() -> Rule {
    let class = format!("self.filter(r, {} == archived)", archive("r"));
    Rule::new(format!(
        "self.exists(r, has(r.rulePriority)) || [true, false].all(archived, \
        {class}.map(r, r.selection.tagStatus == 'any').indexOf(true) in [-1, size({class}) - 1])"
    ))
    .message("the rule with tagStatus any must be the last of its storage class: it catches what the others left")
}

/// The rules on one rule.
pub(super) fn rule() -> Vec<Rule> {
    vec![
        Rule::new("self.selection.countType != 'sinceImagePulled' || self.action.type == 'transition'")
            .message("sinceImagePulled takes no action but transition: ECR does not delete by the last pull — use sinceImagePushed or imageCountMoreThan to expire images")
            .field_path(".action.type"),
        Rule::new("self.selection.countType != 'sinceImageTransitioned' || self.action.type == 'expire'")
            .message("sinceImageTransitioned takes no action but expire: its images are archived already — set type to expire")
            .field_path(".action.type"),
    ]
}

/// The rules on a selection.
pub(super) fn selection() -> Vec<Rule> {
    [tags(), count()].concat()
}

fn tags() -> Vec<Rule> {
    vec![
        Rule::new("self.tagStatus != 'tagged' || has(self.tagPatternList) || has(self.tagPrefixList)")
            .message("tagStatus tagged names no tags — give tagPatternList or tagPrefixList; tagPatternList [\"*\"] selects every tagged image")
            .field_path(".tagPatternList")
            .reason(Reason::FieldValueRequired),
        Rule::new("!has(self.tagPatternList) || !has(self.tagPrefixList)")
            .message("tagPatternList and tagPrefixList exclude each other — give one of them; a prefix such as v1 is the pattern v1*")
            .field_path(".tagPrefixList")
            .reason(Reason::FieldValueForbidden),
        Rule::new("self.tagStatus == 'tagged' || !has(self.tagPatternList)")
            .message("goes with tagStatus tagged only — remove it, or set tagStatus to tagged")
            .field_path(".tagPatternList")
            .reason(Reason::FieldValueForbidden),
        Rule::new("self.tagStatus == 'tagged' || !has(self.tagPrefixList)")
            .message("goes with tagStatus tagged only — remove it, or set tagStatus to tagged")
            .field_path(".tagPrefixList")
            .reason(Reason::FieldValueForbidden),
    ]
}

fn count() -> Vec<Rule> {
    vec![
        Rule::new("self.countType == 'imageCountMoreThan' || has(self.countUnit)")
            .message("this countType counts days — set countUnit to days")
            .field_path(".countUnit")
            .reason(Reason::FieldValueRequired),
        Rule::new("self.countType != 'imageCountMoreThan' || !has(self.countUnit)")
            .message("imageCountMoreThan counts images — remove countUnit")
            .field_path(".countUnit")
            .reason(Reason::FieldValueForbidden),
        Rule::new("self.countType != 'sinceImageTransitioned' || (has(self.storageClass) && self.storageClass == 'archive')")
            .message("sinceImageTransitioned is about archived images — set storageClass to archive")
            .field_path(".storageClass"),
        Rule::new("self.countType == 'sinceImageTransitioned' || !has(self.storageClass) || self.storageClass != 'archive'")
            .message("archive goes with countType sinceImageTransitioned only — remove storageClass, or change countType")
            .field_path(".storageClass"),
        Rule::new("self.countType != 'sinceImageTransitioned' || self.countNumber >= 90")
            .message("must be at least 90 with sinceImageTransitioned: ECR keeps an archived image for 90 days")
            .field_path(".countNumber"),
    ]
}

/// The rules on an action.
pub(super) fn action() -> Vec<Rule> {
    vec![
        Rule::new("self.type != 'transition' || has(self.targetStorageClass)")
            .message("transition needs a target — set targetStorageClass to archive")
            .field_path(".targetStorageClass")
            .reason(Reason::FieldValueRequired),
        Rule::new("self.type == 'transition' || !has(self.targetStorageClass)")
            .message(
                "expire takes no target — remove targetStorageClass, or set type to transition",
            )
            .field_path(".targetStorageClass")
            .reason(Reason::FieldValueForbidden),
    ]
}

/// The rule on one pattern of tags.
pub(super) fn tag_pattern() -> Rule {
    Rule::new("size(self.split('*')) <= 5").message("must have at most four '*'")
}
