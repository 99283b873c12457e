//! An object as the watch holds it: packed, because there may be many thousands, and each is needed
//! for a moment only, in its passes.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource, api::ObjectMeta};
use lz4_flex::block::{compress_prepend_size_with_dict, decompress_size_prepended_with_dict};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};

use super::{bounded::Bounded, errand::is_at_rest, shown::Stands};
use crate::{
    api::{
        APPROVE_LIFECYCLE_ANNOTATION, APPROVE_RECREATE_ANNOTATION, Compared, ECRRepository,
        ECRRepositorySpec, ECRRepositoryStatus, Loss, MAX_TOKEN, RECONCILE_ANNOTATION,
        RECONCILE_FLUX_ANNOTATION,
    },
    domain::status::fit,
};

/// The annotations that mean something to us; others, such as what kubectl last applied, are not kept.
pub(super) const ANNOTATIONS: [&str; 4] = [
    RECONCILE_FLUX_ANNOTATION,
    RECONCILE_ANNOTATION,
    APPROVE_RECREATE_ANNOTATION,
    APPROVE_LIFECYCLE_ANNOTATION,
];

/// How much is kept of one object. There may be thousands, whose authors need not mean well.
const LARGEST: usize = 64 * 1024;

/// An object of the watch, which may be one that this version can't read.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    meta: ObjectMeta,
    content: Result<Packed, Unread>,
}

/// Why an object can't be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Unread {
    /// It was written for another version.
    Foreign(Box<str>),
    /// It is too large to be kept.
    TooLarge(&'static str),
}

const LONG_SPEC: Unread = Unread::TooLarge(
    "the spec is more than 128 KiB or 1,024 maps of JSON — shorten its policies: AWS takes 10,240 characters \
     of a repository policy and 30,720 of a lifecycle policy",
);
const LONG_STATUS: Unread = Unread::TooLarge(
    "the status is more than 128 KiB or 1,024 maps of JSON, which the operator never writes — make the object \
     anew without it, and let nobody else write status",
);
const LARGE: Unread = Unread::TooLarge(
    "spec, status, labels, finalizers and the operator's annotations are more than 64 KiB together, compressed \
     — make them smaller",
);

impl Unread {
    fn foreign(why: impl fmt::Display) -> Self {
        Self::Foreign(why.to_string().into())
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foreign(why) => why,
            Self::TooLarge(why) => why,
        })
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
    /// Whether all is well and nobody asks for anything.
    is_at_rest: bool,
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
    last_loss: Option<Loss>,
    compared: Option<Compared>,
}

impl Watched {
    fn new(
        meta: ObjectMeta,
        spec: &ECRRepositorySpec,
        status: Option<&ECRRepositoryStatus>,
    ) -> Result<Self, Unread> {
        let text = serde_json::to_vec(&Whole { spec, status }).map_err(Unread::foreign)?;
        let name = |it: &String| it.as_str().into();
        let packed = Packed {
            class_name: spec.class_name.as_ref().map(name),
            last_class_name: status.and_then(|it| it.class_name.as_ref()).map(name),
            is_at_rest: is_at_rest(&meta, status),
            stands: status.map_or_else(Stands::default, |it| Stands::of(&it.conditions)),
            text: compress_prepend_size_with_dict(&text, USUAL.as_bytes()).into(),
        };
        if packed.text.len().saturating_add(length(&meta)) > LARGEST {
            return Err(LARGE);
        }
        Ok(Self {
            meta,
            content: Ok(packed),
        })
    }

