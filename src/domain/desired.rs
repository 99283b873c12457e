//! What an object asks for, parsed once. Nothing after this reads the custom resource's spec.
//!
//! Aspects are parsed by themselves: one that ECR would never take does not stop the others.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    class::Keep,
    digest::digest,
    identity::{Identity, Owner, Registry, RepositoryName},
    lifecycle::{self, Lifecycle},
    observed::Tags,
    policy::{self, Document},
    reason::Reason,
    setting::Setting,
};
use crate::api::{
    Adoption as AdoptionSpec, AdoptionPolicy, Aspect, DeletionPolicy, ECRRepositorySpec,
    EncryptionConfiguration, ManagementPolicy, RESERVED_TAG_PREFIX,
};

/// AWS's words, for those who speak to AWS and do not know the custom resource.
pub use crate::api::{EncryptionType, ImageTagMutability};

/// Something that is not sent to AWS, and what to do about it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The reason that conditions carry.
    pub reason: Reason,
    /// What is wrong, then what to do.
    pub message: String,
}

impl Refusal {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "it stands in map_err, which gives the error away"
    )]
    fn invalid(message: impl ToString) -> Self {
        Self {
            reason: Reason::InvalidSpec,
            message: message.to_string(),
        }
    }
}

/// What is asked of one aspect, or why it can't be.
pub type Wanted<T> = Result<Setting<T>, Refusal>;

/// Tag mutability with its exclusion filters, which count as a set.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Mutability {
    /// AWS's word.
    pub mode: ImageTagMutability,
    /// Wildcard patterns of the tags that are excepted; some exactly where the mode has exclusions.
    pub exclusions: BTreeSet<String>,
}

/// How images are encrypted at rest.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Encryption {
    /// AWS's word.
    pub kind: EncryptionType,
    /// The KMS key: ARN, id or alias as the user wrote it, or the ARN that ECR reports.
    pub key: Option<String>,
}

impl Encryption {
    /// Whether ECR holds something else. ECR reports the ARN of a key that may have been given as an
    /// alias, and which key that stands for is not known here.
    #[must_use]
    pub fn contradicts(&self, held: &Self) -> bool {
        let other_key = match (&self.key, &held.key) {
            (Some(key), Some(held)) => !may_be(key, held),
            (None, _) | (Some(_), None) => false,
        };
        self.kind != held.kind || other_key
    }
}

/// Whether a key as it was written may be the one with this ARN: it is that ARN or the id in which it
/// ends, or it is an alias.
fn may_be(key: &str, arn: &str) -> bool {
    let is_arn = key.starts_with("arn:");
    if is_arn && key.contains(":key/") {
        return key == arn;
    }
    if is_arn || key.starts_with("alias/") {
        return true;
    }
    let id = arn.rsplit_once(":key/").map(|(_, id)| id);
    id.is_none_or(|id| id.eq_ignore_ascii_case(key))
}

/// Whom a repository that exists already may be taken from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Adoption {
    /// Nobody.
    Never,
    /// Nobody: it must have no owner, or a dead one of our own cluster.
    IfUnowned,
    /// This owner.
    TakeOver(Owner),
}

/// All that an object asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// The object itself, as the owner tag names it.
    pub owner: Owner,
    /// The place in AWS that it stands for.
    pub identity: Identity,
    /// Tag mutability.
    pub mutability: Wanted<Mutability>,
    /// Scanning.
    pub scan_on_push: Wanted<bool>,
    /// Encryption, at creation.
    pub encryption: Option<Encryption>,
    /// The lifecycle policy.
    pub lifecycle: Wanted<Lifecycle>,
    /// The repository policy, access included.
    pub policy: Wanted<Document>,
    /// The statements of others that stay in it.
    pub keep: Keep,
    /// The tags that are named.
    pub tags: Result<Tags, Refusal>,
    /// Those of them that the class enforces: they hold also where the others are refused, and come
    /// before them where ECR has no room for all.
    pub enforced_tags: Tags,
    /// The keys of those that the object names by itself.
    pub own_tag_keys: BTreeSet<String>,
    /// What to do with a repository that exists already.
    pub adoption: Adoption,
    /// Whether AWS is written to.
    pub management: ManagementPolicy,
    /// What becomes of the repository with the object.
    pub deletion: DeletionPolicy,
}

impl Desired {
    /// Equal where the same plan comes of the same repository.
    #[must_use]
    pub fn digest(&self) -> String {
        let refusals: Vec<_> = self.refusals().collect();
        let asked = (&self.encryption, &self.adoption, refusals);
        digest("desired", &format!("{:?} {asked:?}", self.hashes()))
    }

