//! Operations that moto does not have: what they answer where there is nothing. None changes
//! anything.

use aws_sdk_ecr::types::{RctAppliedFor, SubjectIdentifier, TargetStorageClass};

use super::images::id;
use super::taker::{NO_DIGEST, Taker};

/// A backfill that nobody has started.
const NO_BACKFILL: &str = "00000000-0000-0000-0000-000000000000";

impl Taker {
    pub(super) async fn beyond(&mut self) {
        self.settings().await;
        self.exclusions().await;
        self.templates().await;
        self.pull_through().await;
        self.backfills().await;
        self.artifacts().await;
    }

    async fn settings(&mut self) {
        let setting = self
            .ecr
            .get_account_setting()
            .name("BLOB_MOUNTING")
            .send()
            .await;
        self.refusal("get an account setting", setting);
        let setting = self.ecr.get_account_setting().name("NOPE").send().await;
        self.refusal("get an account setting that cannot be", setting);
        let put = self
            .ecr
            .put_account_setting()
            .name("BLOB_MOUNTING")
            .value("NOPE");
        let outcome = put.send().await;
        self.refusal("put an account setting that cannot be", outcome);
    }

    async fn exclusions(&mut self) {
        let outcome = self.ecr.list_pull_time_update_exclusions().send().await;
        self.refusal("list pull-time exclusions", outcome);
        let role = "arn:aws:iam::123456789012:role/contract-never-there";
        let drop = self
            .ecr
            .deregister_pull_time_update_exclusion()
            .principal_arn(role);
        let outcome = drop.send().await;
        self.refusal("drop a pull-time exclusion that is not there", outcome);
        let add = self
            .ecr
            .register_pull_time_update_exclusion()
            .principal_arn("nope");
        let outcome = add.send().await;
        self.refusal("add a pull-time exclusion of nobody", outcome);
    }

    async fn templates(&mut self) {
        let none = self.named("none");
        let describe = self.ecr.describe_repository_creation_templates();
        let outcome = describe.prefixes(&none).send().await;
        self.note("describe a template that is not there", outcome, |got| {
            got.repository_creation_templates().len().to_string()
        });
        let update = self.ecr.update_repository_creation_template();
        let outcome = update.prefix(&none).description("d").send().await;
        self.refusal("update a template that is not there", outcome);
        let create = self.ecr.create_repository_creation_template();
        let create = create
            .prefix("Upper")
            .applied_for(RctAppliedFor::CreateOnPush);
        let outcome = create.send().await;
        self.refusal("create a template in upper case", outcome);
        let delete = self.ecr.delete_repository_creation_template();
        let outcome = delete.prefix(&none).send().await;
        self.refusal("delete a template that is not there", outcome);
    }

    async fn pull_through(&mut self) {
        let none = "contract-none";
        let describe = self.ecr.describe_pull_through_cache_rules();
        let described = describe.ecr_repository_prefixes(none).send().await;
        self.refusal(
            "describe a pull through cache rule that is not there",
            described,
        );
        let validate = self.ecr.validate_pull_through_cache_rule();
        let validated = validate.ecr_repository_prefix(none).send().await;
        self.refusal(
            "validate a pull through cache rule that is not there",
            validated,
        );
        let update = self.ecr.update_pull_through_cache_rule();
        let update = update
            .ecr_repository_prefix(none)
            .custom_role_arn("arn:aws:iam::123456789012:role/r");
        let updated = update.send().await;
        self.refusal(
            "update a pull through cache rule that is not there",
            updated,
        );
        let delete = self.ecr.delete_pull_through_cache_rule();
        let deleted = delete.ecr_repository_prefix(none).send().await;
        self.refusal(
            "delete a pull through cache rule that is not there",
            deleted,
        );
        let create = self
            .ecr
            .create_pull_through_cache_rule()
            .ecr_repository_prefix(none);
        let created = create
            .upstream_registry_url("registry.example.com")
            .send()
            .await;
        self.refusal("cache an upstream that ECR does not know", created);
    }

    async fn backfills(&mut self) {
        let outcome = self.ecr.list_replication_backfills().send().await;
        self.refusal("list backfills", outcome);
        let stop = self.ecr.stop_replication_backfill();
        let outcome = stop.replication_backfill_id(NO_BACKFILL).send().await;
        self.refusal("stop a backfill that is not there", outcome);
        let describe = self.ecr.describe_replication_backfill_results();
        let describe = describe.replication_backfill_id(NO_BACKFILL);
        let outcome = describe.send().await;
        self.refusal("results of a backfill that is not there", outcome);
    }

    async fn artifacts(&mut self) {
        let subject = SubjectIdentifier::builder()
            .image_digest(NO_DIGEST)
            .build()
            .unwrap();
        let list = self.ecr.list_image_referrers().repository_name(&self.name);
        let outcome = list.subject_id(subject).send().await;
        self.note("list referrers of nothing", outcome, |got| {
            got.referrers().len().to_string()
        });
        let update = self
            .ecr
            .update_image_storage_class()
            .repository_name(&self.name);
        let update = update.image_id(id("", "none"));
        let outcome = update
            .target_storage_class(TargetStorageClass::Archive)
            .send()
            .await;
        self.refusal("archive an image that is not there", outcome);
        let describe = self
            .ecr
            .describe_image_signing_status()
            .repository_name(&self.name);
        let outcome = describe.image_id(id("", "none")).send().await;
        self.refusal("signatures of an image that is not there", outcome);
    }
}
