//! The steps of the contract. They only touch repositories of their own, and take them away.

use std::fmt::Debug;

use aws_sdk_ecr::Client;
use aws_sdk_ecr::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ecr::types::{
    EncryptionConfiguration, EncryptionType, ImageIdentifier, ImageTagMutability,
    ImageTagMutabilityExclusionFilter, ImageTagMutabilityExclusionFilterType, Tag,
};
use serde_json::{Value, json};

use super::{Answers, code};

/// One that speaks ECR's API, and what it has answered so far.
struct Taker<'a> {
    ecr: &'a Client,
    name: String,
    answers: Answers,
}

/// Takes all steps; `prefix` is the namespace of the repositories.
pub(super) async fn take(ecr: &Client, prefix: &str) -> Answers {
    let mut taker = Taker {
        ecr,
        name: format!("{prefix}/api"),
        answers: Answers::new(),
    };
    taker.repositories(prefix).await;
    taker.mutability().await;
    taker.tags().await;
    taker.policy().await;
    taker.lifecycle().await;
    taker.images().await;
    taker.registry().await;
    taker.deletion(prefix).await;
    taker.answers
}

fn tag(key: &str) -> Tag {
    Tag::builder().key(key).value("v").build().unwrap()
}

fn wildcards(count: usize) -> Vec<ImageTagMutabilityExclusionFilter> {
    let filter = |index| {
        ImageTagMutabilityExclusionFilter::builder()
            .filter_type(ImageTagMutabilityExclusionFilterType::Wildcard)
            .filter(format!("v{index}*"))
            .build()
            .unwrap()
    };
    (0..count).map(filter).collect()
}

fn rule(priority: u32, selection: Value) -> Value {
    json!({ "rulePriority": priority, "selection": selection, "action": { "type": "expire" } })
}

