//! The way of an object that lives: bind, look, judge, plan, execute, say.

use std::{collections::BTreeSet, time::Duration};

use super::{
    assign::Course,
    documents::Documents,
    error::Error,
    execute::Executed,
    pass::{Pass, Reach},
    prove::Right,
    rest::Rest,
};
use crate::{
    api::{Aspect, CLUSTER_UID_TAG, ConditionType, ManagementPolicy},
    domain::{
        class::Class,
        conditions::says,
        desired::{Desired, Refusal, is_reserved},
        event::Done,
        failure::Failure,
        identity::{Bound, Identity, bind},
        observed::{Described, Observed, Reading, Tags},
        ownership::{Conflict, Rights},
        plan::{Plan, Step, plan as plan_repository, plan_creation},
        reason::Reason,
        retry::Slot,
        status::{
            Problem, Standing, binding, forget_looked_at, record_applied, record_binding,
            record_looked_at, record_repository,
        },
    },
    ecr::{Clients, Ecr, Proof, Tagged},
};

/// What ECR holds, and whose it is.
pub(super) type Found = Option<(Described, Tagged)>;

/// One pass over an object that lives.
pub(super) async fn run<C: Clients>(pass: &mut Pass<'_, C>) -> Result<Duration, Error> {
    pass.review_takeover();
    pass.take_up_approval().await?;
    if pass.object.spec.suspend == Some(true) {
        pass.finalizer(false).await?;
        return match pass.may_not_suspend().await {
            Some((class, refusal)) => not_accepted(pass, Some(&class), refusal).await,
            None => suspended(pass).await,
        };
    }
    if pass.is_enforced() {
        forget_looked_at(&mut pass.status);
    }
    let class = match pass.assign(Course::GoesOn).await {
        Ok(class) => class,
        Err(refusal) => return not_accepted(pass, None, refusal).await,
    };
    if let Some(refusal) = pass.too_large() {
        return not_accepted(pass, Some(&class), refusal).await;
    }
    let registry = match pass.aws.registry().await {
        Ok(registry) => registry,
        Err(failure) => return pass.unread("GetCallerIdentity", failure).await,
    };
    pass.ctx.pace(&registry);
    if pass.awaits_first_sweep(&registry) {
        return Ok(pass.next());
    }
    let desired = match pass.asks_for(&class, registry) {
        Ok(desired) => desired,
        Err(refusal) => return not_accepted(pass, Some(&class), refusal).await,
    };
    let differs = differs(pass, &desired);
    pass.note_difference(differs);
    if desired.management == ManagementPolicy::Enforce {
        pass.status.working_memory.compared = None;
    }
    pass.hold(Some(&class), Some(&desired.identity)).await?;
    if !bound(pass, &desired).await {
        let enforced = pass.enforce_class(&class).await;
        return pass.finish_after(enforced).await;
    }
    pass.review_approval(&desired);
    converge(pass, &desired).await
}

/// Whether object and class ask for something else than what was last in force, or compared.
fn differs<C: Clients>(pass: &Pass<'_, C>, desired: &Desired) -> bool {
    match desired.management {
        ManagementPolicy::Observe => {
            let compared = pass.before.working_memory.compared.as_ref();
            compared.is_some_and(|it| it.asked != pass.asked_for(desired))
        }
        ManagementPolicy::Enforce => {
            let applied = pass.applied();
            let mut wanted = desired.hashes().into_iter();
            wanted.any(|(aspect, hash)| applied.get(&aspect) != Some(&hash))
        }
    }
}

/// Nothing is sent to AWS of what an object asks for that can't be carried out as a whole. In a
/// repository that it has the class's word holds all the same: of what becomes of it, and of what the
/// class enforces.
async fn not_accepted<C: Clients>(
    pass: &mut Pass<'_, C>,
    class: Option<&Class>,
    refusal: Refusal,
) -> Result<Duration, Error> {
    pass.hold(class, None).await?;
    pass.refused(None, "CreateRepository", refusal);
    let enforced = match class {
        Some(class) => pass.enforce_class(class).await,
        None => Ok(()),
    };
    pass.finish_after(enforced).await
}

async fn suspended<C: Clients>(pass: &mut Pass<'_, C>) -> Result<Duration, Error> {
    // Of one that is too large nobody knows what it asks for.
    let bound = binding(&pass.before).filter(|it| it.established && pass.excess.is_none());
    let class = pass.assign(Course::GoesOn).await;
    let desired = match (bound, class) {
        (Some(bound), Ok(class)) => pass.desired(&class, bound.identity.registry).ok(),
        (None, _) | (_, Err(_)) => None,
    };
    let applied = pass.applied();
    let in_force = desired.is_some_and(|desired| {
        // What was dropped has no digest to compare, but tags that were ours are still to go.
        let tags = desired.tags.as_ref();
        desired.refusals().next().is_none()
            && tags.is_ok_and(|tags| tags.keys().eq(&pass.before.tag_keys))
            && desired
                .hashes()
                .iter()
                .all(|(aspect, hash)| applied.get(aspect) == Some(hash))
    });
    let undone = !in_force || !pass.before.pending.is_empty();
    pass.conclude(Standing::Suspended { undone }).await
}

