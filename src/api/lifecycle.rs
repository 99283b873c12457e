//! AWS's lifecycle policy document, typed.

use kube::core::Rule;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::{lifecycle_rules, rules, schema};

/// A lifecycle policy; `rules: []` asks for none.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LifecyclePolicy {
    /// Rules, at most 50. ECR applies them by ascending priority; an image that a rule selects is left
    /// alone by all later ones, also when that rule keeps it. [] means that there shall be no policy.
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "atomic"))]
    #[schemars(extend("x-kubernetes-validations" = lifecycle_rules::rules()))]
    pub rules: Vec<LifecycleRule>,
}

/// One rule.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(extend("x-kubernetes-validations" = lifecycle_rules::rule()))]
#[serde(rename_all = "camelCase")]
pub struct LifecycleRule {
    /// Place of this rule among the others; lower goes first, and each rule has its own. When absent on
    /// all rules, the order of the list counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MAX_NUMBER))]
    pub rule_priority: Option<i64>,
    /// What the rule is for, in your words. When absent, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[schemars(extend("x-kubernetes-validations" = [rules::shown()]))]
    pub description: Option<String>,
    /// Which images the rule selects.
    pub selection: LifecycleSelection,
    /// What happens to the selected images, within 24 hours.
    pub action: LifecycleAction,
}

/// Which images a rule selects.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(extend("x-kubernetes-validations" = lifecycle_rules::selection()))]
#[serde(rename_all = "camelCase")]
pub struct LifecycleSelection {
    /// tagged: images with tags that match tagPatternList or tagPrefixList. untagged: images without
    /// a tag. any: all images; at most one such rule in each storage class, and it goes last.
    pub tag_status: TagStatus,
    /// Patterns, each of which must match a tag of the image: v* and prod* together select images that
    /// have both kinds of tags. '*' stands for any run of characters and may come four times. Only with
    /// tagStatus tagged, which needs either this or tagPrefixList.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "patterns")]
    pub tag_pattern_list: Option<Vec<String>>,
    /// Prefixes, each of which a tag of the image must begin with. Only with tagStatus tagged, which
    /// needs either this or tagPatternList.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "prefixes")]
    pub tag_prefix_list: Option<Vec<String>>,
    /// standard: images that can be pulled. archive: archived images; needed with countType
    /// sinceImageTransitioned, and only with it. When absent, standard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<SelectionStorageClass>,
    /// imageCountMoreThan: all but the youngest countNumber images. sinceImagePushed: images pushed
    /// more than countNumber days ago. sinceImagePulled: images not pulled for countNumber days; only
    /// with action transition. sinceImageTransitioned: images archived more than countNumber days ago;
    /// only with action expire and storageClass archive.
    pub count_type: CountType,
    /// Unit of countNumber: days. Needed with every countType but imageCountMoreThan, which takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count_unit: Option<CountUnit>,
    /// How many images are kept, or how many days must have passed; at least 1, with
    /// sinceImageTransitioned at least 90.
    #[schemars(range(min = 1, max = MAX_NUMBER))]
    pub count_number: i64,
}

/// The greatest number that ECR takes: its integers have 32 bits.
const MAX_NUMBER: i32 = i32::MAX;

/// The schema of `tagPatternList`.
fn patterns(_: &mut SchemaGenerator) -> Schema {
    tag_list(&[lifecycle_rules::tag_pattern(), rules::shown()])
}

/// The schema of `tagPrefixList`.
fn prefixes(_: &mut SchemaGenerator) -> Schema {
    tag_list(&[rules::shown()])
}

fn tag_list(rules: &[Rule]) -> Schema {
    let mut schema = schema::strings(100, 128, rules);
    schema.insert("minItems".into(), 1.into());
    schema
}

/// By having tags.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
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
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(extend("x-kubernetes-validations" = lifecycle_rules::action()))]
#[serde(rename_all = "camelCase")]
pub struct LifecycleAction {
    /// expire: the images are deleted, for good. transition: they are moved to targetStorageClass.
    #[serde(rename = "type")]
    pub type_: LifecycleActionType,
    /// Where images are moved to: archive, from which they must be restored before they can be pulled.
    /// Needed with type transition, refused with expire.
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
