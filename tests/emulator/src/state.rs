//! What the emulated AWS knows, per account and region.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::api::Preview;
use crate::partition::Partition;
use crate::registry::RegistryConfig;
pub use crate::registry::{Replication, Scan, Signing};

/// Seconds since 1970, in milliseconds' steps as AWS writes them.
pub(crate) fn now() -> f64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    (since.as_secs_f64() * 1000.0).floor() / 1000.0
}

/// The registry of one account in one region.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub(crate) repositories: BTreeMap<String, Repository>,
    /// Layer uploads that are under way, by upload id.
    pub(crate) uploads: BTreeMap<String, Upload>,
    /// The previews of lifecycle policies, by repository.
    pub(crate) previews: BTreeMap<String, Preview>,
    /// What is set for the whole registry.
    pub(crate) config: RegistryConfig,
}

/// A repository with everything about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Repository {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The account.
    pub registry_id: String,
    /// Where images are pushed to and pulled from.
    pub uri: String,
    /// When it was created, in seconds since 1970.
    pub created_at: f64,
    /// `MUTABLE`, `IMMUTABLE` or one of them `_WITH_EXCLUSION`.
    pub image_tag_mutability: String,
    /// The wildcards of the tags that are excluded from it.
    pub exclusion_filters: Vec<String>,
    /// Whether images are scanned when they are pushed.
    pub scan_on_push: bool,
    /// `AES256`, `KMS` or `KMS_DSSE`.
    pub encryption_type: String,
    /// The ARN of the KMS key, unless the type is `AES256`.
    pub kms_key: Option<String>,
    /// The tags of the repository.
    pub tags: BTreeMap<String, String>,
    /// The lifecycle policy as it is returned: compact, in the order of the priorities.
    pub lifecycle_policy: Option<String>,
    /// When the lifecycle policy was last evaluated, in seconds since 1970; 0 if never.
    pub lifecycle_evaluated_at: f64,
    /// The repository policy as it is returned: pretty-printed, principals normalised.
    pub policy: Option<String>,
    /// The images, by digest.
    pub images: BTreeMap<String, Image>,
    /// The layers (and configs), by digest.
    pub layers: BTreeMap<String, Arc<[u8]>>,
}

/// An image: a manifest and its tags.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// The digest of the manifest.
    pub digest: String,
    /// The tags, sorted.
    pub tags: Vec<String>,
    /// The manifest, byte by byte as it was pushed.
    pub manifest: String,
    /// The media type of the manifest.
    pub media_type: String,
    /// The media type of what the image holds (of its config, as a rule).
    pub artifact_media_type: Option<String>,
    /// The digest of the manifest that this one refers to.
    pub subject: Option<String>,
    /// The digests of the images that a manifest list holds.
    pub children: Vec<String>,
    /// The size in bytes.
    pub size: u64,
    /// When it was pushed, in seconds since 1970.
    pub pushed_at: f64,
    /// When it was last pulled.
    pub pulled_at: Option<f64>,
    /// Whether it is in the archive storage class.
    pub archived: bool,
    /// When it was last archived, in seconds since 1970.
    pub archived_at: Option<f64>,
    /// When it is or was last available again after it was restored from the archive.
    pub activated_at: Option<f64>,
    /// Its last scan.
    pub scan: Option<Scan>,
    /// How its signing went, by profile.
    pub signings: Vec<Signing>,
    /// How its replication went, by destination.
    pub replications: Vec<Replication>,
}

impl Image {
    /// `ACTIVE`, `ARCHIVED`, or `ACTIVATING` while it is restored from the archive.
    #[must_use]
    pub fn status(&self, now: f64) -> &'static str {
        match self.activated_at {
            _ if self.archived => "ARCHIVED",
            Some(at) if now < at => "ACTIVATING",
            _ => "ACTIVE",
        }
    }

    /// Its id as the API writes it, with the tag if there is one.
    pub(crate) fn id(&self, tag: &str) -> Value {
        let mut id = json!({ "imageDigest": self.digest });
        if let (false, Some(members)) = (tag.is_empty(), id.as_object_mut()) {
            members.insert("imageTag".to_owned(), json!(tag));
        }
        id
    }
}