/// Binds the object to its place, or says why it can't be. False: there is nothing more to do.
async fn bound<C: Clients>(pass: &mut Pass<'_, C>, desired: &Desired) -> bool {
    let problem = match bind(desired.identity.clone(), binding(&pass.before).as_ref()) {
        Bound::Unbound(_) | Bound::Holds(_) => None,
        Bound::Changed { bound, derived } => Some(identity_changed(&bound, &derived)),
        Bound::Corrected { old, new } => {
            // Only a read can tell that nothing of ours is left behind under the old name.
            let found = match pass.aws.tags(&old).await {
                Ok(found) => found,
                Err(failure) => {
                    pass.failed(Slot::Look, "", "ListTagsForResource", failure);
                    return false;
                }
            };
            let tags = found.as_ref().map(|it| &it.tags);
            let is_ours = tags.is_some_and(|tags| pass.is_ours(tags));
            match pass.may_yet_come(tags).filter(|_| !is_ours) {
                Some(failure) => {
                    pass.failed(Slot::Look, "", "ListTagsForResource", failure);
                    return false;
                }
                None => is_ours.then(|| identity_changed(&old, &new)),
            }
        }
    };
    if let Some(problem) = problem {
        pass.problems.push(problem);
        return false;
    }
    record_binding(&mut pass.status, &desired.identity);
    pass.status.owner = Some(desired.owner.to_string());
    pass.bound_takeover();
    // What was settled was so of the former name.
    pass.memory.left_since = None;
    true
}

fn identity_changed(bound: &Identity, derived: &Identity) -> Problem {
    let message = format!(
        "This object is bound to {bound} and now leads to {derived}; nothing is written — set \
             spec.repositoryName, its class, and the account and region back, or make a new object"
    );
    Problem::for_a_person("CreateRepository", Reason::IdentityChanged, message)
}

/// Makes ECR match, once it is clear which repository it is about.
async fn converge<C: Clients>(
    pass: &mut Pass<'_, C>,
    desired: &Desired,
) -> Result<Duration, Error> {
    let documents = match pass.rest(desired).await {
        Ok(Rest::Holds) => return holds(pass, desired).await,
        Ok(Rest::AwaitsSweep) => {
            // Which class counts is known without it.
            if pass.status.class_name != pass.before.class_name {
                pass.save().await?;
            }
            return Ok(pass.next());
        }
        Ok(Rest::Found(found)) => return manage(pass, desired, found, None).await,
        Ok(Rest::Look(documents)) => documents,
        Err(failure) => return pass.unread("DescribeRepositories", failure).await,
    };
    if looks_first(pass, desired) {
        let found = match look(pass, &desired.identity).await {
            Ok(found) => found,
            Err(failure) => return pass.unread("DescribeRepositories", failure).await,
        };
        if let Some(found) = found {
            return manage(pass, desired, found, documents).await;
        }
        if pass.is_established() {
            match pass.may_recreate(&desired.identity).await {
                Ok(true) => {}
                Ok(false) => return pass.finish().await,
                Err(failure) => {
                    // It was looked at, and that went well: it is tried ever more seldom all the same.
                    pass.failed(Slot::Repository, "", "DescribeRepositories", failure);
                    return pass.blind().await;
                }
            }
        }
    }
    create(pass, desired).await
}

/// All is as it should be: whatever status has yet to say of it is said.
async fn holds<C: Clients>(pass: &mut Pass<'_, C>, desired: &Desired) -> Result<Duration, Error> {
    match desired.management {
        ManagementPolicy::Observe => {
            pass.save().await?;
            Ok(pass.next())
        }
        ManagementPolicy::Enforce => settle(pass, desired, &Executed::default()).await,
    }
}

/// A new object creates first and reads only if the repository exists: one call instead of three.
fn looks_first<C: Clients>(pass: &Pass<'_, C>, desired: &Desired) -> bool {
    let conditions = &pass.before.conditions;
    let contested = [ConditionType::Stalled, ConditionType::Reconciling]
        .into_iter()
        .any(|it| {
            says(conditions, it, &Conflict::REASONS) || says(conditions, it, &[Reason::Adopting])
        });
    pass.is_established()
        || contested
        || pass.before.ownership.is_some()
        || pass.memory.adopting_until.is_some()
        || desired.management == ManagementPolicy::Observe
}

