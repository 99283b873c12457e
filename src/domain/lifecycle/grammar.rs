//! From AWS's shape to rules: "Lifecycle policy properties in Amazon ECR" of the ECR User Guide.

use std::collections::{BTreeMap, BTreeSet};

use super::rule::{Action, Criterion, Images, Rule, StorageClass};
use super::{LifecycleError, MAX_RULES};
use crate::api::{
    CountType, CountUnit, LifecycleAction, LifecycleActionType, LifecyclePolicy, LifecycleRule,
    LifecycleSelection, SelectionStorageClass, TagStatus, TargetStorageClass,
};
use crate::domain::text::hides;

/// Rules by their priority.
pub(super) type Rules = BTreeMap<u32, Rule>;

/// The days for which ECR keeps an archived image at least.
const ARCHIVED_DAYS: u32 = 90;

/// The `*` that ECR takes in one pattern.
const WILDCARDS: usize = 4;

/// Reads all rules of a policy.
pub(super) fn rules(policy: &LifecyclePolicy) -> Result<Rules, LifecycleError> {
    let count = policy.rules.len();
    if count > MAX_RULES {
        return Err(LifecycleError::TooManyRules { count });
    }
    let in_list_order = policy.rules.iter().all(|rule| rule.rule_priority.is_none());
    let mut rules = Rules::new();
    for (place, written) in (1..).zip(&policy.rules) {
        let at = format!("spec.lifecyclePolicy.rules[{}]", place - 1);
        let priority = if in_list_order {
            place
        } else {
            priority(&at, written)?
        };
        let rule = rule(&at, written)?;
        if let Some((&other, images)) = rules
            .iter()
            .find_map(|(other, earlier)| Some((other, excludes(&rule, earlier)?)))
        {
            return Err(LifecycleError::SelectedTwice {
                at,
                priority: other,
                images,
            });
        }
        if rules.insert(priority, rule).is_some() {
            return Err(LifecycleError::PriorityTwice { at, priority });
        }
    }
    any_is_last(&rules)?;
    Ok(rules)
}

fn priority(at: &str, rule: &LifecycleRule) -> Result<u32, LifecycleError> {
    let priority = rule
        .rule_priority
        .ok_or_else(|| LifecycleError::PriorityMissing { at: at.to_owned() })?;
    number(&format!("{at}.rulePriority"), priority, 1)
}

/// ECR's integers have 32 bits.
fn number(at: &str, written: i64, least: u32) -> Result<u32, LifecycleError> {
    let signed = i32::try_from(written)
        .ok()
        .and_then(|number| u32::try_from(number).ok());
    signed
        .filter(|number| *number >= least)
        .ok_or_else(|| LifecycleError::Number {
            at: at.to_owned(),
            least,
        })
}

/// What both rules select, where ECR takes but one such rule.
fn excludes(one: &Rule, other: &Rule) -> Option<&'static str> {
    if one.storage_class() != other.storage_class() {
        return None;
    }
    match (&one.images, &other.images) {
        (Images::Any, Images::Any) => Some("all images"),
        (Images::Untagged, Images::Untagged) => Some("untagged images"),
        (Images::Prefixes(one), Images::Prefixes(other)) => {
            (one == other).then_some("the same tagPrefixList")
        }
        (Images::Any | Images::Untagged | Images::Patterns(_) | Images::Prefixes(_), _) => None,
    }
}

fn any_is_last(rules: &Rules) -> Result<(), LifecycleError> {
    for class in [StorageClass::Standard, StorageClass::Archive] {
        let of_class = || {
            rules
                .iter()
                .filter(move |(_, rule)| rule.storage_class() == class)
        };
        let any = of_class().find(|(_, rule)| rule.images == Images::Any);
        if let (Some((&priority, _)), Some((&later, _))) = (any, of_class().next_back())
            && priority != later
        {
            return Err(LifecycleError::AnyNotLast { priority, later });
        }
    }
    Ok(())
}

fn rule(at: &str, rule: &LifecycleRule) -> Result<Rule, LifecycleError> {
    if rule.description.as_deref().is_some_and(hides) {
        let at = format!("{at}.description");
        return Err(LifecycleError::Hidden { at });
    }
    Ok(Rule {
        description: rule.description.clone().filter(|text| !text.is_empty()),
        images: images(&format!("{at}.selection"), &rule.selection)?,
        criterion: criterion(at, &rule.selection, &rule.action)?,
    })
}

fn images(at: &str, selection: &LifecycleSelection) -> Result<Images, LifecycleError> {
    const PATTERNS: &str = "tagPatternList";
    const PREFIXES: &str = "tagPrefixList";
    let patterns = tags(at, PATTERNS, selection.tag_pattern_list.as_deref())?;
    let prefixes = tags(at, PREFIXES, selection.tag_prefix_list.as_deref())?;
    let excluded = |field, because| {
        Err(LifecycleError::Excluded {
            at: at.to_owned(),
            field,
            because,
        })
    };
    let all = |images, because| match (&patterns, &prefixes) {
        (None, None) => Ok(images),
        (Some(_), _) => excluded(PATTERNS, because),
        (None, Some(_)) => excluded(PREFIXES, because),
    };
    match selection.tag_status {
        TagStatus::Any => all(Images::Any, "tagStatus any"),
        TagStatus::Untagged => all(Images::Untagged, "tagStatus untagged"),
        TagStatus::Tagged => match (patterns, prefixes) {
            (Some(_), Some(_)) => excluded(PREFIXES, PATTERNS),
            (Some(patterns), None)
                if patterns
                    .iter()
                    .any(|pattern| pattern.matches('*').count() > WILDCARDS) =>
            {
                Err(LifecycleError::Wildcards { at: at.to_owned() })
            }
            (Some(patterns), None) => Ok(Images::Patterns(patterns)),
            (None, Some(prefixes)) => Ok(Images::Prefixes(prefixes)),
            (None, None) => Err(LifecycleError::Missing {
                at: at.to_owned(),
                field: "tagPatternList (or tagPrefixList)",
                because: "tagStatus tagged",
            }),
        },
    }
}

