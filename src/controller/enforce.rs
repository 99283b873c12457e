//! The way of an object that lives: bind, look, judge, plan, execute, say.

use std::{collections::BTreeSet, time::Duration};

use k8s_openapi::jiff::Timestamp;

use super::{
    documents::write_of, error::Error, execute::Executed, kubernetes::look_up, pass::Pass,
};
use crate::{
    api::{APPROVE_RECREATE_ANNOTATION, Aspect, CLUSTER_UID_TAG, Loss, ManagementPolicy},
    domain::{
        action::Action,
        desired::{Desired, is_reserved},
        event::Done,
        failure::{Class, Failure},
        identity::{Bound, Identity, bind},
        loss::is_suspicious,
        observed::{Described, Observed, Reading, Tags},
        ownership::{Conflict, OwnerObject, Rights, judge},
        plan::{Plan, Step, plan, plan_creation},
        reason::Reason,
        retry::Slot,
        status::{Problem, Standing, binding, record_applied, record_binding, record_repository},
    },
    ecr::Ecr,
};

/// How long an adoption waits before it reads its own tag back: longer than any call of another
/// adopter that read before us may still be under way (design, rule 5).
const ADOPTION_WAIT: Duration = Duration::from_secs(12);

/// What ECR holds, and whose it is.
type Found = Option<(Described, Tags)>;

/// One pass over an object that lives.
pub(super) async fn run<E: Ecr>(pass: &mut Pass<'_, E>) -> Result<Duration, Error> {
    let wanted = pass.wants_finalizer();
    if pass.object.spec.suspend == Some(true) {
        pass.finalizer(wanted).await?;
        return suspended(pass).await;
    }
    let registry = match pass.ctx.ecr.registry().await {
        Ok(registry) => registry,
        Err(failure) => return pass.unread("GetCallerIdentity", failure).await,
    };
    let desired = match pass.desired(registry) {
        Ok(desired) => desired,
        Err(refusal) => {
            pass.refused(None, "CreateRepository", refusal);
            return finish(pass).await;
        }
    };
    pass.finalizer(wanted).await?;
    if !bound(pass, &desired).await? {
        return finish(pass).await;
    }
    converge(pass, &desired).await
}

/// Ends a pass by its problems.
async fn finish<E: Ecr>(pass: &mut Pass<'_, E>) -> Result<Duration, Error> {
    let problems = std::mem::take(&mut pass.problems);
    pass.conclude(Standing::Enforced(problems)).await
}

async fn suspended<E: Ecr>(pass: &mut Pass<'_, E>) -> Result<Duration, Error> {
    let bound = binding(&pass.before).filter(|binding| binding.established);
    let desired = bound.and_then(|bound| pass.desired(bound.identity.registry).ok());
    let applied = pass.applied();
    let in_force = desired.is_some_and(|desired| {
        desired.refusals().next().is_none()
            && desired
                .hashes()
                .iter()
                .all(|(aspect, hash)| applied.get(aspect) == Some(hash))
    });
    let undone = !in_force || !pass.before.pending.is_empty();
    pass.conclude(Standing::Suspended { undone }).await
}

/// Binds the object to its place, or says why it can't be. False: there is nothing more to do.
async fn bound<E: Ecr>(pass: &mut Pass<'_, E>, desired: &Desired) -> Result<bool, Error> {
    let problem = match bind(desired.identity.clone(), binding(&pass.before).as_ref()) {
        Bound::Unbound(_) | Bound::Holds(_) => None,
        Bound::Changed { bound, derived } => Some(identity_changed(&bound, &derived)),
        Bound::Corrected { old, new } => {
            // Only a read can tell that nothing of ours is left behind under the old name.
            let found = match pass.ctx.ecr.tags(&old).await {
                Ok(found) => found,
                Err(failure) => {
                    pass.failed(Slot::Look, "", "ListTagsForResource", failure);
                    return Ok(false);
                }
            };
            let is_ours = found.is_some_and(|tags| {
                let claim = pass.claim(&desired.owner, &desired.adoption);
                matches!(
                    judge(&tags, &claim, OwnerObject::Alive),
                    Rights::Ours { .. }
                )
            });
            is_ours.then(|| identity_changed(&old, &new))
        }
    };
    if let Some(problem) = problem {
        pass.problems.push(problem);
        return Ok(false);
    }
    record_binding(&mut pass.status, &desired.identity);
    Ok(true)
}