    /// The object, but for what of its metadata means nothing to us; or why it can't be read.
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
            last_loss: place.last_loss,
            compared: place.compared,
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

/// How much of the metadata has no bound of its own.
fn length(meta: &ObjectMeta) -> usize {
    let maps = [&meta.labels, &meta.annotations].into_iter().flatten();
    let pairs = maps.flat_map(BTreeMap::iter);
    let pairs = pairs.map(|(key, value)| key.len().saturating_add(value.len()));
    let finalizers = meta.finalizers.iter().flatten().map(String::len);
    // Each string takes some bytes more than it has.
    pairs
        .chain(finalizers)
        .map(|it| it.saturating_add(32))
        .sum()
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
        Self {
            name: sent.name,
            namespace: sent.namespace,
            uid: sent.uid,
            resource_version: sent.resource_version,
            generation: sent.generation,
            creation_timestamp: sent.creation_timestamp,
            deletion_timestamp: sent.deletion_timestamp,
            finalizers: sent.finalizers,
            labels: sent.labels,
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
        let packed = Self::packed(&meta, spec, status);
        Ok(packed.unwrap_or_else(|why| Self {
            meta: bare(meta),
            content: Err(why),
        }))
    }
}

impl Watched {
    fn packed(meta: &ObjectMeta, spec: Bounded, status: Bounded) -> Result<Self, Unread> {
        let spec = spec.0.ok_or(LONG_SPEC)?;
        let status = status.0.ok_or(LONG_STATUS)?;
        let spec = ECRRepositorySpec::deserialize(spec).map_err(Unread::foreign)?;
        let status = Option::<ECRRepositoryStatus>::deserialize(status).map_err(Unread::foreign)?;
        Self::new(meta.clone(), &spec, status.as_ref())
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
    r#"{"lastTransitionTime":"2026-01-01T00:00:00Z","message":"The object is well-formed","observedGeneration":1,"reason":"Accepted","status":"True","type":"Accepted"},"#,
    r#"{"lastTransitionTime":"2026-01-01T00:00:00Z","message":"ECR matches","observedGeneration":1,"reason":"Synced","status":"True","type":"Synced"}],"#,
    r#""className":"default","registryId":"111122223333","region":"ap-southeast-1","repositoryName":"","arn":"arn:aws:ecr:us-east-1:111122223333:repository/","#,
    r#""repositoryUri":"111122223333.dkr.ecr.us-east-1.amazonaws.com/","createdAt":"2026-01-01T00:00:00.000Z","tagKeys":["team"],"clusterUid":"","#,
    r#""applied":[{"aspect":"imageTagMutability","hash":"c1c56dd6a0ca3507"},{"aspect":"imageScanningConfiguration","hash":"6baad38a3f05fe88"},{"aspect":"lifecyclePolicy","hash":""},{"aspect":"repositoryPolicy","hash":""},{"aspect":"tags","hash":""}],"#,
    r#""effective":[{"setting":"imageTagMutability","value":"IMMUTABLE","source":"spec"},{"setting":"imageScanningConfiguration","value":"scanOnPush: true","source":"spec"},"#,
    r#"{"setting":"encryptionConfiguration","source":"unmanaged"},{"setting":"lifecyclePolicy","value":"1 rule","source":"spec"},"#,
    r#"{"setting":"repositoryPolicy","value":"1 statement, access.pull 0, access.push 0","source":"spec"},{"setting":"tags","value":"team","source":"spec"},"#,
    r#"{"setting":"deletionPolicy","value":"Retain","source":"default"},"source":"enforced"}],"pending":[{"aspect":"","action":"CreateRepository","reason":"Throttled","message":""#,
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::arbitrary;

    fn sent(spec: &Value, status: &Value) -> Value {
        json!({
            "apiVersion": "ecr-operator.dev/v1alpha1",
            "kind": "ECRRepository",
            "metadata": {
                "name": "api",
                "namespace": "payments",
                "uid": "uid-1",
                "resourceVersion": "7",
                "generation": 3,
                "labels": {"team": "payments"},
                "annotations": {
                    "ecr-operator.dev/approve-recreate": "then",
                    "kubectl.kubernetes.io/last-applied-configuration": "{}",
                },
                "finalizers": ["ecr-operator.dev/repository"],
                "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}],
            },
            "spec": spec,
            "status": status,
        })
    }

    fn watched(spec: &Value, status: &Value) -> Watched {
        serde_json::from_value(sent(spec, status)).unwrap()
    }

    proptest! {
        /// Above all absent stays absent, and empty stays empty: the two ask for opposite things.
        #[test]
        fn what_is_packed_comes_out_as_it_was(spec in arbitrary::spec()) {
            let status = ECRRepositoryStatus {
                observed_generation: Some(3),
                tag_keys: vec!["team".to_owned()],
                ..ECRRepositoryStatus::default()
            };
            let sent = [serde_json::to_value(&spec).unwrap(), serde_json::to_value(&status).unwrap()];
            let read = watched(&sent[0], &sent[1]).read().unwrap();
            prop_assert_eq!(read.spec, spec);
            prop_assert_eq!(read.status, Some(status));
        }
    }

    #[test]
    fn what_means_something_of_the_metadata_is_kept() {
        let sent = sent(&json!({}), &Value::Null);
        let read = serde_json::from_value::<Watched>(sent.clone())
            .unwrap()
            .read()
            .unwrap();
        let mut meta: ObjectMeta = serde_json::from_value(sent["metadata"].clone()).unwrap();
        meta.managed_fields = None;
        let annotations = meta.annotations.as_mut().unwrap();
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        assert_eq!(read.metadata, meta);
        assert_eq!(read.status, None);
    }

    #[test]
    fn an_object_that_cannot_be_read_is_there_all_the_same() {
        for (spec, status) in [
            (json!({"suspend": "perhaps"}), json!({})),
            (json!({}), json!({"conditions": 1})),
            (Value::Null, Value::Null),
        ] {
            let watched = watched(&spec, &status);
            assert!(watched.read().is_err(), "{spec} {status}");
            assert_eq!(watched.meta().name.as_deref(), Some("api"));
            assert!(watched.class_name().is_err());
            assert!(watched.place().is_none());
        }
    }

    /// A text that nothing makes shorter.
    fn noise(length: usize) -> String {
        let mut dice = fastrand::Rng::with_seed(length as u64);
        std::iter::repeat_with(|| dice.alphanumeric())
            .take(length)
            .collect()
    }

    #[test]
    fn what_is_too_large_is_not_kept() {
        let policy = |text: String| json!({"repositoryPolicy": {"Statement": [{"Sid": text}]}});
        let message = |text: String| {
            json!({"conditions": [{
                "type": "Ready", "status": "True", "reason": "Synced", "message": text,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }]})
        };
        let maps = json!({"repositoryPolicy": {"Statement": vec![json!({"a": 0}); 2000]}});
        for (spec, status, why) in [
            (policy(noise(1_400_000)), json!({}), LONG_SPEC),
            (policy("x".repeat(1_400_000)), json!({}), LONG_SPEC),
            (maps, json!({}), LONG_SPEC),
            (json!({}), message("x".repeat(200_000)), LONG_STATUS),
            (policy(noise(120_000)), json!({}), LARGE),
            (policy(noise(60_000)), message(noise(50_000)), LARGE),
        ] {
            let watched = watched(&spec, &status);
            assert_eq!(watched.read().err(), Some(why));
            assert_eq!(watched.meta().name.as_deref(), Some("api"));
            assert!(watched.stands().is_none(), "its status is not trusted");
        }
        assert!(watched(&policy(noise(60_000)), &json!({})).read().is_ok());
    }

    #[test]
    fn of_metadata_only_a_little_is_kept() {
        let kept = |change: &dyn Fn(&mut Value)| {
            let mut sent = sent(&json!({}), &Value::Null);
            change(&mut sent["metadata"]);
            let watched: Watched = serde_json::from_value(sent).unwrap();
            (watched.read().err(), length(watched.meta()))
        };
        let many = |count: usize| (0..count).map(|n| (format!("key-{n}"), json!("x")));
        let much: [&dyn Fn(&mut Value); 4] = [
            &|meta| meta["annotations"] = json!({"other": noise(250_000)}),
            &|meta| meta["annotations"] = json!({RECONCILE_ANNOTATION: noise(250_000)}),
            &|meta| meta["ownerReferences"] = json!(vec![json!({"name": noise(200)}); 1000]),
            &|meta| meta["labels"] = many(100).collect(),
        ];
        for (number, change) in much.into_iter().enumerate() {
            let (why, length) = kept(change);
            assert_eq!(why, None, "{number}");
            assert!(length < 8192, "{number}: {length}");
        }
        let too_much: [&dyn Fn(&mut Value); 2] =
            [&|meta| meta["labels"] = many(10_000).collect(), &|meta| {
                meta["finalizers"] = json!(vec![noise(60); 10_000]);
            }];
        for (number, change) in too_much.into_iter().enumerate() {
            assert_eq!(kept(change), (Some(LARGE), 0), "{number}");
        }
    }

    #[test]
    fn a_glance_shows_what_is_bound() {
        let spec = json!({"className": "prod"});
        let status = json!({
            "className": "test",
            "registryId": "111122223333",
            "region": "eu-central-1",
            "repositoryName": "payments/api",
            "arn": "arn:aws:ecr:eu-central-1:111122223333:repository/payments/api",
            "lastLoss": {"at": "2026-01-01T00:00:00Z"},
        });
        let watched = watched(&spec, &status);
        assert_eq!(watched.class_name(), Ok(Some("prod")));
        assert_eq!(watched.last_class_name(), Some("test"));
        let whole = watched.read().unwrap().status.unwrap();
        let place = watched.place().unwrap();
        assert_eq!(place.last_loss, whole.last_loss);
        let bound = crate::domain::status::binding(&place);
        assert!(bound.is_some());
        assert_eq!(bound, crate::domain::status::binding(&whole));
    }
}
