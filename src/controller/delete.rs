//! The way of an object that goes. Nothing is lost by default.

use std::{collections::BTreeMap, time::Duration};

use super::{
    assign::Course,
    enforce::looks_differ,
    error::Error,
    pass::{FromClass, Pass},
    prove::Right,
};
use crate::{
    api::{DeletionPolicy, FINALIZER, OWNER_TAG},
    domain::{
        action::Action,
        desired::Adoption,
        event::{self, Kept},
        failure::{Class, Failure},
        identity::{Identity, Owner, RepositoryName},
        observed::Tags,
        ownership::{Conflict, Rights},
        plan::{Plan, Step},
        reason::Reason,
        retry::Slot,
        status::{Problem, binding},
    },
    ecr::{Clients, Ecr, Proof},
};
use kube::ResourceExt as _;

/// The way out of every wait.
const WAY_OUT: &str = "or set spec.deletionPolicy to Retain: the repository stays, the object goes";

/// The way out where the class enforces a deletion policy.
const WAY_OUT_OF_CLASS: &str = "or have the class enforce deletionPolicy Retain, or none: the repository \
                                stays, the object goes";

/// What is left to do.
enum Left {
    /// Nothing: the object may go.
    Nothing,
    /// It waits, for what the pass's problems say. Meanwhile its class's word holds.
    Waits,
    /// The same, but ECR is asked nothing else: the repository is not ours, or this is over in a moment.
    WaitsAlone,
    /// The wait of an adoption is not over: whoever adopts as well may have the repository in the end.
    Contested,
}

/// One pass over an object that is being deleted.
pub(super) async fn run<C: Clients>(pass: &mut Pass<'_, C>) -> Result<Option<Duration>, Error> {
    if !pass.object.finalizers().iter().any(|f| f == FINALIZER) {
        return Ok(None);
    }
    match remove_repository(pass).await? {
        Left::Nothing => {
            pass.tell(&[]).await;
            pass.finalizer(false).await?;
            return Ok(None);
        }
        Left::Contested => return pass.adopting().await.map(Some),
        Left::Waits => {
            tell_way_out(pass);
            let enforced = enforce_meanwhile(pass).await;
            return pass.finish_after(enforced).await.map(Some);
        }
        Left::WaitsAlone => tell_way_out(pass),
    }
    pass.finish().await.map(Some)
}

/// Of the problems that there are: what comes after them is none of the deletion's.
fn tell_way_out<C: Clients>(pass: &mut Pass<'_, C>) {
    let problems = std::mem::take(&mut pass.problems).into_iter();
    let enforced = pass.from_class.deletion;
    pass.problems = problems.map(|it| with_way_out(it, enforced)).collect();
}

/// A deletion can wait for as long as its author likes: what the class enforces is in the repository all the
/// same, and is repaired there at each resync.
async fn enforce_meanwhile<C: Clients>(pass: &mut Pass<'_, C>) -> Result<(), Error> {
    pass.take_up_approval().await?;
    match pass.assign(Course::Ends).await {
        Ok(class) => pass.enforce_class(&class).await,
        // What stands against the deletion is told already.
        Err(_) => Ok(()),
    }
}

fn with_way_out(mut problem: Problem, enforced: bool) -> Problem {
    let way_out = if enforced { WAY_OUT_OF_CLASS } else { WAY_OUT };
    // Status has it already where an earlier process said so.
    if !problem.message.ends_with(&format!("({way_out})")) {
        problem.message = format!("{} ({way_out})", problem.message);
    }
    problem
}

async fn remove_repository<C: Clients>(pass: &mut Pass<'_, C>) -> Result<Left, Error> {
    // Retain, Observe and suspend ask nothing of AWS, which may be down.
    if !pass.is_enforced() {
        return Ok(Left::Nothing);
    }
    let bound = binding(&pass.before).map(|it| it.identity);
    let name = match &bound {
        Some(bound) => bound.name.clone(),
        None => match unbound(pass).await {
            Ok(name) => name,
            Err(left) => return Ok(left),
        },
    };
    let Some(policy) = policy(pass, &name).await else {
        return Ok(Left::Waits);
    };
    if !pass.wants_finalizer(policy) {
        return Ok(Left::Nothing);
    }
    let registry = match pass.aws.registry().await {
        Ok(registry) => registry,
        Err(failure) => {
            pass.failed(Slot::Look, "", "GetCallerIdentity", failure);
            return Ok(Left::WaitsAlone);
        }
    };
    pass.ctx.pace(&registry);
    if let Some(at) = bound.filter(|it| it.registry != registry) {
        pass.problems.push(elsewhere(&at));
        return Ok(Left::WaitsAlone);
    }
    in_turn(pass, &Identity { registry, name }, policy).await
}