pub(super) async fn look<C: Clients>(
    pass: &mut Pass<'_, C>,
    at: &Identity,
) -> Result<Found, Failure> {
    let ecr = &pass.aws;
    let described = async {
        if pass.is_established() {
            ecr.describe_known(at).await
        } else {
            ecr.describe(at).await
        }
    };
    let was_former = pass.no_longer_former();
    let read = async { futures::try_join!(described, ecr.tags(at)) };
    let (described, tags) = read.await.inspect_err(|_| pass.still_former(was_former))?;
    let found = match (described, tags) {
        (Some(described), Some(tags)) => Some((described, tags)),
        (None, None) => None,
        // A new repository shows in one of them first.
        (Some(_), None) | (None, Some(_)) => {
            return Err(looks_differ());
        }
    };
    pass.memory.seen = Some(pass.ctx.now());
    pass.memory.attempts.looked();
    Ok(found)
}

/// One look shows the repository, and the other does not.
pub(super) fn looks_differ() -> Failure {
    Failure::unsettled("DescribeRepositories and ListTagsForResource do not agree that it exists")
}

/// The repository does not exist, as far as is known.
async fn create<C: Clients>(pass: &mut Pass<'_, C>, desired: &Desired) -> Result<Duration, Error> {
    let stamps = pass.claim(&desired.owner, &desired.adoption).stamps();
    let plan = plan_creation(desired, stamps);
    if desired.management == ManagementPolicy::Observe {
        forget_looked_at(&mut pass.status);
        return pass.observe(desired, None, (plan, None)).await;
    }
    remember_tag_keys(pass, &plan);
    pass.begin().await?;
    let creation = plan.steps.first().map(|step| step.action.clone());
    let (wanted, right) = (desired.hashes(), (Right::Creation, None));
    let executed = pass
        .execute(&desired.identity, plan, &wanted, right)
        .await?;
    if executed.exists {
        // It exists after all: lost answer, lag, or somebody else's. Its tags decide.
        pass.status.last_loss.clone_from(&pass.before.last_loss);
        return match look(pass, &desired.identity).await {
            Ok(Some(found)) => manage(pass, desired, found, None).await,
            Ok(None) => {
                let said =
                    "CreateRepository says that it exists, ListTagsForResource that it does not";
                let failure = Failure::unsettled(said);
                // Both looks went well: what is in vain is the creation.
                if let Some(creation) = &creation {
                    pass.not_written(creation, failure);
                }
                pass.blind().await
            }
            Err(failure) => pass.unread("DescribeRepositories", failure).await,
        };
    }
    if executed.created.is_some() {
        let registry = &desired.identity.registry;
        pass.ctx.roll_call.created_in(registry).await;
    }
    if let Some(created) = &executed.created {
        pass.note_ownership(&desired.identity);
        record_repository(&mut pass.status, &desired.identity, created);
        pass.note_encryption(desired, created.encryption.as_ref());
        pass.status.cluster_uid = Some(pass.ctx.cluster.uid.to_string());
        pass.memory.seen = Some(pass.ctx.now());
        pass.policies_read();
    }
    settle(pass, desired, &executed).await
}