fn identity_changed(bound: &Identity, derived: &Identity) -> Problem {
    Problem {
        aspect: None,
        action: "CreateRepository",
        reason: Reason::IdentityChanged,
        message: format!(
            "Set spec.repositoryName and the operator's account and region back, or make a new \
             object: this one is bound to {bound} and now leads to {derived}; nothing is written"
        ),
        stalled: true,
    }
}

/// Makes ECR match, once it is clear which repository it is about.
async fn converge<E: Ecr>(pass: &mut Pass<'_, E>, desired: &Desired) -> Result<Duration, Error> {
    if looks_first(pass, desired) {
        let found = match look(pass, &desired.identity).await {
            Ok(found) => found,
            Err(failure) => return pass.unread("DescribeRepositories", failure).await,
        };
        if let Some(found) = found {
            return manage(pass, desired, found).await;
        }
        if !may_recreate(pass, desired).await? {
            return finish(pass).await;
        }
    }
    create(pass, desired).await
}

/// A new object creates first and reads only if the repository exists: one call instead of three.
fn looks_first<E: Ecr>(pass: &Pass<'_, E>, desired: &Desired) -> bool {
    let known = binding(&pass.before).is_some_and(|binding| binding.established);
    let contested = pass.before.conditions.iter().any(|condition| {
        matches!(condition.type_.as_str(), "Stalled" | "Reconciling")
            && [
                Conflict::AlreadyExists,
                Conflict::OtherOwner,
                Conflict::TwoClusters,
            ]
            .map(Conflict::reason)
            .into_iter()
            .chain([Reason::Adopting])
            .any(|reason| condition.reason == reason.as_str())
    });
    known || contested || desired.management == ManagementPolicy::Observe
}

async fn look<E: Ecr>(pass: &mut Pass<'_, E>, at: &Identity) -> Result<Found, Failure> {
    let ecr = &pass.ctx.ecr;
    let (described, tags) = futures::try_join!(ecr.describe(at), ecr.tags(at))?;
    pass.memory.seen = Some(pass.ctx.now());
    pass.memory.attempts.succeeded(Slot::Look);
    Ok(described.zip(tags))
}

/// Whether a repository that is not there may be created. One that was ours is a loss; many at
/// once need a person's word.
async fn may_recreate<E: Ecr>(pass: &mut Pass<'_, E>, desired: &Desired) -> Result<bool, Error> {
    let known = binding(&pass.before).is_some_and(|binding| binding.established);
    if !known {
        return Ok(true);
    }
    let lost = Loss {
        at: Timestamp::now().to_string(),
        previous_created_at: pass.before.created_at.clone(),
    };
    let noted = pass.before.last_loss.clone();
    let noted = noted.filter(|noted| noted.previous_created_at == lost.previous_created_at);
    let loss = noted.unwrap_or(lost);
    pass.status.last_loss = Some(loss.clone());
    let registry = &desired.identity.registry;
    let names = match pass.ctx.sweeps.names(&pass.ctx.ecr, registry).await {
        Ok(names) => names,
        Err(failure) => {
            pass.failed(Slot::Look, "", "DescribeRepositories", failure);
            return Ok(false);
        }
    };
    let expected = pass.ctx.bound_names(registry);
    let gone = expected.difference(&names).count();
    let approved = pass.object.metadata.annotations.as_ref();
    let approved = approved.and_then(|all| all.get(APPROVE_RECREATE_ANNOTATION)) == Some(&loss.at);
    if approved || !is_suspicious(gone, expected.len()) {
        return Ok(true);
    }
    pass.problems.push(Problem {
        aspect: None,
        action: "CreateRepository",
        reason: Reason::ManyRepositoriesLost,
        message: format!(
            "Check that the operator sees the right account; then annotate this object with \
             {APPROVE_RECREATE_ANNOTATION}={} to re-create its repository, without its images: \
             {gone} of {} repositories are gone at once",
            loss.at,
            expected.len()
        ),
        stalled: true,
    });
    Ok(false)
}

