//! Repositories that vanished: one is re-created, many at once wait for a person.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;

use super::pass::Pass;
use crate::{
    api::{APPROVE_RECREATE_ANNOTATION, Loss},
    domain::{
        identity::Registry, loss::is_suspicious, reason::Reason, retry::Slot, status::Problem,
    },
    ecr::Ecr,
};

impl<E: Ecr> Pass<'_, E> {
    /// Whether the repository, which was ours and is not there, may be created anew. The pass's
    /// problems tell why not.
    pub(super) async fn may_recreate(&mut self, registry: &Registry) -> bool {
        let loss = self.note_loss();
        let names = match self.ctx.sweeps.names(&self.ctx.ecr, registry).await {
            Ok(names) => names,
            Err(failure) => {
                self.failed(Slot::Look, "", "DescribeRepositories", failure);
                return false;
            }
        };
        let expected = self.ctx.bound_names(registry);
        let gone = expected.difference(&names).count();
        let approved = self.object.annotations().get(APPROVE_RECREATE_ANNOTATION) == Some(&loss.at);
        if approved || !is_suspicious(gone, expected.len()) {
            return true;
        }
        self.problems.push(many_lost(&loss, gone, expected.len()));
        false
    }

    /// Status keeps the first sight of a loss: its time is what a person approves.
    fn note_loss(&mut self) -> Loss {
        let previous_created_at = self.before.created_at.clone();
        let noted = self.before.last_loss.clone();
        let noted = noted.filter(|noted| noted.previous_created_at == previous_created_at);
        let at = || Timestamp::now().to_string();
        let loss = noted.unwrap_or_else(|| Loss {
            at: at(),
            previous_created_at,
        });
        self.status.last_loss = Some(loss.clone());
        loss
    }
}

fn many_lost(loss: &Loss, gone: usize, expected: usize) -> Problem {
    let message = format!(
        "Check that the operator sees the right account; then annotate this object with \
         {APPROVE_RECREATE_ANNOTATION}={} to re-create its repository, without its images: {gone} \
         of {expected} repositories are gone at once",
        loss.at,
    );
    Problem {
        aspect: None,
        action: "CreateRepository",
        reason: Reason::ManyRepositoriesLost,
        message,
        stalled: true,
    }
}
