//! Repositories that vanished: one is re-created, many at once wait for a person.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;

use super::pass::Pass;
use crate::{
    api::{APPROVE_RECREATE_ANNOTATION, Loss},
    domain::{
        event,
        failure::Failure,
        identity::Identity,
        loss::Lost,
        observed::Described,
        reason::Reason,
        status::{Problem, is_lost},
    },
    ecr::{Clients, Ecr},
};

impl<C: Clients> Pass<'_, C> {
    /// Whether the repository, which was ours and was not found, may be created anew. Where it may
    /// not, the pass's problems tell why. Fails where it can't be told that it is gone; a loss is
    /// noted only once that is certain.
    pub(super) async fn may_recreate(&mut self, at: &Identity) -> Result<bool, Failure> {
        self.awaits_owners(at)?;
        let roll = self.ctx.roll(&self.aws, at).await?;
        if roll.names.contains(at.name.as_str()) {
            return Err(Failure::unsettled(
                "DescribeRepositories lists the repository and does not find it by its name",
            ));
        }
        let loss = self.note_loss();
        let namespace = self.object.namespace().unwrap_or_default();
        let missing = roll.losses.of(&namespace);
        if self.approves(&loss) || !missing.is_suspicious() {
            return Ok(true);
        }
        self.problems.push(many_lost(&loss, missing));
        Ok(false)
    }

    /// A process that has just begun has seen nothing yet. The first sweep shows what is there.
    fn awaits_owners(&mut self, at: &Identity) -> Result<(), Failure> {
        if !self.ctx.owned.is_empty(&at.registry) || !self.aws.snapshot().is_untried() {
            return Ok(());
        }
        self.hurries_first_sweep(at.name.as_str());
        Err(Failure::unsettled(
            "the first look at the whole registry has not come to its end",
        ))
    }

    /// Whether a person lets it come back: on the object by the very time of its loss, on the class by a
    /// time up to which all losses of its objects are approved.
    fn approves(&self, loss: &Loss) -> bool {
        let on_object = self.object.annotations().get(APPROVE_RECREATE_ANNOTATION);
        let time = |text: &str| text.parse::<Timestamp>().ok();
        let on_class = self.class_approval.as_deref().and_then(time);
        on_object == Some(&loss.at)
            || on_class.is_some_and(|until| {
                // A time to come would approve what nobody has seen.
                until <= Timestamp::now() && time(&loss.at).is_some_and(|at| at <= until)
            })
    }

    /// Whether the repository that is there is a later one than the object had, as far as status says.
    pub(super) fn is_replaced(&self, described: &Described) -> bool {
        let time = |text: &str| text.parse::<Timestamp>().ok();
        let had = self.before.created_at.as_deref().and_then(time);
        let there = time(&described.created_at);
        // A read that lags behind shows an earlier one.
        had.zip(there).is_some_and(|(had, there)| had < there)
    }

    /// Notes that the object's repository was deleted outside and another made: nothing of what was in force
    /// there is. Where that is not the object's, it is told now, and otherwise with what is made of it.
    pub(super) fn note_replaced(&mut self, is_ours: bool) {
        let is_news = !is_lost(&self.before);
        self.note_loss();
        self.status.working_memory.applied.clear();
        if is_news && !is_ours {
            self.news.push(event::replaced());
        }
    }

    /// Status keeps the first sight of a loss: its time is what a person approves.
    fn note_loss(&mut self) -> Loss {
        let before = &self.before;
        let noted = before.last_loss.clone().filter(|_| is_lost(before));
        let loss = noted.unwrap_or_else(|| Loss {
            at: Timestamp::now().to_string(),
            previous_created_at: before.created_at.clone(),
        });
        self.status.last_loss = Some(loss.clone());
        loss
    }
}

fn many_lost(loss: &Loss, missing: Lost) -> Problem {
    let Lost {
        gone,
        expected,
        proved,
    } = missing;
    let seen = if proved == 0 {
        ", and none was found since the operator began to look"
    } else {
        ""
    };
    let message = format!(
        "{gone} of {expected} repositories are gone at once{seen}: more often a wrong account than \
         deletions — check that the operator sees the right account; then annotate this object with \
         {APPROVE_RECREATE_ANNOTATION}={} to re-create its repository, without its images (on its class, that \
         of all of them)",
        loss.at,
    );
    Problem::for_a_person("CreateRepository", Reason::ManyRepositoriesLost, message)
}