    /// Parses what `owner` asks for in `registry`.
    ///
    /// # Errors
    /// Where the object as a whole can't be acted on. What an aspect lacks stands in the aspect.
    pub fn parse(
        owner: Owner,
        registry: Registry,
        spec: &ECRRepositorySpec,
    ) -> Result<Self, Refusal> {
        let name = repository_name(&owner, spec)?;
        Ok(Self {
            mutability: mutability(spec),
            scan_on_push: scan_on_push(spec),
            encryption: spec
                .encryption_configuration
                .as_ref()
                .map(encryption)
                .transpose()?,
            lifecycle: lifecycle::wanted(spec.lifecycle_policy.as_ref()).map_err(Refusal::invalid),
            policy: policy::with_access(
                spec.repository_policy.as_ref().map(|policy| &policy.0),
                spec.access.as_ref(),
                &registry.id,
            )
            .map_err(Refusal::invalid),
            keep: Keep::of(spec.keep_statements.as_deref()),
            tags: tags(spec.tags.as_ref()),
            enforced_tags: Tags::new(),
            own_tag_keys: BTreeSet::new(),
            adoption: adoption(spec.adoption.as_ref())?,
            management: spec.management_policy.unwrap_or_default(),
            deletion: spec.deletion_policy.unwrap_or_default(),
            identity: Identity { registry, name },
            owner,
        })
    }

    /// A digest of what is asked of each aspect that is ours. Tags have none: they go by key.
    #[must_use]
    pub fn hashes(&self) -> BTreeMap<Aspect, String> {
        [
            (
                Aspect::ImageTagMutability,
                hash(&self.mutability, |m| digest("mutability", &m.to_string())),
            ),
            (
                Aspect::ImageScanningConfiguration,
                hash(&self.scan_on_push, |scan| {
                    digest("scanning", &scan.to_string())
                }),
            ),
            (
                Aspect::LifecyclePolicy,
                hash(&self.lifecycle, Lifecycle::hash),
            ),
            (
                Aspect::RepositoryPolicy,
                hash(&self.policy, Document::hash).map(|policy| self.keep.hash(policy)),
            ),
            (
                Aspect::Tags,
                self.tags
                    .as_ref()
                    .ok()
                    .filter(|t| !t.is_empty())
                    .map(|t| digest("tags", &format!("{t:?}"))),
            ),
        ]
        .into_iter()
        .filter_map(|(aspect, hash)| Some((aspect, hash?)))
        .collect()
    }

    /// The refusals of single aspects.
    pub fn refusals(&self) -> impl Iterator<Item = (Aspect, &Refusal)> {
        [
            (Aspect::ImageTagMutability, self.mutability.as_ref().err()),
            (
                Aspect::ImageScanningConfiguration,
                self.scan_on_push.as_ref().err(),
            ),
            (Aspect::LifecyclePolicy, self.lifecycle.as_ref().err()),
            (Aspect::RepositoryPolicy, self.policy.as_ref().err()),
            (Aspect::Tags, self.tags.as_ref().err()),
        ]
        .into_iter()
        .filter_map(|(aspect, refusal)| Some((aspect, refusal?)))
    }
}

fn hash<T>(wanted: &Wanted<T>, of: impl FnOnce(&T) -> String) -> Option<String> {
    match wanted.as_ref().ok()? {
        Setting::Unmanaged => None,
        Setting::Absent => Some("none".to_owned()),
        Setting::Present(value) => Some(of(value)),
    }
}

fn repository_name(owner: &Owner, spec: &ECRRepositorySpec) -> Result<RepositoryName, Refusal> {
    let name = match &spec.repository_name {
        Some(name) => name.clone(),
        None => format!("{}/{}", owner.namespace, owner.name),
    };
    RepositoryName::parse(&name)
        .map_err(|why| Refusal::invalid(format!("spec.repositoryName is no name in ECR — {why}")))
}

fn mutability(spec: &ECRRepositorySpec) -> Wanted<Mutability> {
    let filters = spec
        .image_tag_mutability_exclusion_filters
        .as_deref()
        .unwrap_or_default();
    let exclusions: BTreeSet<_> = filters.iter().map(|f| f.filter.clone()).collect();
    match spec.image_tag_mutability {
        None if exclusions.is_empty() => Ok(Setting::Unmanaged),
        Some(mode) if mode.has_exclusions() != exclusions.is_empty() => {
            Ok(Setting::Present(Mutability { mode, exclusions }))
        }
        Some(_) if exclusions.is_empty() => Err(Refusal::invalid(
            "spec.imageTagMutability has exclusions and no filters — add 1 to 5 to \
             spec.imageTagMutabilityExclusionFilters, or set it to MUTABLE or IMMUTABLE",
        )),
        None | Some(_) => Err(Refusal::invalid(
            "spec.imageTagMutabilityExclusionFilters need a mode with exclusions — set \
             spec.imageTagMutability to MUTABLE_WITH_EXCLUSION or IMMUTABLE_WITH_EXCLUSION, or remove \
             them",
        )),
    }
}

