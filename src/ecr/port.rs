//! ECR, as the operator needs it. Each method is one call of AWS's API but where it pages.

use std::{collections::BTreeSet, future::Future, sync::Arc};

use tokio::time::Instant;

use super::{pacing::Turn, proof::Proof, snapshot::Snapshot};
use crate::domain::{
    action::Action,
    answer::Answer,
    failure::Failure,
    identity::{Identity, Owner, Registry},
    lifecycle::Lifecycle,
    observed::{Described, Reading, Tags},
    policy::Document,
    turns::Errand,
};

/// How many images a repository holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ImageCount {
    /// Exactly so many.
    Exactly(usize),
    /// More than so many: nobody counted on.
    MoreThan(usize),
}

impl std::fmt::Display for ImageCount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exactly(1) => f.write_str("1 image"),
            Self::Exactly(n) => write!(f, "{n} images"),
            Self::MoreThan(n) => write!(f, "more than {n} images"),
        }
    }
}

/// How the preview of a lifecycle policy stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Preview {
    /// There is none, or it has expired or failed.
    None,
    /// ECR is at it.
    Running,
    /// What the policy would do to the images that are there.
    Done {
        /// The policy that was previewed.
        policy: Lifecycle,
        /// How many images it would delete.
        expiring: u64,
        /// How many images it would archive.
        archiving: u64,
    },
}

/// The tags of a repository.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tagged {
    /// What they are.
    pub tags: Tags,
    /// When they were asked for: they may have changed since.
    pub read: Instant,
}

/// What came of a sweep.
#[derive(Debug)]
pub struct Swept {
    /// The repositories that are to be looked at.
    pub news: BTreeSet<String>,
    /// Whose the repositories are that objects ask for, by the tag of each.
    pub owned: Vec<(String, Owner)>,
    /// How it ended.
    pub outcome: Result<(), Failure>,
}

/// ECR. Every method fails with what is to be done about it.
pub trait Ecr: Send + Sync + 'static {
    /// The same, with its calls made on somebody's behalf: that decides when their turn is.
    fn on_errand(&self, errand: Errand) -> Arc<Self>;

    /// The account that the credentials belong to, and the region.
    fn registry(&self) -> impl Future<Output = Result<Registry, Failure>> + Send;

    /// The same, asked anew: credentials may have gone bad since.
    fn confirm_registry(&self) -> impl Future<Output = Result<Registry, Failure>> + Send;

    /// `DescribeRepositories` of one name; `None` where there is none.
    fn describe(
        &self,
        at: &Identity,
    ) -> impl Future<Output = Result<Option<Described>, Failure>> + Send;

    /// `DescribeRepositories` of a name that is known to exist: look-ups at the same time share a call.
    fn describe_known(
        &self,
        at: &Identity,
    ) -> impl Future<Output = Result<Option<Described>, Failure>> + Send;

    /// `ListTagsForResource`: the proof of ownership; `None` where there is no repository.
    fn tags(&self, at: &Identity) -> impl Future<Output = Result<Option<Tagged>, Failure>> + Send;

    /// `GetLifecyclePolicy`.
    fn lifecycle(
        &self,
        at: &Identity,
    ) -> impl Future<Output = Result<Reading<Lifecycle>, Failure>> + Send;

    /// `GetRepositoryPolicy`.
    fn policy(
        &self,
        at: &Identity,
    ) -> impl Future<Output = Result<Reading<Document>, Failure>> + Send;

    /// `StartLifecyclePolicyPreview`. Whether it was begun: one that runs already goes on.
    fn start_preview(
        &self,
        at: &Identity,
        policy: &Lifecycle,
    ) -> impl Future<Output = Result<bool, Failure>> + Send;

    /// `GetLifecyclePolicyPreview`, its summary.
    fn preview(&self, at: &Identity) -> impl Future<Output = Result<Preview, Failure>> + Send;

    /// `DescribeImages`, one page.
    fn count_images(
        &self,
        at: &Identity,
    ) -> impl Future<Output = Result<ImageCount, Failure>> + Send;

    /// `DescribeRepositories` of a whole registry, page by page: the names.
    fn names(
        &self,
        registry: &Registry,
    ) -> impl Future<Output = Result<BTreeSet<String>, Failure>> + Send;

    /// What sweeps have seen; the same for all who see the same.
    fn snapshot(&self) -> Arc<Snapshot>;

    /// Sweeps a registry on behalf of objects that are bound there to these names.
    fn sweep(
        &self,
        registry: &Registry,
        bound: &BTreeSet<String>,
    ) -> impl Future<Output = Swept> + Send;

    /// Waits for the turn of a write. What permits it is read after that.
    fn turn(&self, at: &Identity, action: &Action) -> impl Future<Output = Turn> + Send;

    /// One write. What is to be removed and is gone already counts as removed. Nothing is sent by a proof
    /// that is none of what the write needs, or no longer serves.
    fn write(
        &self,
        at: &Identity,
        action: &Action,
        turn: Turn,
        proof: &Proof,
    ) -> impl Future<Output = Result<Answer, Failure>> + Send;
}
