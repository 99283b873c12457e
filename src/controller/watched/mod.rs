//! An object as the watch holds it: packed, because there may be many thousands, and each is needed
//! for a moment only, in its passes.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource, api::ObjectMeta};
use lz4_flex::block::{compress_prepend_size_with_dict, decompress_size_prepended_with_dict};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};

use super::{
    bounded::Bounded,
    errand::is_at_rest,
    excess::{self, Excess, LARGE_SPEC, LARGEST_SPEC, LARGEST_STATUS, LONG_SPEC},
    shown::Stands,
};
use crate::{
    api::{
        APPROVE_LIFECYCLE_ANNOTATION, APPROVE_RECREATE_ANNOTATION, Compared, ECRRepository,
        ECRRepositorySpec, ECRRepositoryStatus, FINALIZER, Loss, MAX_TOKEN, ManagementPolicy,
        Ownership, RECONCILE_ANNOTATION, RECONCILE_FLUX_ANNOTATION, WorkingMemory,
    },
    domain::status::{fit, is_from_elsewhere},
};

/// The annotations that mean something to us; others, such as what kubectl last applied, are not kept.
pub(super) const ANNOTATIONS: [&str; 4] = [
    RECONCILE_FLUX_ANNOTATION,
    RECONCILE_ANNOTATION,
    APPROVE_RECREATE_ANNOTATION,
    APPROVE_LIFECYCLE_ANNOTATION,
];

/// How much is kept of labels. A name template may ask for some of them.
const LABELS: usize = 8 * 1024;

/// An object of the watch, which may be one that this version can't read.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    meta: ObjectMeta,
    content: Result<Packed, Unread>,
}

/// Why an object can't be read: it was written for another version.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unread(Box<str>);

impl Unread {
    fn foreign(why: impl fmt::Display) -> Self {
        Self(why.to_string().into())
    }
}

/// Spec and status, and what is asked for so often that it is not unpacked for it.
#[derive(Clone, Debug)]
struct Packed {
    /// `spec.className`
    class_name: Option<Box<str>>,
    /// `status.className`
    last_class_name: Option<Box<str>>,
    /// What metrics show of its conditions.
    stands: Stands,
    /// How it keeps the operator from its repository, if it does.
    mode: Option<&'static str>,
    /// Whether its status is of another object, or does not say of which.
    is_from_elsewhere: bool,
    /// Whether all is well and nobody asks for anything.
    is_at_rest: bool,
    /// What of the object is not in it.
    excess: Excess,
    /// `Whole`, as JSON and compressed.
    text: Box<[u8]>,
}

#[derive(Serialize)]
struct Whole<'a> {
    spec: &'a ECRRepositorySpec,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a ECRRepositoryStatus>,
}

#[derive(Deserialize)]
struct Unpacked {
    spec: ECRRepositorySpec,
    status: Option<ECRRepositoryStatus>,
}

/// Where an object is bound, and what it lost.
#[derive(Deserialize)]
struct Glance {
    status: Option<Place>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    registry_id: Option<String>,
    region: Option<String>,
    repository_name: Option<String>,
    arn: Option<String>,
    ownership: Option<Ownership>,
    last_loss: Option<Loss>,
    compared: Option<Compared>,
    #[serde(default)]
    working_memory: WorkingMemory,
}

