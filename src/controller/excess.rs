//! What is left of an object that is too large: enough to hold it by. Its class counts it and what that enforces
//! holds, its status says what is wrong, and it can be deleted: nobody gets away by being large.

use serde::Serialize;
use tokio::sync::SemaphorePermit;

use super::{context::Context, pass::Pass};
use crate::{
    api::{ECRRepositorySpec, ECRRepositoryStatus},
    domain::{desired::Refusal, reason::Reason},
    ecr::Clients,
};

/// How much is kept of one spec, in bytes as it is kept. There may be thousands, whose authors need not mean well.
pub(super) const LARGEST_SPEC: usize = 64 * 1024;

/// The same of one status. What the operator writes is a small part of it.
pub(super) const LARGEST_STATUS: usize = 32 * 1024;

/// The longest list or map of those that are left, as JSON. What AWS takes of tags is less.
const LONGEST: usize = 24 * 1024;

/// How many answers with a large object are taken up at once: the text of one has up to 1.5 MB.
pub(super) const AT_ONCE: usize = 4;

/// What of an object is not read, because it is too large.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Excess {
    /// Why not all of its spec is.
    pub(super) spec: Option<&'static str>,
    /// Whether not all of its status is.
    pub(super) status: bool,
}

/// A spec that has no room before it is kept.
pub(super) const LONG_SPEC: &str = "Shorten the policies of spec: it is more than 128 KiB or 1,024 maps of JSON, and \
     AWS takes 10,240 characters of a repository policy and 30,720 of a lifecycle policy";

/// A spec that has none where it is kept.
pub(super) const LARGE_SPEC: &str = "Shorten the policies of spec: it is more than 64 KiB, compressed, and AWS takes \
     10,240 characters of a repository policy and 30,720 of a lifecycle policy";

impl Excess {
    /// Whether there is any.
    pub(super) fn is_any(self) -> bool {
        self != Self::default()
    }
}

/// What is left of a spec.
pub(super) fn of_spec(spec: ECRRepositorySpec) -> ECRRepositorySpec {
    ECRRepositorySpec {
        class_name: spec.class_name,
        repository_name: spec.repository_name,
        deletion_policy: spec.deletion_policy,
        management_policy: spec.management_policy,
        suspend: spec.suspend,
        tags: spec.tags.filter(is_short),
        ..ECRRepositorySpec::default()
    }
}

/// What is left of a status: what people are told is told anew.
pub(super) fn of_status(status: ECRRepositoryStatus) -> ECRRepositoryStatus {
    let short = |keys: &Vec<String>| is_short(keys);
    ECRRepositoryStatus {
        conditions: Vec::new(),
        effective: Vec::new(),
        pending: Vec::new(),
        tag_keys: Some(status.tag_keys).filter(short).unwrap_or_default(),
        applied: Some(status.applied).filter(is_short).unwrap_or_default(),
        working_memory: Some(status.working_memory)
            .filter(is_short)
            .unwrap_or_default(),
        ..status
    }
}

fn is_short(it: &impl Serialize) -> bool {
    serde_json::to_vec(it).is_ok_and(|text| text.len() <= LONGEST)
}

impl<C> Context<C> {
    /// Waits until there is room for an answer that holds an object.
    pub(super) async fn room(&self, is_large: bool) -> Option<SemaphorePermit<'_>> {
        if !is_large {
            return None;
        }
        // Nobody closes it.
        self.large_answers.acquire().await.ok()
    }
}

impl<C: Clients> Pass<'_, C> {
    /// Why nothing is done of what the object asks for, where it is too large to be read.
    pub(super) fn too_large(&self) -> Option<Refusal> {
        Some(Refusal {
            reason: Reason::TooLarge,
            message: format!(
                "{} — until then only what its class enforces is carried out",
                self.excess?
            ),
        })
    }
}