/// The repository does not exist, as far as is known.
async fn create<E: Ecr>(pass: &mut Pass<'_, E>, desired: &Desired) -> Result<Duration, Error> {
    let stamps = pass.claim(&desired.owner, &desired.adoption).stamps();
    let plan = plan_creation(desired, stamps);
    if desired.management == ManagementPolicy::Observe {
        return observe(pass, plan).await;
    }
    remember_tag_keys(pass, &plan);
    pass.begin().await?;
    pass.still_wanted().await?;
    let executed = pass
        .execute(&desired.identity, plan, &desired.hashes())
        .await;
    if executed.exists {
        // It exists after all: lost answer, lag, or somebody else's. Its tags decide.
        pass.status.last_loss.clone_from(&pass.before.last_loss);
        return match look(pass, &desired.identity).await {
            Ok(Some(found)) => manage(pass, desired, found).await,
            Ok(None) => {
                let said =
                    "CreateRepository says that it exists, ListTagsForResource that it does not";
                let failure = Failure {
                    class: Class::Unavailable,
                    said: said.to_owned(),
                };
                pass.unread("DescribeRepositories", failure).await
            }
            Err(failure) => pass.unread("DescribeRepositories", failure).await,
        };
    }
    if let Some(created) = &executed.created {
        record_repository(&mut pass.status, &desired.identity, created);
        pass.status.cluster_uid = Some(pass.ctx.cluster.uid.to_string());
        pass.memory.seen = Some(pass.ctx.now());
        pass.policies_read();
    }
    settle(pass, desired, &executed).await
}

/// The repository exists. Whose is it, and what is to be done?
async fn manage<E: Ecr>(
    pass: &mut Pass<'_, E>,
    desired: &Desired,
    (described, tags): (Described, Tags),
) -> Result<Duration, Error> {
    let rights = match rights(pass, desired, &tags).await {
        Rights::Refused(conflict) => {
            pass.problems.push(contested(conflict));
            return finish(pass).await;
        }
        rights => rights,
    };
    let mut observed = Observed {
        described,
        tags,
        lifecycle: Reading::NotRead,
        policy: Reading::NotRead,
    };
    if matches!(rights, Rights::Ours { .. }) {
        record_repository(&mut pass.status, &desired.identity, &observed.described);
        let documents = pass
            .read_documents(&desired.identity, &desired.hashes())
            .await;
        (observed.lifecycle, observed.policy) = (documents.lifecycle, documents.policy);
    }
    let ours: BTreeSet<_> = pass.before.tag_keys.iter().cloned().collect();
    let plan = plan(desired, &observed, &rights, &ours);
    if desired.management == ManagementPolicy::Observe {
        return observe(pass, plan).await;
    }
    if remember_tag_keys(pass, &plan) || pass.status.repository_name != pass.before.repository_name
    {
        pass.begin().await?;
    }
    let adopts = matches!(rights, Rights::MayAdopt { .. });
    let executed = pass
        .execute(&desired.identity, plan, &desired.hashes())
        .await;
    if adopts {
        return adopted(pass).await;
    }
    if observed.tags.get(CLUSTER_UID_TAG).map(String::as_str) == Some(pass.ctx.cluster.uid.as_str())
        || stamped(&pass.done)
    {
        pass.status.cluster_uid = Some(pass.ctx.cluster.uid.to_string());
    }
    settle(pass, desired, &executed).await
}

