//! What the operator says of an `ECRRepository`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{EffectiveSetting, schema};

/// The longest message of a condition; as in `metav1.Condition`.
pub const MAX_CONDITION_MESSAGE: u32 = 32_768;
/// The most keys in `status.tagKeys`: those in force, those to come, and room for more changes before
/// AWS took the last one.
pub const MAX_TAG_KEYS: u32 = 500;
/// The longest text in `status.workingMemory` and `status.pending`, messages apart.
pub const MAX_WORD: u32 = 256;
/// The longest message in `status.pending`; ours are cut at 1 KiB.
pub const MAX_PENDING_MESSAGE: u32 = 4096;
/// The longest value of an annotation that is echoed in `status.lastHandled…`. Annotations may be much
/// longer: what is echoed is to be cut, or the API server refuses the whole status.
pub const MAX_TOKEN: u32 = 1024;
/// The longest of the other strings, which are AWS's.
const MAX_AWS_TEXT: u32 = 2048;
/// The most entries in `status.workingMemory.applied` and `status.pending`.
const MAX_ENTRIES: u32 = 32;
/// The greatest integer that every reader of JSON understands exactly.
pub(super) const MAX_INTEGER: i64 = (1 << 53) - 1;

/// What the operator found and did. Written by the operator alone.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[schemars(extend("default" = {"observedGeneration": -1}))]
#[serde(rename_all = "camelCase")]
pub struct ECRRepositoryStatus {
    /// Generation of this object (metadata.generation) that this status speaks of; -1 before the
    /// operator saw the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1, max = MAX_INTEGER))]
    pub observed_generation: Option<i64>,
    /// Conditions. Ready: ECR matches the spec. Accepted: the spec can be carried out and the
    /// repository is this object's. Synced: nothing is left to be done in ECR. Reconciling is there
    /// only while the operator is at work, Stalled only while a person is needed; the message says
    /// what to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// Name of the ECRRepositoryClass that last counted for this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_WORD))]
    pub class_name: Option<String>,
    /// Object that this status is of, as <cluster>/<namespace>/<name>: the value of the repository's tag
    /// ecr-operator.dev/owner. A status that is another object's, as after a restore into another namespace,
    /// is not relied on. When absent, not yet bound, or written by an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_WORD))]
    pub owner: Option<String>,
    /// AWS account that the repository is bound to. Bound before anything is written to ECR, and never
    /// changed afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_WORD))]
    pub registry_id: Option<String>,
    /// AWS region that the repository is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_WORD))]
    pub region: Option<String>,
    /// Name in ECR that this object is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_WORD))]
    pub repository_name: Option<String>,
    /// ARN of the repository, once it exists and is this object's, or is looked at with managementPolicy Observe
    /// (ownership says which). Once it is this object's, spec.repositoryName and
    /// spec.encryptionConfiguration are immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_AWS_TEXT))]
    pub arn: Option<String>,
    /// What docker pull and docker push take, without a tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_AWS_TEXT))]
    pub repository_uri: Option<String>,
    /// When ECR created the repository, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_WORD))]
    pub created_at: Option<String>,
    /// NotOwned: the repository in arn is not this object's, and managementPolicy Observe only looks at it.
    /// When absent, a repository in arn is this object's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ownership: Option<Ownership>,
    /// Keys of the tags that are managed here. A key that is dropped from spec.tags is removed from
    /// the repository because it stands here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "tag_keys")]
    pub tag_keys: Vec<String>,
    /// Uid of the cluster (of its namespace kube-system) that was written to the repository as the tag
    /// ecr-operator.dev/cluster-uid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_WORD))]
    pub cluster_uid: Option<String>,
    /// As version 0.1 wrote what now stands in workingMemory.applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_ENTRIES), extend("x-kubernetes-list-type" = "atomic"))]
    pub applied: Vec<AppliedAspect>,
    /// As version 0.1 wrote what now stands in workingMemory.compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub compared: Option<Compared>,
    /// What is in force, and where it comes from: from this object's spec, from its class, or from neither,
    /// where the value that holds all the same is named as built in or as read from ECR.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_ENTRIES), extend("x-kubernetes-list-type" = "atomic"))]
    pub effective: Vec<EffectiveSetting>,
    /// What is still to be done in ECR, or, with managementPolicy Observe, what would be. When absent,
    /// nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_ENTRIES), extend("x-kubernetes-list-type" = "atomic"))]
    pub pending: Vec<PendingAction>,
    /// What a lifecycle policy would take from the repository, as it was last shown, and whether somebody
    /// allowed it. When absent, nobody had to be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub lifecycle_approval: Option<LifecycleApproval>,
    /// When the repository was last found gone from ECR without this object having deleted it. Its
    /// images are lost. When absent, never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub last_loss: Option<Loss>,
    /// What spec.adoption asked to take over, once this object has the repository: that is done, and is not
    /// done again until spec.adoption changes or is removed. When absent, nothing was taken over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub taken_over: Option<TakenOver>,
    /// Since when spec.suspend is in effect, in RFC 3339: ECR has not been looked at since. When absent, this
    /// object is not suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_WORD))]
    pub suspended_since: Option<String>,
    /// Last value of the annotation reconcile.fluxcd.io/requestedAt that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_TOKEN))]
    pub last_handled_reconcile_at: Option<String>,
    /// Last value of the annotation ecr-operator.dev/reconcile-requested-at that was acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_TOKEN))]
    pub last_handled_request_at: Option<String>,
    /// What the operator notes for itself, so that it reads less after a restart. It is not for people.
    #[serde(default, skip_serializing_if = "WorkingMemory::is_empty")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub working_memory: WorkingMemory,
}