impl Watched {
    fn new(
        meta: ObjectMeta,
        mut spec: ECRRepositorySpec,
        mut status: Option<ECRRepositoryStatus>,
        mut excess: Excess,
    ) -> Result<Self, Unread> {
        let mut text = packed(&spec, status.as_ref())?;
        if excess.is_any() || text.len() > LARGEST_STATUS {
            if packed(&spec, None)?.len() > LARGEST_SPEC {
                excess.spec = excess.spec.or(Some(LARGE_SPEC));
            }
            let nothing = ECRRepositorySpec::default();
            excess.status |= packed(&nothing, status.as_ref())?.len() > LARGEST_STATUS;
            if excess.spec.is_some() {
                spec = excess::of_spec(spec);
            }
            if excess.status {
                status = status.map(excess::of_status);
            }
            text = packed(&spec, status.as_ref())?;
        }
        let name = |it: &String| it.as_str().into();
        let status = status.as_ref();
        let packed = Packed {
            mode: mode(&spec),
            class_name: spec.class_name.as_ref().map(name),
            last_class_name: status.and_then(|it| it.class_name.as_ref()).map(name),
            is_at_rest: is_at_rest(&meta, status),
            is_from_elsewhere: status.is_some_and(|it| {
                let (namespace, name) = (meta.namespace.as_deref(), meta.name.as_deref());
                is_from_elsewhere(it, namespace.unwrap_or_default(), name.unwrap_or_default())
            }),
            stands: status.map_or_else(Stands::default, |it| Stands::of(&it.conditions)),
            excess,
            text: text.into(),
        };
        Ok(Self {
            meta,
            content: Ok(packed),
        })
    }

    /// The object, but for what of its metadata means nothing to us, and for what is too large; or why it can't be
    /// read.
    pub(super) fn read(&self) -> Result<ECRRepository, Unread> {
        let packed = self.content.as_ref().map_err(Clone::clone)?;
        let Unpacked { spec, status } = packed.unpack()?;
        Ok(ECRRepository {
            metadata: self.meta.clone(),
            spec,
            status,
        })
    }

    /// The class that the object names; or why it can't be read.
    pub(super) fn class_name(&self) -> Result<Option<&str>, &Unread> {
        match &self.content {
            Ok(packed) => Ok(packed.class_name.as_deref()),
            Err(why) => Err(why),
        }
    }

    /// What of it is too large.
    pub(super) fn excess(&self) -> Excess {
        self.content
            .as_ref()
            .map_or_else(|_| Excess::default(), |packed| packed.excess)
    }

    /// How many bytes of it are kept.
    pub(super) fn weight(&self) -> usize {
        self.content.as_ref().map_or(0, |packed| packed.text.len())
    }

    /// The class that last counted for it.
    pub(super) fn last_class_name(&self) -> Option<&str> {
        self.content.as_ref().ok()?.last_class_name.as_deref()
    }

    /// Whether all is well and nobody asks for anything; not where it can't be read.
    pub(super) fn is_at_rest(&self) -> bool {
        self.content.as_ref().is_ok_and(|it| it.is_at_rest)
    }

    /// How it keeps the operator from its repository, by the name of what says so.
    pub(super) fn mode(&self) -> Option<&'static str> {
        self.content.as_ref().ok()?.mode
    }

    /// Whether its status is of another object, or does not say of which: somebody else wrote it, or an older version.
    pub(super) fn is_from_elsewhere(&self) -> bool {
        self.content.as_ref().is_ok_and(|it| it.is_from_elsewhere)
    }

    /// What metrics show of its conditions; none where it can't be read.
    pub(super) fn stands(&self) -> Option<&Stands> {
        Some(&self.content.as_ref().ok()?.stands)
    }

    /// What of its status says where it is bound, and what it lost. The rest is empty.
    pub(super) fn place(&self) -> Option<ECRRepositoryStatus> {
        let glance: Glance = self.content.as_ref().ok()?.unpack().ok()?;
        let place = glance.status?;
        Some(ECRRepositoryStatus {
            registry_id: place.registry_id,
            region: place.region,
            repository_name: place.repository_name,
            arn: place.arn,
            ownership: place.ownership,
            last_loss: place.last_loss,
            working_memory: WorkingMemory {
                applied: Vec::new(),
                compared: place.working_memory.compared.or(place.compared),
            },
            ..ECRRepositoryStatus::default()
        })
    }
}

impl Packed {
    fn unpack<T: DeserializeOwned>(&self) -> Result<T, Unread> {
        let text = decompress_size_prepended_with_dict(&self.text, USUAL.as_bytes())
            .map_err(Unread::foreign)?;
        serde_json::from_slice(&text).map_err(Unread::foreign)
    }
}

fn mode(spec: &ECRRepositorySpec) -> Option<&'static str> {
    match (spec.suspend, spec.management_policy) {
        (Some(true), _) => Some("suspend"),
        (Some(false) | None, Some(ManagementPolicy::Observe)) => Some("observe"),
        (Some(false) | None, Some(ManagementPolicy::Enforce) | None) => None,
    }
}