/// A layer upload that is under way.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) repository: String,
    pub(crate) bytes: Vec<u8>,
    /// The sizes of the parts received so far.
    pub(crate) parts: Vec<usize>,
}

impl Repository {
    /// An empty one with AWS's defaults.
    pub(crate) fn new(account: &str, region: &str, name: &str, now: f64) -> Self {
        Self {
            name: name.to_owned(),
            arn: repository_arn(account, region, name),
            registry_id: account.to_owned(),
            uri: format!(
                "{account}.dkr.ecr.{region}.{}/{name}",
                Partition::of(region).domain
            ),
            created_at: now,
            image_tag_mutability: "MUTABLE".to_owned(),
            exclusion_filters: Vec::new(),
            scan_on_push: false,
            encryption_type: "AES256".to_owned(),
            kms_key: None,
            tags: BTreeMap::new(),
            lifecycle_policy: None,
            lifecycle_evaluated_at: 0.0,
            policy: None,
            images: BTreeMap::new(),
            layers: BTreeMap::new(),
        }
    }

    /// As the API writes it.
    pub(crate) fn to_json(&self) -> Value {
        let mut encryption = json!({ "encryptionType": self.encryption_type });
        if let (Some(key), Some(members)) = (&self.kms_key, encryption.as_object_mut()) {
            members.insert("kmsKey".to_owned(), json!(key));
        }
        let mut repository = json!({
            "repositoryArn": self.arn,
            "registryId": self.registry_id,
            "repositoryName": self.name,
            "repositoryUri": self.uri,
            "createdAt": self.created_at,
            "imageTagMutability": self.image_tag_mutability,
            "imageScanningConfiguration": { "scanOnPush": self.scan_on_push },
            "encryptionConfiguration": encryption,
        });
        if let Some(members) = repository.as_object_mut() {
            members.extend(self.exclusion_filters_json());
        }
        repository
    }

    /// The member with the exclusion filters; absent when there is none.
    pub(crate) fn exclusion_filters_json(&self) -> Option<(String, Value)> {
        let filters: Vec<Value> = self
            .exclusion_filters
            .iter()
            .map(|filter| json!({ "filterType": "WILDCARD", "filter": filter }))
            .collect();
        (!filters.is_empty()).then(|| {
            (
                "imageTagMutabilityExclusionFilters".to_owned(),
                json!(filters),
            )
        })
    }

    /// The image that carries a tag.
    pub(crate) fn image_tagged(&self, tag: &str) -> Option<&Image> {
        self.images
            .values()
            .find(|image| image.tags.iter().any(|own| own == tag))
    }
}

/// The ARN of a repository.
pub(crate) fn repository_arn(account: &str, region: &str, name: &str) -> String {
    let partition = Partition::of(region).id;
    format!("arn:{partition}:ecr:{region}:{account}:repository/{name}")
}

/// An identifier in the form of a UUID, the same for the same seed: AWS's are random, ours are
/// made so that a test run can be repeated.
pub(crate) fn uuid(seed: &str) -> String {
    let hash = sha256_hex(seed.as_bytes());
    let mut groups = Vec::new();
    let mut rest = hash.as_str();
    for length in [8, 4, 4, 4, 12] {
        let (group, tail) = rest.split_at_checked(length).unwrap_or((rest, ""));
        groups.push(group);
        rest = tail;
    }
    groups.join("-")
}

/// The SHA-256 of some bytes, in hexadecimal.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    use sha2::{Digest as _, Sha256};
    hex(&Sha256::digest(bytes))
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let room = String::with_capacity(2 * bytes.len());
    bytes.iter().fold(room, |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