/// A list of tags as a set; an empty list says no more than an absent one.
fn tags(
    at: &str,
    field: &'static str,
    list: Option<&[String]>,
) -> Result<Option<BTreeSet<String>>, LifecycleError> {
    let list = list.unwrap_or_default();
    if list.iter().any(String::is_empty) {
        return Err(LifecycleError::EmptyTag {
            at: at.to_owned(),
            field,
        });
    }
    if list.iter().any(|tag| hides(tag)) {
        let at = format!("{at}.{field}");
        return Err(LifecycleError::Hidden { at });
    }
    Ok((!list.is_empty()).then(|| list.iter().cloned().collect()))
}

fn criterion(
    at: &str,
    selection: &LifecycleSelection,
    action: &LifecycleAction,
) -> Result<Criterion, LifecycleError> {
    let number = counted(&format!("{at}.selection"), selection)?;
    let action = action_of(&format!("{at}.action"), action)?;
    let refused = |word| {
        let count_type = count_type_name(selection.count_type);
        Err(LifecycleError::Action {
            at: at.to_owned(),
            count_type,
            action: word,
        })
    };
    match (selection.count_type, action) {
        (CountType::ImageCountMoreThan, _) => Ok(Criterion::CountMoreThan(number, action)),
        (CountType::SinceImagePushed, _) => Ok(Criterion::SincePushed(number, action)),
        (CountType::SinceImagePulled, Action::Archive) => Ok(Criterion::SincePulled(number)),
        (CountType::SinceImagePulled, Action::Expire) => refused("transition"),
        (CountType::SinceImageTransitioned, Action::Expire) => {
            Ok(Criterion::SinceTransitioned(number))
        }
        (CountType::SinceImageTransitioned, Action::Archive) => refused("expire"),
    }
}

/// The number, if what stands beside it goes with what is counted.
fn counted(at: &str, selection: &LifecycleSelection) -> Result<u32, LifecycleError> {
    let name = count_type_name(selection.count_type);
    count_unit(at, selection, name)?;
    storage_class(at, selection, name)?;
    let least = match selection.count_type {
        CountType::ImageCountMoreThan
        | CountType::SinceImagePushed
        | CountType::SinceImagePulled => 1,
        CountType::SinceImageTransitioned => ARCHIVED_DAYS,
    };
    number(&format!("{at}.countNumber"), selection.count_number, least)
}

fn count_type_name(count_type: CountType) -> &'static str {
    match count_type {
        CountType::ImageCountMoreThan => "countType imageCountMoreThan",
        CountType::SinceImagePushed => "countType sinceImagePushed",
        CountType::SinceImagePulled => "countType sinceImagePulled",
        CountType::SinceImageTransitioned => "countType sinceImageTransitioned",
    }
}

fn count_unit(
    at: &str,
    selection: &LifecycleSelection,
    because: &'static str,
) -> Result<(), LifecycleError> {
    let counts_images = selection.count_type == CountType::ImageCountMoreThan;
    match (counts_images, selection.count_unit) {
        (true, None) | (false, Some(CountUnit::Days)) => Ok(()),
        (true, Some(_)) => Err(LifecycleError::Excluded {
            at: at.to_owned(),
            field: "countUnit",
            because,
        }),
        (false, None) => Err(LifecycleError::Missing {
            at: at.to_owned(),
            field: "countUnit to days",
            because,
        }),
    }
}

fn storage_class(
    at: &str,
    selection: &LifecycleSelection,
    because: &'static str,
) -> Result<(), LifecycleError> {
    let of_archive = selection.count_type == CountType::SinceImageTransitioned;
    match (of_archive, selection.storage_class) {
        (true, Some(SelectionStorageClass::Archive))
        | (false, None | Some(SelectionStorageClass::Standard)) => Ok(()),
        (true, None | Some(SelectionStorageClass::Standard)) => Err(LifecycleError::Missing {
            at: at.to_owned(),
            field: "storageClass to archive",
            because,
        }),
        (false, Some(SelectionStorageClass::Archive)) => Err(LifecycleError::Excluded {
            at: at.to_owned(),
            field: "storageClass archive",
            because,
        }),
    }
}

fn action_of(at: &str, action: &LifecycleAction) -> Result<Action, LifecycleError> {
    match (action.type_, action.target_storage_class) {
        (LifecycleActionType::Expire, None) => Ok(Action::Expire),
        (LifecycleActionType::Transition, Some(TargetStorageClass::Archive)) => Ok(Action::Archive),
        (LifecycleActionType::Expire, Some(_)) => Err(LifecycleError::Excluded {
            at: at.to_owned(),
            field: "targetStorageClass",
            because: "type expire",
        }),
        (LifecycleActionType::Transition, None) => Err(LifecycleError::Missing {
            at: at.to_owned(),
            field: "targetStorageClass to archive",
            because: "type transition",
        }),
    }
}