/// Spec and status as they are kept.
fn packed(
    spec: &ECRRepositorySpec,
    status: Option<&ECRRepositoryStatus>,
) -> Result<Vec<u8>, Unread> {
    let text = serde_json::to_vec(&Whole { spec, status }).map_err(Unread::foreign)?;
    Ok(compress_prepend_size_with_dict(&text, USUAL.as_bytes()))
}

/// The shortest labels, as many as there is room for: there may be thousands.
fn few(labels: BTreeMap<String, String>) -> BTreeMap<String, String> {
    // Each takes some bytes more than it has.
    let length = |key: &str, value: &str| key.len().saturating_add(value.len()).saturating_add(64);
    let mut labels: Vec<_> = labels.into_iter().collect();
    labels.sort_by_key(|(key, value)| length(key, value));
    let mut room = LABELS;
    labels.retain(|(key, value)| {
        let left = room.checked_sub(length(key, value));
        room = left.unwrap_or_default();
        left.is_some()
    });
    labels.into_iter().collect()
}

/// An object as the API server sends it. Its managed fields, often half of the text, are skipped.
#[derive(Deserialize)]
struct Sent {
    metadata: Metadata,
    #[serde(default)]
    spec: Bounded,
    #[serde(default)]
    status: Bounded,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    finalizers: Option<Vec<String>>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

impl From<Metadata> for ObjectMeta {
    fn from(sent: Metadata) -> Self {
        let annotations = sent.annotations.map(|mut all| {
            all.retain(|key, _| ANNOTATIONS.contains(&key.as_str()));
            for value in all.values_mut() {
                // Status echoes no more of it.
                *value = fit(value, usize::try_from(MAX_TOKEN).unwrap_or(usize::MAX));
            }
            all
        });
        let finalizers = sent.finalizers.map(|mut all| {
            all.retain(|it| it == FINALIZER);
            all
        });
        Self {
            name: sent.name,
            namespace: sent.namespace,
            uid: sent.uid,
            resource_version: sent.resource_version,
            generation: sent.generation,
            creation_timestamp: sent.creation_timestamp,
            deletion_timestamp: sent.deletion_timestamp,
            finalizers: finalizers.filter(|all| !all.is_empty()),
            labels: sent.labels.map(few),
            annotations: annotations.filter(|all| !all.is_empty()),
            ..Self::default()
        }
    }
}

impl<'de> Deserialize<'de> for Watched {
    /// An object that this version can't read must not make a whole list fail.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Sent {
            metadata,
            spec,
            status,
        } = Sent::deserialize(deserializer)?;
        let meta = ObjectMeta::from(metadata);
        let parsed = Self::parsed(&meta, spec, status);
        Ok(parsed.unwrap_or_else(|why| Self {
            meta: bare(meta),
            content: Err(why),
        }))
    }
}

impl Watched {
    fn parsed(meta: &ObjectMeta, spec: Bounded, status: Bounded) -> Result<Self, Unread> {
        let excess = Excess {
            spec: (!spec.is_whole).then_some(LONG_SPEC),
            status: !status.is_whole,
        };
        let spec = ECRRepositorySpec::deserialize(spec.value).map_err(Unread::foreign)?;
        let status = Option::deserialize(status.value).map_err(Unread::foreign)?;
        Self::new(meta.clone(), spec, status, excess)
    }
}

/// What is kept of the metadata of an object that can't be read: what tells it from others.
fn bare(meta: ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        finalizers: None,
        labels: None,
        annotations: None,
        ..meta
    }
}

