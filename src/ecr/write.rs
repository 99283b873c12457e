//! Each action as a call of the AWS SDK.

use aws_sdk_ecr::types::Repository;

use super::{
    aws::Aws,
    convert::{
        described, is_about, to_encryption, to_filters, to_mode, to_scanning, to_tags, unreadable,
    },
    error::{Error, NO_LIFECYCLE_POLICY, NO_REPOSITORY_POLICY},
    pacing::Turn,
    proof::{Proof, TooOld, WhileItServes},
};
use crate::domain::{
    action::{Action, NewRepository},
    answer::Answer,
    desired::{Encryption, Mutability},
    failure::{Class, Failure},
    identity::Identity,
    kms,
    lifecycle::Lifecycle,
    observed::Described,
    policy::Document,
};

/// Makes the call. What is to be removed and is gone already counts as removed.
pub(super) async fn send(
    aws: &Aws,
    at: &Identity,
    action: &Action,
    turn: Turn,
    proof: Proof,
) -> Result<Answer, Failure> {
    let operation = action.operation();
    if !proof.permits(action) || !proof.serves() {
        return Err(Failure::unavailable(format!("{operation}: {TooOld}")));
    }
    let (id, name) = (at.registry.id.as_str(), at.name.as_str());
    let (ecr, fresh) = (&aws.ecr, WhileItServes(proof));
    let answer = match action {
        Action::CreateRepository(new) => {
            let created = create(aws, at, new, (turn, fresh)).await;
            return created.map(Answer::Created);
        }
        Action::PutImageTagMutability(mutability) => {
            put_mutability(aws, at, mutability, (turn, fresh)).await?
        }
        Action::TagResource(tags) => {
            let call = ecr
                .tag_resource()
                .resource_arn(at.arn())
                .set_tags(Some(to_tags(tags)?));
            let call = call.customize().interceptor(fresh).send();
            let answer = aws.write_in_turn(&at.registry, operation, turn, call).await;
            // AWS's own answer has nothing in it; the next look shows whether it is so.
            return answer.map_or_else(|error| Err(error.failure), |_| Ok(Answer::Done));
        }
        Action::UntagResource(keys) => {
            let keys = keys.iter().cloned().collect();
            let call = ecr
                .untag_resource()
                .resource_arn(at.arn())
                .set_tag_keys(Some(keys));
            let call = call.customize().interceptor(fresh).send();
            let answer = aws.write_in_turn(&at.registry, operation, turn, call).await;
            return answer.map_or_else(|error| Err(error.failure), |_| Ok(Answer::Done));
        }
        Action::PutImageScanningConfiguration(scan) => {
            let call = ecr
                .put_image_scanning_configuration()
                .registry_id(id)
                .repository_name(name);
            let call = call.image_scanning_configuration(to_scanning(*scan));
            let call = call.customize().interceptor(fresh).send();
            aws.write_in_turn(&at.registry, operation, turn, call)
                .await
                .map(|it| it.repository_name)
        }
        Action::PutLifecyclePolicy(policy) => {
            return put_lifecycle(aws, at, policy, (turn, fresh)).await;
        }
        Action::DeleteLifecyclePolicy => {
            let call = ecr
                .delete_lifecycle_policy()
                .registry_id(id)
                .repository_name(name);
            let call = call.customize().interceptor(fresh).send();
            aws.write_in_turn(&at.registry, operation, turn, call)
                .await
                .map(|it| it.repository_name)
        }
        Action::SetRepositoryPolicy(policy) => {
            return set_policy(aws, at, policy, (turn, fresh)).await;
        }
        Action::DeleteRepositoryPolicy => {
            let call = ecr
                .delete_repository_policy()
                .registry_id(id)
                .repository_name(name);
            let call = call.customize().interceptor(fresh).send();
            aws.write_in_turn(&at.registry, operation, turn, call)
                .await
                .map(|it| it.repository_name)
        }
        Action::DeleteRepository { force } => {
            let call = ecr
                .delete_repository()
                .registry_id(id)
                .repository_name(name)
                .force(*force);
            let call = call.customize().interceptor(fresh).send();
            aws.write_in_turn(&at.registry, operation, turn, call)
                .await
                .map(|it| it.repository.and_then(|it| it.repository_name))
        }
    };
    match answer {
        Ok(answered) => is_about(at, operation, answered.as_deref()).map(|()| Answer::Done),
        Err(error) if is_removed(action, &error) => Ok(Answer::Done),
        Err(error) => Err(of_key(at, None, error)),
    }
}

