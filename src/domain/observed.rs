//! What ECR holds of one repository, as far as it was read.

use std::collections::BTreeMap;

use super::{
    desired::{Encryption, Mutability},
    digest::digest,
    lifecycle::Lifecycle,
    policy::Document,
};

use crate::api::OWNER_TAG;

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

/// What one read of a document said.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Reading<T> {
    /// It was not read in this pass: nothing is known and nothing may be concluded.
    #[default]
    NotRead,
    /// ECR holds none.
    Absent,
    /// ECR holds this one.
    Stored(T),
}

/// What `DescribeRepositories` says of a repository.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Described {
    /// What `docker pull` and `docker push` take, without a tag.
    pub uri: String,
    /// When it was created, in RFC 3339.
    pub created_at: String,
    /// Tag mutability with its exclusion filters; `None` where AWS has a word that we don't know.
    pub mutability: Option<Mutability>,
    /// Whether images are scanned when pushed.
    pub scan_on_push: bool,
    /// How images are encrypted; `None` where AWS has a word that we don't know.
    pub encryption: Option<Encryption>,
}

/// A digest of a repository, as a sweep shows it: the tags of one without an owner are not listed there.
#[must_use]
pub fn held(found: Option<(&Described, &Tags)>) -> String {
    let seen = found.map(|(described, tags)| {
        let listed = tags.contains_key(OWNER_TAG).then_some(tags);
        (described, listed)
    });
    digest("held", &format!("{seen:?}"))
}

/// One repository, as far as it was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Observed {
    /// Its settings.
    pub described: Described,
    /// All its tags, ours among them.
    pub tags: Tags,
    /// Its lifecycle policy.
    pub lifecycle: Reading<Lifecycle>,
    /// Its repository policy.
    pub policy: Reading<Document>,
}
