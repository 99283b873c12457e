//! Questions to the conditions of a status, whoever wrote them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::reason::Reason;
use crate::api::ConditionType;

/// The condition of a type, whether it is true or not.
#[must_use]
pub fn find(conditions: &[Condition], type_: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|it| it.type_ == type_.as_str())
}

/// The same, if it is true.
#[must_use]
pub fn find_true(conditions: &[Condition], type_: ConditionType) -> Option<&Condition> {
    find(conditions, type_).filter(|it| it.status == "True")
}

/// Whether a condition gives one of these reasons.
#[must_use]
pub fn says(conditions: &[Condition], type_: ConditionType, reasons: &[Reason]) -> bool {
    let is_one = |it: &Condition| reasons.iter().any(|reason| reason.as_str() == it.reason);
    find(conditions, type_).is_some_and(is_one)
}

/// Whether they say that an adoption is under way.
#[must_use]
pub fn say_adopting(conditions: &[Condition]) -> bool {
    says(conditions, ConditionType::Reconciling, &[Reason::Adopting])
}