/// The name of the repository of an object whose status does not say where it is bound, or is another object's, as
/// after a restore: what its spec and class make of it now. That it is its own its owner tag must say, as ever.
async fn unbound<C: Clients>(pass: &mut Pass<'_, C>) -> Result<RepositoryName, Left> {
    let asked = pass.object.spec.deletion_policy;
    match pass.assign(Course::Ends).await {
        Ok(class) => {
            let spec = &pass.object.spec;
            let name = pass.as_subject(|subject| class.leads_to(subject, spec));
            // No repository was ever made of one that the class does not permit.
            name.ok_or(Left::Nothing)
        }
        Err(_) if asked == Some(DeletionPolicy::Retain) => Err(Left::Nothing),
        Err(refusal) => {
            pass.refused(None, "DeleteRepository", refusal);
            Err(Left::Waits)
        }
    }
}

/// Deletes the repository once it is its turn, by what is true then.
async fn in_turn<C: Clients>(
    pass: &mut Pass<'_, C>,
    at: &Identity,
    asked: DeletionPolicy,
) -> Result<Left, Error> {
    let force = asked == DeletionPolicy::DeleteWithImages;
    let action = Action::DeleteRepository { force };
    if pass.is_held_back(&action) {
        return Ok(refused(pass, at).await);
    }
    let turn = pass.turn(at, &action).await?;
    // The class may permit something else by now, or be another, which leads elsewhere.
    let access = pass.access.clone();
    match policy(pass, &at.name).await {
        Some(policy) if policy == asked && pass.access == access => {}
        Some(_) => return Err(Error::Superseded),
        None => return Ok(Left::Waits),
    }
    let found = match pass.tags(at).await? {
        Ok(found) => found,
        Err(failure) => return Ok(unread(pass, failure)),
    };
    let Some(tagged) = found else {
        return Ok(absent(pass, at).await);
    };
    pass.memory.attempts.looked();
    let known = Proof::ours(tagged.read);
    match pass.rights_by_tags(&tagged.tags) {
        Rights::Ours { .. } if pass.is_adopting(&Adoption::Never) => return Ok(Left::Contested),
        Rights::Ours { stamps } if stamps.is_empty() => {}
        Rights::Ours { stamps } => return claim(pass, at, stamps, (known, &tagged.tags)).await,
        Rights::Refused(conflict) => return Ok(not_ours(pass, at, conflict, &tagged.tags)),
        Rights::MayAdopt { .. } | Rights::LookUp(_) => return Ok(Left::Nothing),
    }
    let proof = pass.proof(at, (Right::Ownership, Some(known)), &action);
    match proof.await? {
        Ok(proof) => pass.write_one(at, action, turn, &proof).await,
        Err(failure) => pass.not_written(&action, failure),
    }
    if pass.problems.is_empty() {
        return Ok(Left::Nothing);
    }
    Ok(refused(pass, at).await)
}

/// What is left where the tags are not found. One answer is not the last word: of what was there the other look must
/// say the same, and what was never seen may yet come.
async fn absent<C: Clients>(pass: &mut Pass<'_, C>, at: &Identity) -> Left {
    if let Some(failure) = pass.may_yet_come(None) {
        return unread(pass, failure);
    }
    match pass.aws.describe(at).await {
        Ok(None) => {
            let name = at.name.clone();
            pass.news.push(event::let_go(&Kept::Nothing { name }));
            Left::Nothing
        }
        Ok(Some(_)) => unread(pass, looks_differ()),
        Err(failure) => {
            pass.failed(Slot::Look, "", "DescribeRepositories", failure);
            Left::WaitsAlone
        }
    }
}

/// What is left where tags say that the repository is not ours.
fn not_ours<C: Clients>(
    pass: &mut Pass<'_, C>,
    at: &Identity,
    conflict: Conflict,
    tags: &Tags,
) -> Left {
    if let Some(failure) = pass.may_yet_come(Some(tags)) {
        // It was looked at, and that went well.
        pass.failed(Slot::Repository, "", "ListTagsForResource", failure);
        return Left::WaitsAlone;
    }
    match conflict {
        Conflict::TwoClusters => {
            let owner = pass.owner();
            pass.problems.push(two_clusters(&owner));
            Left::WaitsAlone
        }
        // There is nothing of ours to delete.
        Conflict::AlreadyExists
        | Conflict::OwnerTagMissing
        | Conflict::Replaced
        | Conflict::OtherOwner
        | Conflict::TakenAway
        | Conflict::TakenBack => {
            let had = pass.is_established();
            let kept = kept(at.name.clone(), had, tags.contains_key(OWNER_TAG));
            pass.news.push(event::let_go(&kept));
            Left::Nothing
        }
    }
}

