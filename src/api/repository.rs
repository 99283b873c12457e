//! `ECRRepository`: one repository and everything about it.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Aspect, ECRRepositoryStatus, LifecyclePolicy, rules, schema};

/// What the repository in ECR shall be. Nothing here has a default: what is absent is not managed and
/// stays as it is in ECR.
#[derive(CustomResource, JsonSchema, Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[kube(
    group = "ecr-operator.dev",
    version = "v1alpha1",
    kind = "ECRRepository",
    plural = "ecrrepositories",
    singular = "ecrrepository",
    shortname = "ecrrepo",
    category = "ecr",
    category = "aws",
    namespaced,
    status = "ECRRepositoryStatus",
    derive = "PartialEq",
    schema = "manual",
    doc = "One repository of Amazon ECR and everything about it.",
    selectable = ".spec.className",
    selectable = ".spec.repositoryName",
    selectable = ".spec.deletionPolicy",
    selectable = ".spec.managementPolicy",
    selectable = ".spec.suspend",
    selectable = ".status.className",
    selectable = ".status.repositoryName",
    selectable = ".status.registryId",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "Whether ECR matches the spec"
    ),
    printcolumn(
        name = "Status",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "Why it is ready or not"
    ),
    printcolumn(
        name = "URI",
        type_ = "string",
        json_path = ".status.repositoryUri",
        description = "What docker pull and docker push take, without a tag"
    ),
    printcolumn(
        name = "Class",
        type_ = "string",
        json_path = ".status.className",
        description = "The ECRRepositoryClass that counts for it",
        priority = 1
    ),
    printcolumn(
        name = "Mutability",
        type_ = "string",
        json_path = r#".status.effective[?(@.setting=="imageTagMutability")].value"#,
        description = "Whether a tag may be moved to another image, where somebody says so",
        priority = 1
    ),
    printcolumn(
        name = "Scan",
        type_ = "string",
        json_path = r#".status.effective[?(@.setting=="imageScanningConfiguration")].value"#,
        description = "Whether images are scanned when they are pushed, where somebody says so",
        priority = 1
    ),
    printcolumn(
        name = "Deletion",
        type_ = "string",
        json_path = r#".status.effective[?(@.setting=="deletionPolicy")].value"#,
        description = "What becomes of the repository when this object is deleted",
        priority = 1
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
#[schemars(extend("x-kubernetes-validations" = rules::spec()))]
#[serde(rename_all = "camelCase")]
pub struct ECRRepositorySpec {
    /// Name of the ECRRepositoryClass, which says in which account and region the repository is, and what
    /// may stand here. When absent, the class with the annotation ecr-operator.dev/is-default-class.
    /// May change to a class of the same account and region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    #[schemars(extend("x-kubernetes-validations" = [rules::class_name()]))]
    pub class_name: Option<String>,
    /// Name of the repository in ECR, such as payments/api. When absent, what the class makes of the
    /// namespace and the name of this object: <namespace>/<name>, where it says nothing else. Immutable
    /// once the repository exists (status.arn is set).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[schemars(extend("x-kubernetes-validations" = rules::repository_name()))]
    pub repository_name: Option<String>,
    /// Whether a tag may be moved to another image (ECR: PutImageTagMutability). MUTABLE: it may.
    /// IMMUTABLE: it may not, and pushing it again fails. MUTABLE_WITH_EXCLUSION: it may, unless it
    /// matches one of imageTagMutabilityExclusionFilters. IMMUTABLE_WITH_EXCLUSION: it may not, unless
    /// it matches one. When absent, not managed; ECR creates a repository as MUTABLE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_tag_mutability: Option<ImageTagMutability>,
    /// Tags that are excepted from imageTagMutability (ECR: PutImageTagMutability). Needed with
    /// MUTABLE_WITH_EXCLUSION and IMMUTABLE_WITH_EXCLUSION, at most 5; with the other two absent or
    /// empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5), extend("x-kubernetes-list-type" = "atomic"))]
    pub image_tag_mutability_exclusion_filters: Option<Vec<ImageTagMutabilityExclusionFilter>>,
    /// How images are scanned for vulnerabilities (ECR: PutImageScanningConfiguration). When absent,
    /// not managed; {scanOnPush: false} means no scan on push. A scanning rule of the whole registry
    /// overrides this setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub image_scanning_configuration: Option<ImageScanningConfiguration>,
    /// How images are encrypted at rest (ECR: CreateRepository). ECR cannot change it later, so it is
    /// immutable once the repository exists (status.arn is set). When absent, AES256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub encryption_configuration: Option<EncryptionConfiguration>,
    /// Lifecycle policy: which images ECR deletes or archives (ECR: PutLifecyclePolicy,
    /// DeleteLifecyclePolicy). It is AWS's document as YAML; a document in JSON can be pasted as it
    /// is. When absent, not managed; {rules: []} means that there shall be none. ECR acts on a new
    /// policy within 24 hours, and what it deletes is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub lifecycle_policy: Option<LifecyclePolicy>,
    /// Repository policy: who may do what with this repository (ECR: SetRepositoryPolicy,
    /// DeleteRepositoryPolicy). It is AWS's IAM policy document as YAML, an object and not a string of
    /// JSON. When absent, there is nothing here beyond access; with access absent too, not managed.
    /// {Statement: []} means that there shall be none, beyond access. Compared by meaning: the order of statements,
    /// principals and actions makes no difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository_policy: Option<RepositoryPolicy>,
    /// Who may pull and push, without writing a policy document. It becomes statements of the
    /// repository policy (ECR: SetRepositoryPolicy) beside those in repositoryPolicy. When absent,
    /// nothing is added; {pull: []} means that nobody is granted anything here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub access: Option<Access>,
    /// Statements that others write into the repository policy, by their Sids; '*' stands for any run of
    /// characters. Those in ECR stay as they are whenever the policy is written, and are no drift, as long as the
    /// class permits what they grant. AWS Lambda adds LambdaECRImageRetrievalPolicy by itself. It says something
    /// only where repositoryPolicy or access is managed. A Sid that repositoryPolicy has itself is not kept. When
    /// absent or empty, none is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "sids")]
    pub keep_statements: Option<Vec<String>>,
    /// Tags of the repository in AWS (ECR: TagResource, UntagResource), at most 48, with those that its
    /// class brings. They are managed
    /// key by key: the keys here are set, keys that were here before are removed, all others in AWS
    /// stay. Absent and {} are the same. Keys may not begin with aws: or ecr-operator.dev/.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "tags")]
    pub tags: Option<BTreeMap<String, String>>,
    /// Settings for which no default of the class counts: they are not managed where they are absent
    /// here. What the class enforces stays enforced. When absent or empty, all defaults count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5), extend("x-kubernetes-list-type" = "atomic"))]
    #[schemars(extend("x-kubernetes-validations" = [rules::unmanaged()]))]
    pub unmanaged: Option<Vec<Aspect>>,
    /// What becomes of the repository when this object is deleted (ECR: DeleteRepository). Retain: it
    /// stays with its images, and AWS is not even asked. Delete: it is deleted once it is empty; until
    /// then this object waits and says how many images are left. DeleteWithImages: it is deleted with
    /// all its images, for good. When absent, Retain. A change takes effect also while the object is
    /// being deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// What to do when a repository of that name exists already in ECR. When absent, it is left alone
    /// and this object says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    #[schemars(extend("x-kubernetes-validations" = rules::adoption()))]
    pub adoption: Option<Adoption>,
    /// Whether the operator writes to AWS. Enforce: ECR is made to match. Observe: nothing is written,
    /// and no adoption is needed; what would be written stands in status.pending. The class says whether this may be. When absent, Enforce.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management_policy: Option<ManagementPolicy>,
    /// Stops all work on this object while true: nothing is read from or written to AWS, and deleting
    /// the object keeps the repository. Ready says Suspended, and since when. The class says whether this may be. When absent, false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// The schema of `keepStatements`.
pub(super) fn sids(_: &mut SchemaGenerator) -> Schema {
    schema::strings(20, 128, &[rules::shown()])
}

/// The schema of `tags`; refusals name the key.
fn tags(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "x-kubernetes-map-type": "atomic",
        "maxProperties": 48,
        "x-kubernetes-validations": rules::tags(),
        "additionalProperties": {
            "type": "string",
            "maxLength": 256,
            "x-kubernetes-validations": [rules::tag_value()],
        },
    })
}

