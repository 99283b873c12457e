//! `ECRRepositoryClass`: account, region, naming, defaults and guardrails of many repositories.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::{ClassSettings, DeletionPolicy, class_rules, class_schema, status};

/// What repositories of this class have in common, and what those who create them may choose. Nothing
/// here has a default that the API server would write.
#[derive(CustomResource, JsonSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[kube(
    group = "ecr-operator.dev",
    version = "v1alpha1",
    kind = "ECRRepositoryClass",
    plural = "ecrrepositoryclasses",
    singular = "ecrrepositoryclass",
    shortname = "ecrclass",
    category = "ecr",
    category = "aws",
    status = "ECRRepositoryClassStatus",
    derive = "PartialEq",
    schema = "manual",
    doc = "Account, region, naming, defaults and guardrails of repositories.",
    selectable = ".spec.registry.accountId",
    selectable = ".spec.registry.region",
    selectable = ".status.registryId",
    selectable = ".status.region",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "Whether repositories of this class can be worked on"
    ),
    printcolumn(
        name = "Status",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "Why it is ready or not"
    ),
    printcolumn(
        name = "Account",
        type_ = "string",
        json_path = ".status.registryId",
        description = "AWS account of the repositories"
    ),
    printcolumn(
        name = "Region",
        type_ = "string",
        json_path = ".status.region",
        description = "AWS region of the repositories"
    ),
    printcolumn(
        name = "Repositories",
        type_ = "integer",
        json_path = ".status.repositories",
        description = "How many ECRRepositories are of this class"
    ),
    printcolumn(
        name = "Default",
        type_ = "string",
        json_path = r".metadata.annotations.ecr-operator\.dev/is-default-class",
        description = "Whether it is the class of those that name none"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        description = "What happened, and what to do",
        priority = 1
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "When this object was created"
    )
)]
#[allow(
    clippy::duplicated_attributes,
    reason = "clippy takes the columns' equal types for repetitions"
)]
#[schemars(extend("x-kubernetes-validations" = class_rules::spec()))]
#[serde(rename_all = "camelCase")]
pub struct ECRRepositoryClassSpec {
    /// Account and region of the repositories. Immutable once set. When absent, the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub registry: Option<ClassRegistry>,
    /// Role that the operator assumes for repositories of this class (STS: AssumeRole). When absent,
    /// the operator's own credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub assume_role: Option<AssumeRole>,
    /// Namespaces whose ECRRepositories may be of this class, by the labels of the namespace. When
    /// absent, none; {} means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub allowed_namespaces: Option<NamespaceSelector>,
    /// Name of the repository in ECR where spec.repositoryName is absent. ${namespace} and ${name} stand
    /// for the object's, ${labels.KEY} for a label of it, ${namespaceLabels.KEY} for a label of its
    /// namespace; a label that is missing is refused. When absent, ${namespace}/${name}.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    #[schemars(extend("x-kubernetes-validations" = class_rules::name_template()))]
    pub name_template: Option<String>,
    /// Patterns of which a repository's name must match one, whether it is derived or chosen. '*' stands
    /// for any run of characters without '/', '**' for any run; ${namespace}, ${name} and
    /// ${namespaceLabels.KEY} stand for what they stand for in nameTemplate. When absent,
    /// ${namespace}/*; [] means that no name may be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "class_schema::names")]
    pub allowed_names: Option<Vec<String>>,
    /// Whom policies of repositories may grant anything (spec.repositoryPolicy and spec.access): ids of
    /// accounts, with all that is in them; ARNs of roles and users; ids of organisations; identity
    /// providers; services, where the statement says for whom they act (see allowedServices); * for
    /// everybody, also outside of AWS. When absent, the account of the repositories; [] means nobody. What
    /// this class itself enforces or defaults is not held to it. Where * is not among them, policies may
    /// deny nothing that the operator itself does to whoever it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "class_schema::principals")]
    pub allowed_principals: Option<Vec<String>>,
    /// Services that policies of repositories may grant something, beside those in allowedPrincipals. A
    /// service works for every customer of AWS: a statement must say for whom it acts, by aws:SourceAccount,
    /// aws:SourceArn or aws:SourceOrgID with nothing but the account of the repositories and what is in
    /// allowedPrincipals; spec.access does so by itself. When absent or empty, none beside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub allowed_services: Option<Vec<AllowedService>>,
    /// What policies of repositories may grant: actions of ECR, such as ecr:BatchGetImage; '*' stands
    /// for any run of characters. When absent, pull and push: ecr:BatchCheckLayerAvailability,
    /// ecr:BatchGetImage, ecr:GetDownloadUrlForLayer, ecr:InitiateLayerUpload, ecr:UploadLayerPart,
    /// ecr:CompleteLayerUpload, ecr:PutImage. [] means nothing. What this class itself enforces or
    /// defaults is not held to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "class_schema::actions")]
    pub allowed_actions: Option<Vec<String>>,
    /// Keys of AWS KMS that spec.encryptionConfiguration may name: ARNs, ids or aliases (alias/NAME); '*'
    /// stands for any run of characters without ':' and '/', '**' for one without ':'. When absent,
    /// those of the account of the repositories; [] means none. The key aws/ecr, which is used
    /// where none is named, is always allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "class_schema::kms_keys")]
    pub allowed_kms_keys: Option<Vec<String>>,
    /// What spec.deletionPolicy may be. Retain is always allowed, because it deletes nothing. When
    /// absent, Retain and Delete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 3), extend("x-kubernetes-list-type" = "atomic"))]
    #[schemars(extend("x-kubernetes-validations" = [class_rules::unique()]))]
    pub deletion_policies: Option<Vec<DeletionPolicy>>,
    /// Who decides whether the operator works on a repository: Enforce, it does; Observe, an object may
    /// set spec.managementPolicy to Observe; Suspend, an object may set spec.suspend. An object that does
    /// so and may not is refused, and what this class enforces is enforced all the same. When absent, all
    /// three; without Enforce nothing is written for any object of this class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 3), extend("x-kubernetes-list-type" = "atomic"))]
    #[schemars(extend("x-kubernetes-validations" = [class_rules::unique()]))]
    pub management_policies: Option<Vec<ClassManagement>>,
    /// What spec.adoption may ask for. Forbidden: nothing. IfUnowned: repositories that have no owner.
    /// TakeOver: also those that have one, which is then replaced. When absent, Forbidden.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption: Option<ClassAdoption>,
    /// Settings of repositories whose spec does not speak of them, nor names them in spec.unmanaged.
    /// Each is taken as a whole, tags key by key; encryptionConfiguration counts at creation only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub defaults: Option<ClassSettings>,
    /// Settings of all repositories, whatever their spec says. Each is taken as a whole, tags key by
    /// key; encryptionConfiguration counts at creation only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub enforced: Option<ClassSettings>,
    /// How many images a lifecycle policy may take away without a person's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub lifecycle_guard: Option<LifecycleGuard>,
    /// How often ECR is called for this class, each of its operations counted by itself. Of several
    /// classes with the same account and region the lowest number holds. When absent, 10 reads and 5
    /// writes a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub api_budget: Option<ApiBudget>,
}