impl ECRRepositoryStatus {
    /// Takes up what version 0.1 noted elsewhere.
    pub fn take_up_former(&mut self) {
        let (applied, compared) = (std::mem::take(&mut self.applied), self.compared.take());
        if self.working_memory.is_empty() {
            self.working_memory = WorkingMemory { applied, compared };
        }
    }
}

/// What the operator notes for itself. `kubectl describe` sorts by name: what is not for people comes last.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkingMemory {
    /// What was last in force in ECR, by aspect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_ENTRIES), extend("x-kubernetes-list-type" = "atomic"))]
    pub applied: Vec<AppliedAspect>,
    /// What `pending` was last made from with managementPolicy Observe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub compared: Option<Compared>,
}

impl WorkingMemory {
    /// Whether nothing is noted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.applied.is_empty() && self.compared.is_none()
    }
}

/// The schema of `tagKeys`.
fn tag_keys(_: &mut SchemaGenerator) -> Schema {
    schema::strings(MAX_TAG_KEYS, 128, &[])
}

/// The schema of `metav1.Condition` with the bounds that its Go type has and k8s-openapi leaves out
/// (<https://github.com/kubernetes/apimachinery/blob/master/pkg/apis/meta/v1/types.go>).
pub(super) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "maxItems": 16,
        "items": {
            "type": "object",
            "required": ["lastTransitionTime", "message", "reason", "status", "type"],
            "properties": {
                "lastTransitionTime": {
                    "type": "string",
                    "format": "date-time",
                    "maxLength": 64,
                    "description": "When status last changed.",
                },
                "message": {
                    "type": "string",
                    "maxLength": MAX_CONDITION_MESSAGE,
                    "description": "What happened, then what to do.",
                },
                "observedGeneration": {
                    "type": "integer",
                    "minimum": 0,
                    "maximum": MAX_INTEGER,
                    "description": "Generation of this object (metadata.generation) that this condition speaks of.",
                },
                "reason": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                    "description": "Why, in one word.",
                },
                "status": {
                    "type": "string",
                    "enum": ["True", "False", "Unknown"],
                    "description": "True, False or Unknown.",
                },
                "type": {
                    "type": "string",
                    "maxLength": 316,
                    "description": "Ready, Accepted, Synced, Reconciling or Stalled.",
                },
            },
        },
    })
}