/// AWS's words for tag mutability.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ImageTagMutability {
    /// Tags may be moved.
    Mutable,
    /// Tags may not be moved.
    Immutable,
    /// Tags may be moved, those matching a filter may not.
    MutableWithExclusion,
    /// Tags may not be moved, those matching a filter may.
    ImmutableWithExclusion,
}

/// A pattern of tags that are excepted from the mutability.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageTagMutabilityExclusionFilter {
    /// Kind of pattern; WILDCARD is the only one.
    pub filter_type: ExclusionFilterType,
    /// Pattern that a tag must match as a whole: letters, digits, '.', '_' and '-'; '*' stands for any
    /// run of characters and may come twice. At most 128 characters.
    #[schemars(length(max = 128))]
    #[schemars(extend("x-kubernetes-validations" = rules::exclusion_filter()))]
    pub filter: String,
}

/// The kinds of exclusion filters.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExclusionFilterType {
    /// `*` stands for any run of characters.
    Wildcard,
}

/// How images are scanned.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(extend("x-kubernetes-validations" = [rules::some_scanning()]))]
#[serde(rename_all = "camelCase")]
pub struct ImageScanningConfiguration {
    /// Whether ECR scans each image after it was pushed. Needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan_on_push: Option<bool>,
}

/// How images are encrypted at rest.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(extend("x-kubernetes-validations" = [rules::kms_key()]))]
#[serde(rename_all = "camelCase")]
pub struct EncryptionConfiguration {
    /// AES256: with keys of Amazon S3. KMS: with a key of AWS KMS. KMS_DSSE: with a key of AWS KMS, in
    /// two layers.
    pub encryption_type: EncryptionType,
    /// Key of AWS KMS: its ARN, its id or an alias; only with KMS and KMS_DSSE. When absent, the key
    /// aws/ecr that AWS manages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[schemars(extend("x-kubernetes-validations" = [rules::kms_key_id()]))]
    pub kms_key: Option<String>,
}

