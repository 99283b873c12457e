//! What AWS answers to a write, and whether that is what was written.

use super::{
    action::Action,
    failure::{Class, Failure},
    lifecycle::Lifecycle,
    observed::Described,
    policy::Document,
};

/// What AWS answered to a write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// It is done.
    Done,
    /// The repository that was created.
    Created(Described),
    /// The lifecycle policy, as ECR keeps it.
    StoredLifecycle(Lifecycle),
    /// The repository policy, as ECR keeps it.
    StoredPolicy(Document),
}

/// What is wrong with an answer by which ECR keeps another document than it was sent. To send it
/// again would end alike.
#[must_use]
pub fn altered(sent: &Action, answer: &Answer) -> Option<Failure> {
    let said = match answer {
        Answer::Done | Answer::Created(_) => None,
        Answer::StoredLifecycle(kept) => match sent {
            Action::PutLifecyclePolicy(sent) if sent == kept => None,
            _ => Some(kept_instead(&kept.text())),
        },
        Answer::StoredPolicy(kept) => match sent {
            Action::SetRepositoryPolicy(sent) if sent == kept => None,
            Action::SetRepositoryPolicy(sent) => Some(
                sent.deleted_principals(kept)
                    .map_or_else(|| kept_instead(&kept.text()), |it| it.to_string()),
            ),
            _ => Some(kept_instead(&kept.text())),
        },
    }?;
    Some(Failure {
        class: Class::Altered,
        said: format!("{}: {said}", sent.operation()),
    })
}

fn kept_instead(text: &str) -> String {
    format!("ECR keeps {text}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{identity::RegistryId, policy, setting::Setting};

    const ROLE: &str = "arn:aws:iam::111122223333:role/ci";

    fn policy_of(principal: &str) -> serde_json::Map<String, serde_json::Value> {
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": principal}, "Action": "ecr:BatchGetImage",
        }]});
        policy.as_object().unwrap().clone()
    }

    fn sent() -> Action {
        let own = RegistryId::parse("111122223333").unwrap();
        match policy::with_access(Some(&policy_of(ROLE)), None, &own) {
            Ok(Setting::Present(document)) => Action::SetRepositoryPolicy(document),
            other => panic!("{other:?}"),
        }
    }

    fn said(principal: &str) -> Option<String> {
        let kept = serde_json::to_string_pretty(&policy_of(principal)).unwrap();
        let answer = Answer::StoredPolicy(Document::stored(&kept));
        altered(&sent(), &answer).map(|failure| failure.said)
    }

    #[test]
    fn the_same_meaning_is_what_was_sent() {
        assert_eq!(said(ROLE), None);
        assert_eq!(altered(&sent(), &Answer::Done), None);
    }

    #[test]
    fn another_document_is_told_with_what_is_known_of_it() {
        let deleted = said("AROAEXAMPLEEXAMPLE123").unwrap();
        assert!(
            deleted
                .starts_with("SetRepositoryPolicy: ECR has AROAEXAMPLEEXAMPLE123 in the place of"),
            "{deleted}"
        );
        let other = said("444455556666").unwrap();
        assert!(
            other.starts_with("SetRepositoryPolicy: ECR keeps {"),
            "{other}"
        );
    }

    #[test]
    fn a_lifecycle_policy_in_new_words_is_another() {
        let sent = Lifecycle::stored(
            r#"{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":1},"action":{"type":"expire"}}]}"#,
        );
        let put = Action::PutLifecyclePolicy(sent.clone());
        assert_eq!(altered(&put, &Answer::StoredLifecycle(sent)), None);
        let kept = Answer::StoredLifecycle(Lifecycle::stored(r#"{"rules":[],"new":1}"#));
        let failure = altered(&put, &kept).unwrap();
        assert_eq!(failure.class, Class::Altered);
    }
}
