//! Previews of lifecycle policies: begun, and told when they are done.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde_json::{Value, json};

use super::lifecycle_rules::{Action, Verdict, evaluate};
use super::{
    Context, REGISTRY_ID, REPOSITORY_NAME, answer, images, lifecycle, lifecycle_grammar,
    list as items, text,
};
use crate::error::Error;
use crate::paging::{self, Page, with_token};
use crate::shape::{Member, Shape, optional, required};
use crate::state::Image;

pub(super) const START: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("repositoryName", REPOSITORY_NAME),
    optional("lifecyclePolicyText", Shape::text(100, 30720)),
];
pub(super) const GET: &[Member] = &[
    optional("registryId", REGISTRY_ID),
    required("repositoryName", REPOSITORY_NAME),
    optional("imageIds", Shape::list(&images::IMAGE_ID, 1, 100)),
    optional("nextToken", Shape::TEXT),
    optional("maxResults", Shape::Integer { min: 1, max: 100 }),
    optional(
        "filter",
        Shape::Structure(&[optional(
            "tagStatus",
            Shape::one_of(&["TAGGED", "UNTAGGED", "ANY"]),
        )]),
    ),
];

/// How long results are kept. AWS has the status `EXPIRED` and does not say after what time; a day
/// is the interval in which everything about lifecycle policies happens.
const KEPT: f64 = 86_400.0;

/// A preview that was begun.
#[derive(Debug)]
pub(crate) struct Preview {
    /// Of a repository that was created then: one of the same name that came later has none.
    created_at: f64,
    policy: String,
    done: f64,
    /// In the order in which they are listed.
    results: BTreeMap<String, Entry>,
    /// So many reads do not see it yet, but the one before.
    unseen: u64,
    before: Option<Box<Preview>>,
}

/// An image on which the policy would act.
#[derive(Debug)]
struct Entry {
    tags: Vec<String>,
    archived: bool,
    pushed_at: f64,
    verdict: Verdict,
}

/// Begins a preview, of the text or else of the policy that is in force. It sees the images as they
/// are now.
pub(super) fn start(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    let (now, done) = (context.now, context.job_end());
    let unseen = context.settings.preview_lag_calls;
    let repository = &*context.repository(input)?;
    let policy = match text(input, "lifecyclePolicyText") {
        "" => lifecycle::policy(repository)?.to_owned(),
        given => lifecycle_grammar::canonical(given)?,
    };
    let mut preview = Preview {
        unseen,
        before: None,
        created_at: repository.created_at,
        done,
        results: evaluate(&policy, &repository.images, now)
            .into_iter()
            .filter_map(|verdict| Some(entry(repository.images.get(&verdict.digest)?, verdict)))
            .collect(),
        policy: policy.clone(),
    };
    let name = repository.name.clone();
    let answer = answer(
        repository,
        [
            ("lifecyclePolicyText", json!(policy)),
            ("status", json!("IN_PROGRESS")),
        ],
    );
    let others = &mut context.registry.previews;
    let running = others.get(&name).is_some_and(|other| {
        other.created_at.total_cmp(&preview.created_at).is_eq() && now < other.done
    });
    if running {
        return Err(in_progress(&name, &context.caller.account));
    }
    let before = others.remove(&name);
    preview.before = before.filter(|_| unseen > 0).map(Box::new);
    others.insert(name, preview);
    Ok(answer)
}

/// Sorted by the time of the push, as the results are in the console.
fn entry(image: &Image, verdict: Verdict) -> (String, Entry) {
    let entry = Entry {
        tags: image.tags.clone(),
        archived: image.archived,
        pushed_at: image.pushed_at,
        verdict,
    };
    (format!("{:016.3} {}", image.pushed_at, image.digest), entry)
}

fn in_progress(name: &str, registry: &str) -> Error {
    Error::new(
        "LifecyclePolicyPreviewInProgressException",
        format!(
            "Lifecycle policy preview is already in progress for the repository with name '{name}' \
             in the registry with id '{registry}'"
        ),
    )
}