/// What stays, and why.
fn kept(name: RepositoryName, had: bool, is_owned: bool) -> Kept {
    let why = match (had, is_owned) {
        (false, _) => return Kept::Others { name },
        (true, true) => {
            "its owner tag names another object now (AWS CloudTrail: TagResource) — delete it with that object, or by \
             hand"
        }
        (true, false) => {
            "its owner tag was taken off outside (AWS CloudTrail: UntagResource), or it was made anew there — delete \
             it by hand, or make this object again with spec.adoption.policy IfUnowned"
        }
    };
    Kept::Former { name, why }
}

fn unread<C: Clients>(pass: &mut Pass<'_, C>, failure: Failure) -> Left {
    pass.failed(Slot::Look, "", "ListTagsForResource", failure);
    Left::WaitsAlone
}

/// What is left where AWS refuses the deletion. Where it only asks for patience that is tried again in a moment.
async fn refused<C: Clients>(pass: &mut Pass<'_, C>, at: &Identity) -> Left {
    count_images(pass, at).await;
    let passes = [
        Reason::Throttled,
        Reason::AwsUnavailable,
        Reason::Progressing,
    ];
    if pass.problems.iter().any(|it| passes.contains(&it.reason)) {
        Left::WaitsAlone
    } else {
        Left::Waits
    }
}

/// What becomes of the repository, as object and class say. None where that is not clear or not
/// permitted: the pass's problems tell why, and the object waits. Retain needs no class.
async fn policy<C: Clients>(
    pass: &mut Pass<'_, C>,
    name: &RepositoryName,
) -> Option<DeletionPolicy> {
    let asked = pass.object.spec.deletion_policy;
    let assigned = pass.assign(Course::Ends).await;
    let admitted = assigned.and_then(|class| {
        let policy = pass.admit_deletion(&class, name)?;
        let keeps_images = !class.permits_deletion_with_images();
        Ok((policy, class.enforces_deletion(), keeps_images))
    });
    match admitted {
        Ok((policy, enforced, keeps_images)) => {
            pass.from_class.deletion = enforced;
            pass.from_class.keeps_images = keeps_images;
            Some(policy)
        }
        Err(_) if asked == Some(DeletionPolicy::Retain) => asked,
        Err(refusal) => {
            pass.refused(None, "DeleteRepository", refusal);
            None
        }
    }
}

/// The repository is ours, but for the cluster's uid, as after a cluster was rebuilt: that is written first,
/// and the repository is deleted in the next pass by another proof.
async fn claim<C: Clients>(
    pass: &mut Pass<'_, C>,
    at: &Identity,
    stamps: Tags,
    (proof, before): (Proof, &Tags),
) -> Result<Left, Error> {
    let plan = Plan {
        steps: vec![Step::new(Action::TagResource(stamps), String::new())],
        refusals: Vec::new(),
    };
    let right = (Right::Ownership, Some(proof));
    pass.execute(at, plan, &BTreeMap::new(), right).await?;
    if !pass.problems.is_empty() {
        return Ok(Left::WaitsAlone);
    }
    pass.note_stamps(Some(before));
    pass.status.cluster_uid = Some(pass.ctx.cluster.uid.to_string());
    pass.save().await?;
    Err(Error::Superseded)
}

/// Tells how many images stand in the way, and which ways are open under the class that counts.
async fn count_images<C: Clients>(pass: &mut Pass<'_, C>, at: &Identity) {
    let not_empty = Class::NotEmpty.reason(true);
    let Some(problem) = pass.problems.iter_mut().find(|p| p.reason == not_empty) else {
        return;
    };
    let images = match pass.aws.count_images(at).await {
        Ok(count) => count.to_string(),
        Err(_) => "images".to_owned(),
    };
    let otherwise = match &pass.from_class {
        FromClass { deletion: true, .. } => {
            "have the class enforce deletionPolicy DeleteWithImages"
        }
        FromClass {
            keeps_images: true, ..
        } => {
            "have DeleteWithImages added to deletionPolicies of the class and then set \
             spec.deletionPolicy to it"
        }
        FromClass { .. } => "set spec.deletionPolicy to DeleteWithImages",
    };
    problem.message = format!(
        "{} still holds {images} — delete the images, or {otherwise} to delete them with it",
        at.name
    );
}

fn elsewhere(at: &Identity) -> Problem {
    let message = format!(
        "The repository is in {at}, and the class leads elsewhere now; nothing is deleted — have the class lead back, \
         or set spec.className to one that does"
    );
    Problem::for_a_person("DeleteRepository", Reason::IdentityChanged, message)
}

fn two_clusters(owner: &Owner) -> Problem {
    let conflict = Conflict::TwoClusters;
    Problem::for_a_person(
        "DeleteRepository",
        conflict.reason(),
        conflict.message(owner),
    )
}