/// AWS's words for encryption.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
pub enum EncryptionType {
    /// Keys of Amazon S3.
    #[serde(rename = "AES256")]
    Aes256,
    /// Keys of AWS KMS.
    #[serde(rename = "KMS")]
    Kms,
    /// Keys of AWS KMS, two layers.
    #[serde(rename = "KMS_DSSE")]
    KmsDsse,
}

/// An IAM policy document; one without statements asks for none.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(transparent)]
pub struct RepositoryPolicy(pub Map<String, Value>);

/// Written by hand: `Statement` has no type, because AWS takes a list as well as a single object, and
/// what is in it is kept as it is, because the document is AWS's and grows without us. CEL sees none
/// of it, so it is checked by the operator.
impl JsonSchema for RepositoryPolicy {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RepositoryPolicy".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "x-kubernetes-map-type": "atomic",
            "x-kubernetes-validations": [rules::some_statement()],
            "properties": {
                "Version": {
                    "type": "string",
                    "enum": ["2012-10-17", "2008-10-17"],
                    "description": "Version of IAM's policy language; write 2012-10-17. When absent, AWS takes 2008-10-17, \
                        which knows no policy variables.",
                },
                "Id": {
                    "type": "string",
                    "maxLength": 512,
                    "x-kubernetes-validations": [rules::shown()],
                    "description": "Identifier of the document; AWS ignores it.",
                },
                "Statement": statement(5, "Statements as IAM knows them: Sid, Effect, Principal, Action, Condition. Needed; [] means none. A repository policy \
                        has no Resource. Sids that begin with EcrOperator are refused: access makes them. The whole \
                        document, access included, may have 10240 characters."),
            },
        })
    }
}