fn any(priority: u32) -> Value {
    rule(
        priority,
        json!({ "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 5 }),
    )
}

fn untagged(priority: u32) -> Value {
    rule(
        priority,
        json!({ "tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 5 }),
    )
}

fn transition(priority: u32) -> Value {
    json!({
        "rulePriority": priority,
        "selection": { "tagStatus": "any", "countType": "sinceImagePulled", "countUnit": "days", "countNumber": 5 },
        "action": { "type": "transition", "targetStorageClass": "archive" },
    })
}

impl Taker<'_> {
    /// Keeps an answer in a few words, or the code of a refusal.
    fn note<T, E: ProvideErrorMetadata + Debug>(
        &mut self,
        step: &'static str,
        outcome: Result<T, SdkError<E>>,
        words: impl FnOnce(T) -> String,
    ) {
        let answer = outcome.map_or_else(|error| code(&error), words);
        assert!(self.answers.insert(step, answer).is_none(), "{step} twice");
    }

    /// Keeps only whether it was refused.
    fn refusal<T, E: ProvideErrorMetadata + Debug>(
        &mut self,
        step: &'static str,
        outcome: Result<T, SdkError<E>>,
    ) {
        self.note(step, outcome, |_| "done".to_owned());
    }

    async fn create(&mut self, step: &'static str, name: String) {
        let outcome = self
            .ecr
            .create_repository()
            .repository_name(name)
            .send()
            .await;
        self.note(step, outcome, |created| {
            let repository = created.repository.unwrap();
            let encryption = repository.encryption_configuration.unwrap();
            format!(
                "{:?} {:?}",
                repository.image_tag_mutability.unwrap(),
                encryption.encryption_type
            )
        });
    }

    async fn repositories(&mut self, prefix: &str) {
        self.create("create", self.name.clone()).await;
        self.create("create it again", self.name.clone()).await;
        self.create("create with two underscores", format!("{prefix}/a__b"))
            .await;
        self.create("create with upper case", format!("{prefix}/Upper"))
            .await;
        self.create("create with a name of one letter", "a".to_owned())
            .await;
        let key = EncryptionConfiguration::builder().encryption_type(EncryptionType::Aes256);
        let key = key.kms_key("alias/own").build().unwrap();
        let create = self.ecr.create_repository().encryption_configuration(key);
        let outcome = create.repository_name(format!("{prefix}/key")).send().await;
        self.refusal("create with AES256 and a key", outcome);
        let describe = self.ecr.describe_repositories();
        let missing = describe
            .clone()
            .repository_names(format!("{prefix}/none"))
            .send()
            .await;
        self.refusal("describe what is not there", missing);
        let named = describe.clone().repository_names(&self.name);
        let page = named.max_results(1).send().await;
        self.refusal("describe names in pages", page);
        let create = self
            .ecr
            .create_repository()
            .repository_name(format!("{prefix}/second"));
        self.refusal("create a second", create.send().await);
        self.note(
            "describe a page of one",
            describe.max_results(1).send().await,
            |page| {
                let more = page.next_token.is_some();
                format!(
                    "{} more: {more}",
                    page.repositories.unwrap_or_default().len()
                )
            },
        );
    }

    async fn mutability(&mut self) {
        use ImageTagMutability::{Immutable, ImmutableWithExclusion, Mutable};
        for (step, mutability, filters) in [
            ("make immutable", Immutable, 0),
            ("make immutable with filters", Immutable, 1),
            ("exclude without filters", ImmutableWithExclusion, 0),
            ("exclude six patterns", ImmutableWithExclusion, 6),
            ("exclude two patterns", ImmutableWithExclusion, 2),
            ("make mutable", Mutable, 0),
        ] {
            let filters = (filters > 0).then(|| wildcards(filters));
            let put = self
                .ecr
                .put_image_tag_mutability()
                .repository_name(&self.name);
            let put = put.image_tag_mutability(mutability);
            let outcome = put
                .set_image_tag_mutability_exclusion_filters(filters)
                .send()
                .await;
            self.note(step, outcome, |put| {
                let filters = put
                    .image_tag_mutability_exclusion_filters
                    .unwrap_or_default();
                format!("{:?} {}", put.image_tag_mutability.unwrap(), filters.len())
            });
        }
    }

    async fn tags(&mut self) {
        let described = self
            .ecr
            .describe_repositories()
            .repository_names(&self.name)
            .send()
            .await;
        let arn = described
            .unwrap()
            .repositories
            .unwrap()
            .remove(0)
            .repository_arn
            .unwrap();
        let many: Vec<Tag> = (0..51).map(|index| tag(&format!("k{index}"))).collect();
        for (step, tags) in [
            ("tag", vec![tag("a"), tag("b")]),
            ("tag with a reserved key", vec![tag("aws:own")]),
            ("tag with 51", many),
        ] {
            let put = self
                .ecr
                .tag_resource()
                .resource_arn(&arn)
                .set_tags(Some(tags));
            self.refusal(step, put.send().await);
        }
        let untag = self.ecr.untag_resource().resource_arn(&arn).tag_keys("a");
        self.refusal("untag", untag.tag_keys("never-there").send().await);
        let missing = self
            .ecr
            .list_tags_for_resource()
            .resource_arn(format!("{arn}-none"));
        self.refusal("list the tags of what is not there", missing.send().await);
    }

    async fn policy(&mut self) {
        let statement =
            json!({ "Sid": "s", "Effect": "Deny", "Principal": "*", "Action": "ecr:PutImage" });
        let policy = |statements: &[&Value]| {
            json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
        };
        let get = self.ecr.get_repository_policy().repository_name(&self.name);
        self.refusal("get no policy", get.clone().send().await);
        for (step, text) in [
            ("set a policy that is no JSON", "{nope".to_owned()),
            ("set a policy without statements", policy(&[])),
            (
                "set a policy with a Sid twice",
                policy(&[&statement, &statement]),
            ),
            ("set a policy", policy(&[&statement])),
        ] {
            let set = self.ecr.set_repository_policy().repository_name(&self.name);
            self.refusal(step, set.policy_text(text).send().await);
        }
        self.note("get the policy", get.send().await, |got| {
            format!(
                "on lines: {}",
                got.policy_text.unwrap().contains("\n  \"Version\" : ")
            )
        });
        let delete = self
            .ecr
            .delete_repository_policy()
            .repository_name(&self.name);
        self.refusal("delete the policy", delete.clone().send().await);
        self.refusal("delete the policy again", delete.send().await);
    }

    async fn lifecycle(&mut self) {
        let get = self.ecr.get_lifecycle_policy().repository_name(&self.name);
        self.refusal("get no lifecycle policy", get.clone().send().await);
        let tagged = rule(
            1,
            json!({ "tagStatus": "tagged", "countType": "imageCountMoreThan", "countNumber": 5 }),
        );
        for (step, rules) in [
            ("rules with a priority twice", json!([any(1), untagged(1)])),
            ("a rule for any before others", json!([any(1), untagged(2)])),
            ("two rules for untagged", json!([untagged(1), untagged(2)])),
            ("a rule for tagged without tags", json!([tagged])),
            ("rules that archive", json!([transition(1)])),
            ("rules in disorder", json!([any(9), untagged(2)])),
        ] {
            let put = self.ecr.put_lifecycle_policy().repository_name(&self.name);
            let text = json!({ "rules": rules }).to_string();
            self.refusal(step, put.lifecycle_policy_text(text).send().await);
        }
        self.note("get the lifecycle policy", get.send().await, |got| {
            let policy: Value = serde_json::from_str(&got.lifecycle_policy_text.unwrap()).unwrap();
            format!("first: {}", policy["rules"][0]["rulePriority"])
        });
        let start = self
            .ecr
            .start_lifecycle_policy_preview()
            .repository_name(&self.name);
        let outcome = start.send().await;
        self.refusal("start a preview", outcome);
        let delete = self
            .ecr
            .delete_lifecycle_policy()
            .repository_name(&self.name);
        self.refusal("delete the lifecycle policy", delete.clone().send().await);
        self.refusal("delete the lifecycle policy again", delete.send().await);
    }

    async fn images(&mut self) {
        let id = ImageIdentifier::builder().image_tag("none").build();
        let list = self
            .ecr
            .list_images()
            .repository_name(&self.name)
            .send()
            .await;
        self.note("list no images", list, |list| {
            list.image_ids().len().to_string()
        });
        let describe = self.ecr.describe_images().repository_name(&self.name);
        self.refusal(
            "describe an image that is not there",
            describe.image_ids(id.clone()).send().await,
        );
        let get = self.ecr.batch_get_image().repository_name(&self.name);
        self.note(
            "get an image that is not there",
            get.image_ids(id).send().await,
            |got| format!("{:?}", got.failures()[0].failure_code().unwrap()),
        );
        let digest = format!("sha256:{}", "0".repeat(64));
        let manifest = crate::support::manifest(&digest, &digest, "");
        let put = self
            .ecr
            .put_image()
            .repository_name(&self.name)
            .image_tag("v");
        self.refusal(
            "put an image without its layers",
            put.image_manifest(manifest).send().await,
        );
    }

    async fn registry(&mut self) {
        let scanning = self.ecr.batch_get_repository_scanning_configuration();
        let outcome = scanning.repository_names("none/there").send().await;
        self.note("scanning of what is not there", outcome, |got| {
            format!("{:?}", got.failures()[0].failure_code().unwrap())
        });
        let setting = self.ecr.get_account_setting().name("BLOB_MOUNTING");
        self.refusal("get an account setting", setting.send().await);
        let templates = self.ecr.describe_repository_creation_templates();
        self.note(
            "describe a template that is not there",
            templates.prefixes("none").send().await,
            |got| got.repository_creation_templates().len().to_string(),
        );
        let rules = self.ecr.describe_pull_through_cache_rules();
        let outcome = rules.ecr_repository_prefixes("none").send().await;
        self.refusal(
            "describe a pull through cache rule that is not there",
            outcome,
        );
        let exclusions = self.ecr.list_pull_time_update_exclusions();
        self.refusal("list pull-time exclusions", exclusions.send().await);
        let token = self.ecr.get_authorization_token().send().await;
        self.note("get a token", token, |got| {
            got.authorization_data().len().to_string()
        });
    }

    async fn deletion(&mut self, prefix: &str) {
        let delete = |name: &str| self.ecr.delete_repository().repository_name(name);
        let [one, again] = [delete(&self.name).force(true), delete(&self.name)];
        // Whatever was made against the contract goes too.
        for name in [
            &format!("{prefix}/a__b"),
            &format!("{prefix}/key"),
            &format!("{prefix}/second"),
            "a",
        ] {
            let _ = delete(name).force(true).send().await;
        }
        self.refusal("delete", one.send().await);
        self.refusal("delete it again", again.send().await);
    }
}