/// Tells the results, once there are any.
pub(super) fn get(context: &mut Context<'_>, input: &Value) -> Result<Value, Error> {
    paging::refuse_with(input, "imageIds")?;
    let now = context.now;
    let repository = &*context.repository(input)?;
    let (name, created_at) = (repository.name.clone(), repository.created_at);
    let arn = repository.arn.clone();
    let filter = input.get("filter").unwrap_or(&Value::Null);
    let page = Page::read(input, format!("GetLifecyclePolicyPreview {arn} {filter}"))?;
    let preview = context
        .registry
        .previews
        .get_mut(&name)
        .and_then(Preview::seen)
        .filter(|preview| preview.created_at.total_cmp(&created_at).is_eq())
        .ok_or_else(|| not_found(&name, &context.caller.account))?;
    let status = preview.status(now);
    let mut answer = json!({
        "registryId": context.caller.account,
        "repositoryName": name,
        "lifecyclePolicyText": preview.policy,
        "status": status,
    });
    if status != "COMPLETE" {
        return Ok(answer);
    }
    let following = preview
        .results
        .range::<str, _>((page.start(), Bound::Unbounded))
        .filter(|(_, entry)| entry.is_asked_for(input));
    let (results, token) = page.take(following.map(|(key, entry)| (key, entry.to_json())));
    if let Some(members) = answer.as_object_mut() {
        members.insert("previewResults".to_owned(), json!(results));
        members.insert("summary".to_owned(), preview.summary());
    }
    Ok(with_token(answer, token))
}

fn not_found(name: &str, registry: &str) -> Error {
    Error::new(
        "LifecyclePolicyPreviewNotFoundException",
        format!(
            "Lifecycle policy preview does not exist for the repository with name '{name}' in the \
             registry with id '{registry}'"
        ),
    )
}

impl Preview {
    /// What a read sees: AWS promises nothing of one right after a write.
    fn seen(&mut self) -> Option<&Self> {
        if self.unseen > 0 {
            self.unseen -= 1;
            return self.before.as_deref();
        }
        Some(self)
    }

    fn status(&self, now: f64) -> &'static str {
        match now - self.done {
            since if since < 0.0 => "IN_PROGRESS",
            since if since < KEPT => "COMPLETE",
            _ => "EXPIRED",
        }
    }

    /// Counts all results, whatever the page and the filter.
    fn summary(&self) -> Value {
        let count = |action: Action| {
            let entries = self.results.values();
            entries
                .filter(|entry| entry.verdict.action == action)
                .count()
        };
        let transitions = count(Action::Transition);
        let totals = (transitions > 0)
            .then(|| json!({ "targetStorageClass": "ARCHIVE", "imageTotalCount": transitions }));
        json!({
            "expiringImageTotalCount": count(Action::Expire),
            "transitioningImageTotalCounts": totals.into_iter().collect::<Vec<Value>>(),
        })
    }
}

impl Entry {
    /// Whether the ids and the filter of a call let the entry through. An id without a result is no
    /// error: the operation declares none for it.
    fn is_asked_for(&self, input: &Value) -> bool {
        let ids = items(input, "imageIds");
        let asked = ids.is_empty() || ids.iter().any(|id| self.is_meant_by(id));
        let filter = input.get("filter").unwrap_or(&Value::Null);
        asked
            && match text(filter, "tagStatus") {
                "TAGGED" => !self.tags.is_empty(),
                "UNTAGGED" => self.tags.is_empty(),
                _ => true,
            }
    }

    fn is_meant_by(&self, id: &Value) -> bool {
        let (digest, tag) = (text(id, "imageDigest"), text(id, "imageTag"));
        (!digest.is_empty() || !tag.is_empty())
            && (digest.is_empty() || self.verdict.digest == digest)
            && (tag.is_empty() || self.tags.iter().any(|own| own == tag))
    }

    fn to_json(&self) -> Value {
        let action = match self.verdict.action {
            Action::Expire => json!({ "type": "EXPIRE" }),
            Action::Transition => json!({ "type": "TRANSITION", "targetStorageClass": "ARCHIVE" }),
        };
        json!({
            "imageTags": self.tags,
            "imageDigest": self.verdict.digest,
            "imagePushedAt": self.pushed_at,
            "action": action,
            "appliedRulePriority": self.verdict.priority,
            "storageClass": if self.archived { "ARCHIVE" } else { "STANDARD" },
        })
    }
}