/// An account's registry in a region.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassRegistry {
    /// Account: 12 digits, in quotes. Nothing is written before AWS has said that the role, or the
    /// operator itself, belongs to it.
    #[schemars(length(max = 12))]
    #[schemars(extend("x-kubernetes-validations" = [class_rules::account_id()]))]
    pub account_id: String,
    /// Region, such as ap-southeast-1.
    #[schemars(length(max = 32))]
    #[schemars(extend("x-kubernetes-validations" = [class_rules::region()]))]
    pub region: String,
}

/// A role to assume.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssumeRole {
    /// ARN of the role.
    #[schemars(length(max = 640))]
    #[schemars(extend("x-kubernetes-validations" = [class_rules::role_arn()]))]
    pub role_arn: String,
    /// External id that the role's trust policy asks for (sts:ExternalId), 2 to 1224 characters. It is
    /// no secret. When absent, none is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1224))]
    #[schemars(extend("x-kubernetes-validations" = [class_rules::external_id()]))]
    pub external_id: Option<String>,
    /// Whether the session carries the tags ecr-operator.dev/cluster and ecr-operator.dev/class; the
    /// trust policy must then allow sts:TagSession. When absent, false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_tags: Option<bool>,
}

/// A selector over the labels of namespaces; all that it says must hold.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceSelector {
    /// Labels that the namespace must have with these values. When absent or empty, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "class_schema::match_labels")]
    pub match_labels: Option<BTreeMap<String, String>>,
    /// What must hold of the namespace's labels. When absent or empty, nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub match_expressions: Option<Vec<NamespaceRequirement>>,
}