/// What says nothing may be what is left of a key that was misspelt: it does not switch scanning off.
fn scan_on_push(spec: &ECRRepositorySpec) -> Wanted<bool> {
    let Some(scanning) = &spec.image_scanning_configuration else {
        return Ok(Setting::Unmanaged);
    };
    let scan = scanning.scan_on_push.map(Setting::Present);
    scan.ok_or_else(|| {
        Refusal::invalid(
            "spec.imageScanningConfiguration does not say scanOnPush — write \
             `imageScanningConfiguration: {scanOnPush: true}`, or false for no scan on push",
        )
    })
}

fn encryption(spec: &EncryptionConfiguration) -> Result<Encryption, Refusal> {
    match (spec.encryption_type, &spec.kms_key) {
        (EncryptionType::Aes256, Some(_)) => Err(Refusal::invalid(
            "spec.encryptionConfiguration has encryptionType AES256, which takes no key — remove \
             kmsKey, or set encryptionType to KMS or KMS_DSSE",
        )),
        (_, Some(key)) if !is_kms_key(key) => Err(Refusal::invalid(
            "spec.encryptionConfiguration.kmsKey names no key of AWS KMS — write the ARN of a key or an \
             alias (arn:aws:kms:REGION:ACCOUNT:key/ID), a key's id, or alias/NAME",
        )),
        (kind, key) => Ok(Encryption {
            kind,
            key: key.clone(),
        }),
    }
}

/// Whether this is what KMS takes for a key: the ARN of a key or an alias, to the letter, a key's id, or
/// an alias's name (AWS KMS API Reference, `DescribeKey`).
#[must_use]
pub(super) fn is_kms_key(text: &str) -> bool {
    let of = |text: &str, more: &str| {
        let legal = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
        !text.is_empty() && text.chars().all(legal)
    };
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    match parts.as_slice() {
        [id] => match id.strip_prefix("alias/") {
            Some(name) => of(name, "/_-"),
            None => of(id, "-"),
        },
        ["arn", partition, "kms", region, account, resource] => {
            let name = resource.split_once('/');
            let named =
                name.is_some_and(|(kind, name)| matches!(kind, "key" | "alias") && of(name, "/_-"));
            let digits = account.len() == 12 && account.bytes().all(|it| it.is_ascii_digit());
            partition.starts_with("aws") && of(partition, "-") && of(region, "-") && digits && named
        }
        _ => false,
    }
}

/// Whether a tag key is AWS's or the operator's, and so never a user's to name or to remove.
#[must_use]
pub fn is_reserved(key: &str) -> bool {
    // Tag keys that start with aws: in any case are AWS's (AWS General Reference, "Tag naming
    // limits and requirements"). IAM ignores the case of the tag keys in its condition keys, so that
    // one like ours in another case could make what it decides ambiguous.
    ["aws:", RESERVED_TAG_PREFIX].iter().any(|reserved| {
        let start = key.get(..reserved.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(reserved))
    })
}

/// ECR takes 50 tags a resource (Amazon ECR User Guide, "Tagging a private repository"); two are
/// the operator's own.
const MOST_TAGS: usize = 48;

fn tags(spec: Option<&Tags>) -> Result<Tags, Refusal> {
    let tags = spec.cloned().unwrap_or_default();
    if let Some(key) = tags.keys().find(|key| is_reserved(key)) {
        return Err(Refusal::invalid(format!(
            "The tag {key:?} begins with aws: or {RESERVED_TAG_PREFIX}, which are reserved — rename it"
        )));
    }
    if tags.len() > MOST_TAGS {
        return Err(Refusal::invalid(format!(
            "There are {} tags, and ECR takes 50, of which two are the operator's — remove some until \
             {MOST_TAGS} are left",
            tags.len()
        )));
    }
    Ok(tags)
}

fn adoption(spec: Option<&AdoptionSpec>) -> Result<Adoption, Refusal> {
    let Some(AdoptionSpec { policy, from }) = spec else {
        return Ok(Adoption::Never);
    };
    let owner = from.as_deref().map(|from| {
        Owner::parse(from).ok_or_else(|| {
            Refusal::invalid(
                "spec.adoption.from names no owner — write it as <cluster>/<namespace>/<name>",
            )
        })
    });
    match (policy, owner.transpose()?) {
        (AdoptionPolicy::Never, None) => Ok(Adoption::Never),
        (AdoptionPolicy::IfUnowned, None) => Ok(Adoption::IfUnowned),
        (AdoptionPolicy::TakeOver, Some(from)) => Ok(Adoption::TakeOver(from)),
        (AdoptionPolicy::TakeOver, None) => Err(Refusal::invalid(
            "spec.adoption has policy TakeOver and no owner — set spec.adoption.from to the one that is \
             replaced, <cluster>/<namespace>/<name>",
        )),
        (AdoptionPolicy::Never | AdoptionPolicy::IfUnowned, Some(_)) => Err(Refusal::invalid(
            "spec.adoption.from goes with policy TakeOver alone, which replaces an owner — remove it, or \
             set that policy",
        )),
    }
}