/// The longest word in a statement: AWS's longest, an ARN, has 2,048 characters.
const MAX_POLICY_WORD: u32 = 2048;
/// The most statements, and the most words in a list. The whole document may have 10,240 characters.
const MAX_POLICY_ITEMS: u32 = 200;
/// The most fields of a statement (IAM knows nine), kinds of principals, operators of a condition, and
/// keys of one.
const MAX_POLICY_FIELDS: u32 = 64;

/// The schema of what may be a list, an object or a word, and may hold others so many levels deep: a
/// statement's conditions need five. Without an end, one object could be nested so deep that no list
/// that has it can be read (`serde_json` stops at 128 levels), and so stop the work on all others.
///
/// How long a field's name is has no bound here: CEL sees nothing below what has no type, and a structural
/// schema has no other word for it. What an object asks for that is too large as a whole is not read.
fn statement(levels: u32, description: &str) -> Value {
    let mut schema = Map::new();
    schema.insert(
        "x-kubernetes-preserve-unknown-fields".to_owned(),
        true.into(),
    );
    schema.insert("maxLength".to_owned(), MAX_POLICY_WORD.into());
    schema.insert("maxItems".to_owned(), MAX_POLICY_ITEMS.into());
    schema.insert("maxProperties".to_owned(), MAX_POLICY_FIELDS.into());
    // Or the API server would drop a null, and a policy would say something else than its author did.
    schema.insert("nullable".to_owned(), true.into());
    if !description.is_empty() {
        schema.insert("description".to_owned(), description.into());
    }
    if let Some(inner) = levels.checked_sub(1) {
        for keyword in ["items", "additionalProperties"] {
            schema.insert(keyword.to_owned(), statement(inner, ""));
        }
    } else {
        schema.insert("maxItems".to_owned(), 0.into());
        schema.insert("maxProperties".to_owned(), 0.into());
    }
    Value::Object(schema)
}

/// Who may pull and push; merged into the repository policy.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(extend("x-kubernetes-validations" = [rules::some_access()]))]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// Accounts, roles, users and services that may pull (ecr:BatchCheckLayerAvailability,
    /// ecr:BatchGetImage, ecr:GetDownloadUrlForLayer): an account id, the ARN of an account's root, of
    /// a role or of a user, or a service such as codebuild.amazonaws.com, which may then act for the
    /// account of the repository alone (aws:SourceAccount). When absent or empty, nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "principals")]
    pub pull: Option<Vec<String>>,
    /// Accounts, roles, users and services that may pull and push (as pull, and
    /// ecr:InitiateLayerUpload, ecr:UploadLayerPart, ecr:CompleteLayerUpload, ecr:PutImage), written as
    /// in pull. When absent or empty, nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "principals")]
    pub push: Option<Vec<String>>,
}

/// The schema of a list of principals. The longest ARN of a role has about 614 characters.
fn principals(_: &mut SchemaGenerator) -> Schema {
    schema::strings(100, 640, &[rules::principal()])
}

/// What becomes of the repository when its object is deleted.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum DeletionPolicy {
    /// The repository stays.
    #[default]
    Retain,
    /// The repository is deleted once it is empty.
    Delete,
    /// The repository is deleted with all its images.
    DeleteWithImages,
}

/// What to do with a repository that exists already.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Adoption {
    /// When such a repository is adopted (ECR: TagResource). Never: never. IfUnowned: when no object
    /// owns it. TakeOver: when it is owned by the object named in from. Adopting by itself changes nothing
    /// but the operator's own tags.
    pub policy: AdoptionPolicy,
    /// Owner that is replaced, as <cluster>/<namespace>/<name>: the value of the repository's tag
    /// ecr-operator.dev/owner. Needed with TakeOver, refused with the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[schemars(extend("x-kubernetes-validations" = [rules::owner()]))]
    pub from: Option<String>,
}

/// When a repository that exists already is adopted.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum AdoptionPolicy {
    /// Never.
    #[default]
    Never,
    /// When it has no owner.
    IfUnowned,
    /// When it has the owner named in `from`.
    TakeOver,
}

/// Whether the operator writes to AWS.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum ManagementPolicy {
    /// ECR is made to match.
    #[default]
    Enforce,
    /// Nothing is written; the plan stands in `status.pending`.
    Observe,
}