fn stamped(done: &[Done]) -> bool {
    done.iter().any(|done| match &done.action {
        Action::TagResource(tags) => tags.contains_key(CLUSTER_UID_TAG),
        _ => false,
    })
}

async fn rights<E: Ecr>(pass: &Pass<'_, E>, desired: &Desired, tags: &Tags) -> Rights {
    let claim = pass.claim(&desired.owner, &desired.adoption);
    match judge(tags, &claim, OwnerObject::NotLookedUp) {
        Rights::LookUp(owner) => judge(tags, &claim, look_up(pass.ctx, &owner).await),
        rights => rights,
    }
}

fn contested(conflict: Conflict) -> Problem {
    Problem {
        aspect: None,
        action: "CreateRepository",
        reason: conflict.reason(),
        message: conflict.message().to_owned(),
        stalled: true,
    }
}

/// Our tag is written. Another adopter may have written its own since: come back and read.
async fn adopted<E: Ecr>(pass: &mut Pass<'_, E>) -> Result<Duration, Error> {
    if pass.problems.is_empty() {
        pass.problems.push(Problem {
            aspect: None,
            action: "TagResource",
            reason: Reason::Adopting,
            message: "Nothing to do: the repository is tagged as this object's, and the rest \
                      follows once the tag is read back"
                .to_owned(),
            stalled: false,
        });
    }
    let next = finish(pass).await?;
    Ok(next.min(ADOPTION_WAIT))
}

/// Remembers the tag keys that are about to be ours, before they are (design, rule 3). True where
/// there are new ones.
fn remember_tag_keys<E>(pass: &mut Pass<'_, E>, plan: &Plan) -> bool {
    let mut keys: BTreeSet<_> = pass.before.tag_keys.iter().cloned().collect();
    let before = keys.len();
    for Step { action, .. } in &plan.steps {
        match action {
            Action::CreateRepository(new) => keys.extend(new.tags.keys().cloned()),
            Action::TagResource(tags) => keys.extend(tags.keys().cloned()),
            _ => {}
        }
    }
    keys.retain(|key| !is_reserved(key));
    let grew = keys.len() > before;
    pass.status.tag_keys = keys.into_iter().collect();
    grew
}

/// Ends a pass that may have written: what is in force now, and what is not.
async fn settle<E: Ecr>(
    pass: &mut Pass<'_, E>,
    desired: &Desired,
    executed: &Executed,
) -> Result<Duration, Error> {
    let exists = executed.created.is_some() || pass.status.arn.is_some();
    let mut undone = pass.undone();
    if !exists {
        undone.extend(Aspect::ALL);
    }
    record_applied(&mut pass.status, &desired.hashes(), &undone);
    if let (Ok(tags), false) = (&desired.tags, undone.contains(&Aspect::Tags)) {
        pass.status.tag_keys = tags.keys().cloned().collect();
    }
    finish(pass).await
}

/// Writes nothing and shows the plan.
async fn observe<E: Ecr>(pass: &mut Pass<'_, E>, plan: Plan) -> Result<Duration, Error> {
    let planned = plan.steps.iter().map(planned).collect();
    for (aspect, refusal) in plan.refusals {
        pass.refused(aspect, aspect.map_or("CreateRepository", write_of), refusal);
    }
    let problems = std::mem::take(&mut pass.problems);
    pass.conclude(Standing::Observed { planned, problems })
        .await
}

fn planned(step: &Step) -> Problem {
    let message = match step.before.as_str() {
        "" => step.action.to_string(),
        before => format!("{}; ECR holds {before}", step.action),
    };
    Problem {
        aspect: step.action.aspect(),
        action: step.action.operation(),
        reason: Reason::Observed,
        message,
        stalled: false,
    }
}