impl Resource for Watched {
    type DynamicType = ();
    type Scope = <ECRRepository as Resource>::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        ECRRepository::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        ECRRepository::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        ECRRepository::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        ECRRepository::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

/// What most objects consist of, in the order in which they are written: the compression refers to it
/// in place of repeating it. Any text does; one that resembles them saves most.
const USUAL: &str = concat!(
    r#""suspend":false,"managementPolicy":"Observe","adoption":{"policy":"IfUnowned"},"access":{"pull":["111122223333"],"push":["arn:aws:iam::111122223333:role/"]},"#,
    r#""encryptionConfiguration":{"encryptionType":"KMS","kmsKey":"arn:aws:kms:"},"imageTagMutability":"IMMUTABLE_WITH_EXCLUSION","imageTagMutabilityExclusionFilters":[{"filterType":"WILDCARD","filter":"dev-*"}],"#,
    r#"{"spec":{"className":"default","repositoryName":"imageTagMutability":"IMMUTABLE","imageScanningConfiguration":{"scanOnPush":true},"#,
    r#""lifecyclePolicy":{"rules":[{"rulePriority":1,"description":"keep the last 10 images","selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":10},"action":{"type":"expire"}},"#,
    r#"{"rulePriority":2,"selection":{"tagStatus":"tagged","tagPatternList":["*"],"tagPrefixList":["v"],"countType":"sinceImagePushed","countUnit":"days","countNumber":14},"tagStatus":"untagged"]},"#,
    r#""repositoryPolicy":{"Statement":[{"Action":["ecr:BatchCheckLayerAvailability","ecr:BatchGetImage","ecr:GetDownloadUrlForLayer","ecr:InitiateLayerUpload","ecr:UploadLayerPart","ecr:CompleteLayerUpload","ecr:PutImage"],"#,
    r#""Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-"}},"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Sid":"Pull"}],"Version":"2012-10-17"},"#,
    r#""tags":{"team":"deletionPolicy":"Retain"},"status":{"observedGeneration":1,"conditions":["#,
    r#"{"lastTransitionTime":"2026-01-01T00:00:00Z","message":"nothing is left to be done: ","observedGeneration":1,"reason":"Progressing","status":"False","type":"Reconciling"},"type":"Stalled"},"#,
    r#"{"lastTransitionTime":"2026-01-01T00:00:00Z","message":"ECR matches","observedGeneration":1,"reason":"Synced","status":"True","type":"Ready"},"#,
    r#"{"lastTransitionTime":"2026-01-01T00:00:00Z","message":"Well-formed and permitted by the class, and the name is nobody else's","observedGeneration":1,"reason":"Accepted","status":"True","type":"Accepted"},"#,
    r#"{"lastTransitionTime":"2026-01-01T00:00:00Z","message":"ECR matches","observedGeneration":1,"reason":"Synced","status":"True","type":"Synced"}],"#,
    r#""className":"default","owner":"prod/","registryId":"111122223333","region":"ap-southeast-1","repositoryName":"","arn":"arn:aws:ecr:us-east-1:111122223333:repository/","#,
    r#""repositoryUri":"111122223333.dkr.ecr.us-east-1.amazonaws.com/","createdAt":"2026-01-01T00:00:00.000Z","tagKeys":["team"],"clusterUid":"","#,
    r#""workingMemory":{"applied":[{"aspect":"imageTagMutability","hash":"c1c56dd6a0ca3507"},{"aspect":"imageScanningConfiguration","hash":"6baad38a3f05fe88"},{"aspect":"lifecyclePolicy","hash":""},{"aspect":"repositoryPolicy","hash":""},{"aspect":"tags","hash":""}],"#,
    r#""effective":[{"setting":"imageTagMutability","value":"IMMUTABLE","source":"spec"},{"setting":"imageScanningConfiguration","value":"scanOnPush: true","source":"spec"},"#,
    r#"{"setting":"encryptionConfiguration","source":"unmanaged","value":"AES256 (read from ECR)"},{"setting":"lifecyclePolicy","value":"1 rule","source":"spec"},"#,
    r#"{"setting":"repositoryPolicy","value":"1 statement, access.pull 0, access.push 0","source":"spec"},{"setting":"tags","value":"team","source":"spec"},"#,
    r#"{"setting":"deletionPolicy","value":"Retain (built in)","source":"unmanaged"},"source":"enforced"}],"pending":[{"aspect":"","action":"CreateRepository","reason":"Throttled","message":""#,
);

#[cfg(test)]
mod tests;