/// The failure, with the key and what is wrong with it where it is about that.
fn of_key(at: &Identity, encryption: Option<&Encryption>, error: Error) -> Failure {
    let said = error.kms.as_deref();
    kms::failed(encryption, &at.registry.region, said, error.failure)
}

/// Whether the error says that there is nothing left to remove.
fn is_removed(action: &Action, error: &Error) -> bool {
    match action {
        Action::DeleteRepository { .. } => error.failure.class == Class::Gone,
        Action::DeleteLifecyclePolicy => error.has_code(NO_LIFECYCLE_POLICY),
        Action::DeleteRepositoryPolicy => error.has_code(NO_REPOSITORY_POLICY),
        Action::CreateRepository(_)
        | Action::TagResource(_)
        | Action::UntagResource(_)
        | Action::PutImageTagMutability(_)
        | Action::PutImageScanningConfiguration(_)
        | Action::PutLifecyclePolicy(_)
        | Action::SetRepositoryPolicy(_) => false,
    }
}

async fn create(
    aws: &Aws,
    at: &Identity,
    new: &NewRepository,
    (turn, fresh): (Turn, WhileItServes),
) -> Result<Described, Failure> {
    let mutability = new.mutability.as_ref();
    let filters = mutability.map(to_filters).transpose()?.flatten();
    let call = aws
        .ecr
        .create_repository()
        .registry_id(at.registry.id.as_str())
        .repository_name(at.name.as_str())
        .set_tags(Some(to_tags(&new.tags)?))
        .set_image_tag_mutability(mutability.map(|m| to_mode(m.mode)))
        .set_image_tag_mutability_exclusion_filters(filters)
        .set_image_scanning_configuration(new.scan_on_push.map(to_scanning))
        .set_encryption_configuration(new.encryption.as_ref().map(to_encryption).transpose()?);
    let call = call.customize().interceptor(fresh).send();
    let answer = aws
        .write_in_turn(&at.registry, "CreateRepository", turn, call)
        .await
        .map_err(|error| of_key(at, new.encryption.as_ref(), error))?;
    let created = answer.repository();
    let name = created.and_then(Repository::repository_name);
    is_about(at, "CreateRepository", name)?;
    described(created.ok_or_else(|| unreadable("no repository"))?)
}

async fn put_mutability(
    aws: &Aws,
    at: &Identity,
    mutability: &Mutability,
    (turn, fresh): (Turn, WhileItServes),
) -> Result<Result<Option<String>, Error>, Failure> {
    let call = aws
        .ecr
        .put_image_tag_mutability()
        .registry_id(at.registry.id.as_str())
        .repository_name(at.name.as_str())
        .image_tag_mutability(to_mode(mutability.mode))
        .set_image_tag_mutability_exclusion_filters(to_filters(mutability)?);
    let call = call.customize().interceptor(fresh).send();
    let answer = aws.write_in_turn(&at.registry, "PutImageTagMutability", turn, call);
    Ok(answer.await.map(|it| it.repository_name))
}

async fn put_lifecycle(
    aws: &Aws,
    at: &Identity,
    policy: &Lifecycle,
    (turn, fresh): (Turn, WhileItServes),
) -> Result<Answer, Failure> {
    let call = aws
        .ecr
        .put_lifecycle_policy()
        .registry_id(at.registry.id.as_str())
        .repository_name(at.name.as_str())
        .lifecycle_policy_text(policy.text());
    let call = call.customize().interceptor(fresh).send();
    let operation = "PutLifecyclePolicy";
    let answer = aws.write_in_turn(&at.registry, operation, turn, call);
    let answer = answer.await?;
    is_about(at, operation, answer.repository_name())?;
    let stored = answer.lifecycle_policy_text().map(Lifecycle::stored);
    let stored = stored.ok_or_else(|| unreadable("no lifecyclePolicyText"))?;
    Ok(Answer::StoredLifecycle(stored))
}

/// `force` is never sent: it would let the operator lock itself out.
async fn set_policy(
    aws: &Aws,
    at: &Identity,
    policy: &Document,
    (turn, fresh): (Turn, WhileItServes),
) -> Result<Answer, Failure> {
    let call = aws
        .ecr
        .set_repository_policy()
        .registry_id(at.registry.id.as_str())
        .repository_name(at.name.as_str())
        .policy_text(policy.text());
    let call = call.customize().interceptor(fresh).send();
    let operation = "SetRepositoryPolicy";
    let answer = aws.write_in_turn(&at.registry, operation, turn, call);
    let answer = answer.await?;
    is_about(at, operation, answer.repository_name())?;
    let stored = answer.policy_text().map(Document::stored);
    let stored = stored.ok_or_else(|| unreadable("no policyText"))?;
    Ok(Answer::StoredPolicy(stored))
}
