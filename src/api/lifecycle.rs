//! AWS's lifecycle policy document, typed.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A lifecycle policy; `rules: []` asks for none.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LifecyclePolicy {
    /// The rules, applied by ascending priority.
    pub rules: Vec<LifecycleRule>,
}

/// One rule.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LifecycleRule {
    /// Lower comes first; absent on all rules: their order in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_priority: Option<i64>,
    /// What the rule is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The images that the rule is about.
    pub selection: LifecycleSelection,
    /// What happens to them.
    pub action: LifecycleAction,
}

/// Which images a rule selects.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LifecycleSelection {
    /// By having tags.
    pub tag_status: TagStatus,
    /// By patterns, each of which must match one of the image's tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag_pattern_list: Option<Vec<String>>,
    /// By prefixes, each of which must match one of the image's tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag_prefix_list: Option<Vec<String>>,
    /// By storage class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<SelectionStorageClass>,
    /// By count or by age.
    pub count_type: CountType,
    /// The unit of an age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count_unit: Option<CountUnit>,
    /// The count, or the age in `countUnit`.
    pub count_number: i64,
}

/// By having tags.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum TagStatus {
    /// Images with a tag that matches.
    Tagged,
    /// Images without a tag.
    Untagged,
    /// All images.
    Any,
}

/// A storage class that a rule selects.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SelectionStorageClass {
    /// Images that can be pulled.
    Standard,
    /// Archived images.
    Archive,
}

/// How a rule counts.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum CountType {
    /// All but the youngest `countNumber`.
    ImageCountMoreThan,
    /// Pushed longer ago.
    SinceImagePushed,
    /// Pulled longer ago.
    SinceImagePulled,
    /// Archived longer ago.
    SinceImageTransitioned,
}

/// The unit of an age.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum CountUnit {
    /// Days.
    Days,
}

/// What happens to the selected images.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LifecycleAction {
    /// The kind of action.
    #[serde(rename = "type")]
    pub type_: LifecycleActionType,
    /// Where images are moved to; with `transition` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_storage_class: Option<TargetStorageClass>,
}

/// The kinds of actions.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum LifecycleActionType {
    /// Images are deleted.
    Expire,
    /// Images are moved to another storage class.
    Transition,
}

/// Where images are moved to.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum TargetStorageClass {
    /// The archive.
    Archive,
}