/// One requirement of a selector.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(extend("x-kubernetes-validations" = class_rules::requirement()))]
#[serde(rename_all = "camelCase")]
pub struct NamespaceRequirement {
    /// Key of the label.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// In: the label has one of the values. NotIn: it has none of them, or is not there. Exists: it is
    /// there. DoesNotExist: it is not.
    pub operator: SelectorOperator,
    /// Values; needed with In and NotIn, refused with the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "class_schema::label_values")]
    pub values: Option<Vec<String>>,
}

/// How a requirement looks at a label.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum SelectorOperator {
    /// One of the values.
    In,
    /// None of the values, or absent.
    NotIn,
    /// There.
    Exists,
    /// Absent.
    DoesNotExist,
}

/// A service of AWS that policies may name.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AllowedService {
    /// Its name, such as codebuild.amazonaws.com.
    #[schemars(length(min = 1, max = 128))]
    #[schemars(extend("x-kubernetes-validations" = [class_rules::service()]))]
    pub service: String,
    /// Whether statements may leave out for whom it acts: anybody in AWS may then have it act on the
    /// repository, as far as the service lets them. When absent, false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub any_source: Option<bool>,
}

/// What the operator may do with a repository of a class.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum ClassManagement {
    /// Work on it.
    Enforce,
    /// Only look, where the object says so.
    Observe,
    /// Nothing, where the object says so.
    Suspend,
}

/// How far objects may take over repositories that exist.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
pub enum ClassAdoption {
    /// Not at all.
    #[default]
    Forbidden,
    /// Where they have no owner.
    IfUnowned,
    /// Also from another owner.
    TakeOver,
}

/// What a lifecycle policy may do to images that are there when it comes into force.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LifecycleGuard {
    /// Images that a lifecycle policy may delete or move to the archive in a repository whenever it is
    /// written there, whether it is this class's or that of an object's spec. If ECR's preview shows more,
    /// the object waits for the annotation ecr-operator.dev/approve-lifecycle. When absent, 0 for policies
    /// of this class, and no limit for those of a spec, which are not previewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = i32::MAX))]
    pub max_expire: Option<i64>,
}

/// Calls a second, of each operation.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiBudget {
    /// Calls a second of each operation that reads. When absent, 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub reads_per_second: Option<i64>,
    /// Calls a second of each operation that writes. When absent, 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub writes_per_second: Option<i64>,
}

/// What the operator found. Written by the operator alone.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(extend("default" = {"observedGeneration": -1}))]
#[serde(rename_all = "camelCase")]
pub struct ECRRepositoryClassStatus {
    /// Generation of this object (metadata.generation) that this status speaks of; -1 before the
    /// operator saw the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1, max = status::MAX_INTEGER))]
    pub observed_generation: Option<i64>,
    /// Conditions. Ready: the class is well-formed, the role works, and the account is the declared one.
    /// Reconciling is there only while the operator is at work, Stalled only while a person is needed;
    /// the message says what to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "status::conditions")]
    pub conditions: Vec<Condition>,
    /// AWS account that repositories of this class are in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = status::MAX_WORD))]
    pub registry_id: Option<String>,
    /// AWS region that repositories of this class are in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = status::MAX_WORD))]
    pub region: Option<String>,
    /// How many ECRRepositories are of this class. While there are some, the class holds a finalizer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = status::MAX_INTEGER))]
    pub repositories: Option<i64>,
}

/// What `kubectl explain ecrclass` begins with.
pub(super) const DESCRIPTION: &str = "ECRRepositoryClass is to ECRRepository what StorageClass is to \
    PersistentVolumeClaim: it says in which account and region repositories are, how they are named, what \
    they have in common, and what those who create them may choose.\n\n\
    Only administrators write it; whoever may write an ECRRepository chooses among classes by \
    spec.className, within what they allow. A class with the annotation \
    ecr-operator.dev/is-default-class: \"true\" is that of objects without className; of several such classes the \
    newest counts.";

/// The schema of the whole object; the root is written by hand, as for `ECRRepository`.
impl JsonSchema for ECRRepositoryClass {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ECRRepositoryClass".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        super::schema::Root {
            description: DESCRIPTION,
            name: "Name of this object, at most 128 characters.",
            spec: ECRRepositoryClassSpec::json_schema(generator),
            status: ECRRepositoryClassStatus::json_schema(generator),
            rules: class_rules::object(),
        }
        .schema()
    }
}