/// One independent part of a repository's settings.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "camelCase")]
pub enum Aspect {
    /// Tag mutability with its exclusion filters.
    ImageTagMutability,
    /// Scanning.
    ImageScanningConfiguration,
    /// The lifecycle policy.
    LifecyclePolicy,
    /// The repository policy, `access` included.
    RepositoryPolicy,
    /// Tags.
    Tags,
}

/// Whose the repository is that status tells of.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Ownership {
    /// Not this object's.
    NotOwned,
}

/// What was last in force of one aspect.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AppliedAspect {
    /// Aspect: imageTagMutability, imageScanningConfiguration, lifecyclePolicy, repositoryPolicy or tags.
    pub aspect: Aspect,
    /// Digest of its meaning.
    #[schemars(length(max = MAX_WORD))]
    pub hash: String,
}

/// A call to AWS that is still to be made.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingAction {
    /// Aspect of the repository that the call is about. When absent, the repository itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aspect: Option<Aspect>,
    /// Operation of ECR, such as PutLifecyclePolicy.
    #[schemars(length(max = MAX_WORD))]
    pub action: String,
    /// Why the call was not made or failed, in one word.
    #[schemars(length(max = MAX_WORD))]
    pub reason: String,
    /// What it is about, then what to do. When absent, nothing is to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_PENDING_MESSAGE))]
    pub message: Option<String>,
    /// Since when AWS refuses the call, in RFC 3339; also through restarts of the operator. Where the reason
    /// may heal by itself a person is asked once that has lasted too long. When absent, no time is counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_WORD))]
    pub since: Option<String>,
}

/// What was last compared with managementPolicy Observe.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Compared {
    /// Digest of what was asked for.
    #[schemars(length(max = MAX_WORD))]
    pub asked: String,
    /// Digest of what ECR held.
    #[schemars(length(max = MAX_WORD))]
    pub held: String,
}

/// A lifecycle policy that needs a person's word before it reaches the repository.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LifecycleApproval {
    /// Value of the annotation ecr-operator.dev/approve-lifecycle that allows exactly this, once. Each
    /// time that something else is shown it is another one.
    #[schemars(length(max = MAX_WORD))]
    pub token: String,
    /// Waiting: nobody has allowed it. Approved: somebody has, and the annotation is needed no more. Spent:
    /// the policy is in force, or is another one, or the class has changed; the token permits nothing.
    pub state: ApprovalState,
    /// Digest of the policy.
    #[schemars(length(max = MAX_WORD))]
    pub policy: String,
    /// Images that it would delete, by ECR's preview.
    #[schemars(range(min = 0, max = MAX_INTEGER))]
    pub expiring: i64,
    /// Images that it would move to the archive, by ECR's preview.
    #[schemars(range(min = 0, max = MAX_INTEGER))]
    pub archiving: i64,
    /// Images in the repository at that time. When absent, they could not be counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_WORD))]
    pub images: Option<String>,
    /// When that was, in RFC 3339.
    #[schemars(length(max = MAX_WORD))]
    pub at: String,
}

/// What has become of a question to people.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum ApprovalState {
    /// Nobody has answered it.
    Waiting,
    /// Somebody has allowed it.
    Approved,
    /// It is over.
    Spent,
}

/// A repository that was found gone.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Loss {
    /// When it was found gone, in RFC 3339. As the value of the annotation
    /// ecr-operator.dev/approve-recreate it lets the operator create the repository anew, where that
    /// waits for a person.
    #[schemars(length(max = MAX_WORD))]
    pub at: String,
    /// When the lost repository had been created, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_WORD))]
    pub previous_created_at: Option<String>,
}

/// A takeover that is done.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TakenOver {
    /// Owner that was replaced, as <cluster>/<namespace>/<name>: what spec.adoption.from says.
    #[schemars(length(max = MAX_WORD))]
    pub from: String,
}