/// The repository exists. Whose is it, and what is to be done?
async fn manage<C: Clients>(
    pass: &mut Pass<'_, C>,
    desired: &Desired,
    (described, Tagged { tags, read }): (Described, Tagged),
    documents: Option<Documents>,
) -> Result<Duration, Error> {
    let rights = pass.rights(desired, &tags).await;
    if matches!(rights, Rights::Ours { .. }) {
        pass.note_takeover(&desired.adoption);
    }
    if pass.awaits_its_tag(&rights, &desired.adoption) {
        return pass.adopting().await;
    }
    let is_refused = matches!(rights, Rights::Refused(_));
    if let Some(failure) = pass.lags_behind(Some(&tags)).filter(|_| is_refused) {
        pass.failed(Slot::Repository, "", "ListTagsForResource", failure);
        return pass.blind().await;
    }
    let conflict = conflict(pass, &rights, &described, &tags);
    let only_looks = desired.management == ManagementPolicy::Observe;
    if let Some(conflict) = conflict {
        // Nobody is shown what is another's.
        if !only_looks || conflict != Conflict::AlreadyExists {
            pass.status.working_memory.compared = None;
            forget_looked_at(&mut pass.status);
            return pass.contested(conflict).await;
        }
    }
    pass.note_encryption(desired, described.encryption.as_ref());
    let desired = &pass.of_existing(desired);
    let mut observed = Observed {
        described,
        tags,
        lifecycle: Reading::NotRead,
        policy: Reading::NotRead,
    };
    let is_ours = matches!(rights, Rights::Ours { .. });
    if is_ours {
        pass.note_ownership(&desired.identity);
        record_repository(&mut pass.status, &desired.identity, &observed.described);
    } else {
        // Whatever was remembered before a creation that failed: no tag here is ours.
        pass.status.tag_keys.clear();
        if only_looks {
            record_looked_at(&mut pass.status, &desired.identity, &observed.described);
        }
    }
    if is_ours || only_looks {
        let documents = match documents {
            Some(documents) => documents,
            None => {
                pass.read_documents(&desired.identity, &desired.hashes())
                    .await
            }
        };
        if only_looks && documents.is_lacking {
            // Without them it would be another plan.
            pass.save().await?;
            return Ok(pass.next());
        }
        (observed.lifecycle, observed.policy) = (documents.lifecycle, documents.policy);
    }
    let ours: BTreeSet<_> = pass.status.tag_keys.iter().cloned().collect();
    let mut plan = plan_repository(desired, &observed, &rights, &ours);
    if only_looks {
        if !is_ours {
            // What Enforce would do once it has adopted.
            let then = Rights::Ours {
                stamps: Tags::new(),
            };
            plan.append(plan_repository(desired, &observed, &then, &ours));
        }
        let found = (&observed.described, &observed.tags);
        return pass.observe(desired, Some(found), (plan, conflict)).await;
    }
    remember_tag_keys(pass, &plan);
    if is_ours {
        pass.begin().await?;
    } else {
        pass.begin_adoption().await?;
    }
    pass.guard_lifecycle(&desired.identity, &mut plan).await;
    let right = if is_ours {
        (Right::Ownership, Some(Proof::ours(read)))
    } else {
        (Right::Adoption(desired), None)
    };
    let executed = pass
        .execute(&desired.identity, plan, &desired.hashes(), right)
        .await?;
    let stamped = stamped(&pass.done);
    if stamped {
        pass.note_stamps(Some(&observed.tags));
    }
    if !is_ours {
        if stamped {
            pass.note_takeover(&desired.adoption);
            pass.wake_former(&desired.identity, &observed.tags);
        }
        return pass.adopted().await;
    }
    if observed.tags.get(CLUSTER_UID_TAG).map(String::as_str) == Some(pass.ctx.cluster.uid.as_str())
        || stamped
    {
        pass.status.cluster_uid = Some(pass.ctx.cluster.uid.to_string());
    }
    settle(pass, desired, &executed).await
}

/// What stands against managing what exists, in view of what the object had there. That it was made anew
/// outside is noted.
fn conflict<C: Clients>(
    pass: &mut Pass<'_, C>,
    rights: &Rights,
    described: &Described,
    tags: &Tags,
) -> Option<Conflict> {
    let was_ours = pass.is_established();
    let is_replaced = was_ours && pass.is_replaced(described);
    if is_replaced {
        pass.note_replaced(matches!(rights, Rights::Ours { .. }));
    }
    let conflict = conflict_of(rights)?;
    Some(if was_ours {
        conflict.of_former(tags, is_replaced)
    } else {
        conflict
    })
}

const fn conflict_of(rights: &Rights) -> Option<Conflict> {
    match rights {
        Rights::Refused(conflict) => Some(*conflict),
        Rights::Ours { .. } | Rights::MayAdopt { .. } | Rights::LookUp(_) => None,
    }
}

fn stamped(done: &[Done]) -> bool {
    let mut tags = done.iter().filter_map(|done| done.action.tags());
    tags.any(|tags| tags.contains_key(CLUSTER_UID_TAG))
}

/// Remembers the tag keys that are about to be ours, before they are.
pub(super) fn remember_tag_keys<C: Clients>(pass: &mut Pass<'_, C>, plan: &Plan) {
    let mut keys: BTreeSet<_> = pass.status.tag_keys.iter().cloned().collect();
    for Step { action, .. } in &plan.steps {
        keys.extend(action.tags().into_iter().flat_map(Tags::keys).cloned());
    }
    keys.retain(|key| !is_reserved(key));
    pass.status.tag_keys = keys.into_iter().collect();
}

/// Ends a pass that may have written: what is in force now, and what is not.
async fn settle<C: Clients>(
    pass: &mut Pass<'_, C>,
    desired: &Desired,
    executed: &Executed,
) -> Result<Duration, Error> {
    let exists = executed.created.is_some() || pass.status.arn.is_some();
    let mut undone = pass.undone();
    if exists {
        pass.note_takeover(&desired.adoption);
    } else {
        undone.extend(Aspect::ALL);
    }
    record_applied(&mut pass.status, &desired.hashes(), &undone);
    pass.spend_approval();
    if let (Ok(tags), false) = (&desired.tags, undone.contains(&Aspect::Tags)) {
        pass.status.tag_keys = tags.keys().cloned().collect();
    }
    pass.rests_on_sweeps(desired);
    if pass.reach != Reach::CutShort {
        pass.reach = Reach::All;
    }
    pass.finish().await
}
