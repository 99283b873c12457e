//! What is the registry's: its policy, its scanning, its replication.

use aws_sdk_ecr::types::{
    RegistryScanningRule, ReplicationConfiguration, ReplicationDestination, ReplicationRule,
    RepositoryFilter, RepositoryFilterType, ScanFrequency, ScanType, ScanningRepositoryFilter,
    ScanningRepositoryFilterType,
};
use serde_json::{Value, json};

use super::images::id;
use super::taker::{Taker, tally};

fn scanning(frequency: ScanFrequency, filter: &str) -> RegistryScanningRule {
    let kind = ScanningRepositoryFilterType::Wildcard;
    let filter = ScanningRepositoryFilter::builder()
        .filter(filter)
        .filter_type(kind);
    let rule = RegistryScanningRule::builder().scan_frequency(frequency);
    rule.repository_filters(filter.build().unwrap())
        .build()
        .unwrap()
}

impl Taker {
    /// Steps that change nothing.
    pub(super) async fn registry(&mut self) {
        self.effective("scanning", &["api"]).await;
        self.effective("scanning on push", &["scanned"]).await;
        self.effective("scanning of one and of what is not there", &["api", "none"])
            .await;
        self.effective("scanning of 26", &["api"; 26]).await;
        for (step, tag) in [
            ("replication of an image", "list"),
            ("replication of an image that is not there", "none"),
        ] {
            let describe = self.ecr.describe_image_replication_status();
            let describe = describe.repository_name(&self.name).image_id(id("", tag));
            let outcome = describe.send().await;
            self.note(step, outcome, |got| {
                got.replication_statuses().len().to_string()
            });
        }
        let token = self.ecr.get_authorization_token().send().await;
        self.note("get a token", token, |got| {
            got.authorization_data().len().to_string()
        });
    }

    async fn effective(&mut self, step: &'static str, names: &[&str]) {
        let names = names.iter().map(|name| self.named(name)).collect();
        let get = self.ecr.batch_get_repository_scanning_configuration();
        let outcome = get.set_repository_names(Some(names)).send().await;
        self.note(step, outcome, |got| {
            let found = got.scanning_configurations().iter().map(|found| {
                let filters = found.applied_scan_filters().len();
                format!("{} by {filters}", found.scan_frequency().unwrap())
            });
            let failures = got.failures().iter();
            let codes = failures.map(|failure| failure.failure_code().unwrap().to_string());
            tally(got.scanning_configurations().len(), found.chain(codes))
        });
    }

    /// Steps that replace settings of the whole registry. What they set is about the contract's own
    /// repositories only.
    pub(super) async fn registry_settings(&mut self) {
        self.registry_policy().await;
        self.registry_scanning().await;
        self.replication().await;
    }

    /// Account and region, as they are in the ARN of a repository.
    async fn place(&self) -> (String, String, String) {
        let arn = self.arn("api").await;
        let parts: Vec<&str> = arn.split(':').collect();
        (
            parts[1].to_owned(),
            parts[3].to_owned(),
            parts[4].to_owned(),
        )
    }

    async fn registry_policy(&mut self) {
        let (partition, region, account) = self.place().await;
        let resource = format!(
            "arn:{partition}:ecr:{region}:{account}:repository/{}/*",
            self.prefix
        );
        let policy = |action: Value| {
            json!({ "Version": "2012-10-17", "Statement": [{
                "Sid": "s",
                "Effect": "Allow",
                "Principal": { "AWS": format!("arn:{partition}:iam::{account}:root") },
                "Action": action,
                "Resource": resource,
            }] })
            .to_string()
        };
        let get = self.ecr.get_registry_policy();
        let outcome = get.clone().send().await;
        self.refusal("get no registry policy", outcome);
        for (step, text) in [
            ("put a registry policy that is no JSON", "{nope".to_owned()),
            (
                "put a registry policy of 10241 characters",
                format!("{:10241}", policy(json!("ecr:ReplicateImage"))),
            ),
            (
                "put a registry policy for another service",
                policy(json!("s3:GetObject")),
            ),
            (
                "put a registry policy for an action that is none",
                policy(json!("ecr:Nope")),
            ),
            (
                "put a registry policy for imports",
                policy(json!(["ecr:BatchImportUpstreamImage"])),
            ),
            (
                "put a registry policy for pulls",
                policy(json!(["ecr:BatchGetImage"])),
            ),
            (
                "put a registry policy",
                policy(json!(["ecr:CreateRepository", "ecr:ReplicateImage"])),
            ),
        ] {
            let outcome = self
                .ecr
                .put_registry_policy()
                .policy_text(text)
                .send()
                .await;
            self.refusal(step, outcome);
        }
        let outcome = get.send().await;
        self.note("get the registry policy", outcome, |got| {
            let lines = got.policy_text().unwrap().contains("\n  \"Version\" : ");
            format!("on lines: {lines}")
        });
        for step in [
            "delete the registry policy",
            "delete the registry policy again",
        ] {
            let outcome = self.ecr.delete_registry_policy().send().await;
            self.refusal(step, outcome);
        }
    }

    async fn registry_scanning(&mut self) {
        use ScanFrequency::{ContinuousScan, Manual, ScanOnPush};
        self.scanned("get the registry's scanning").await;
        let own = format!("{}/*", self.prefix);
        let rule = |frequency| scanning(frequency, &own);
        let wild = scanning(ScanOnPush, &format!("{}/*a*b*c*d*", self.prefix));
        for (step, rules) in [
            (
                "scan all continuously, basically",
                vec![rule(ContinuousScan)],
            ),
            (
                "scan on push by two rules",
                vec![rule(ScanOnPush), rule(ScanOnPush)],
            ),
            (
                "scan by three rules",
                vec![rule(ScanOnPush), rule(Manual), rule(ScanOnPush)],
            ),
            ("scan by a filter of five wildcards", vec![wild]),
            (
                "scan by a filter in upper case",
                vec![scanning(ScanOnPush, "Upper")],
            ),
            ("scan all on push", vec![rule(ScanOnPush)]),
        ] {
            let put = self.ecr.put_registry_scanning_configuration();
            let put = put.scan_type(ScanType::Basic).set_rules(Some(rules));
            let outcome = put.send().await;
            self.note(step, outcome, |put| {
                let made = put.registry_scanning_configuration.unwrap();
                format!(
                    "{:?} {}",
                    made.scan_type.clone().unwrap(),
                    made.rules().len()
                )
            });
        }
        self.scanned("get the registry's scanning then").await;
        self.effective("scanning by a rule of the registry", &["api"])
            .await;
    }

    async fn scanned(&mut self, step: &'static str) {
        let get = self.ecr.get_registry_scanning_configuration();
        let outcome = get.send().await;
        self.note(step, outcome, |got| {
            let found = got.scanning_configuration.unwrap();
            format!("{:?} {}", found.scan_type().unwrap(), found.rules().len())
        });
    }

    async fn replication(&mut self) {
        let (_, region, account) = self.place().await;
        let other = if region == "us-west-2" {
            "us-east-1"
        } else {
            "us-west-2"
        };
        let kind = RepositoryFilterType::PrefixMatch;
        let filter = RepositoryFilter::builder()
            .filter(self.named(""))
            .filter_type(kind);
        let filter = filter.build().unwrap();
        let rule = |region: &str| {
            let destination = ReplicationDestination::builder()
                .region(region)
                .registry_id(&account);
            let rule = ReplicationRule::builder().destinations(destination.build().unwrap());
            rule.repository_filters(filter.clone()).build().unwrap()
        };
        self.replicated("replicate nothing yet").await;
        for (step, rules) in [
            ("replicate to where it is", vec![rule(&region)]),
            ("replicate by 26 rules", vec![rule(other); 26]),
            ("replicate by two rules", vec![rule(other), rule(other)]),
            ("replicate by a rule", vec![rule(other)]),
        ] {
            let wanted = ReplicationConfiguration::builder().set_rules(Some(rules));
            let put = self.ecr.put_replication_configuration();
            let put = put.replication_configuration(wanted.build().unwrap());
            let outcome = put.send().await;
            self.note(step, outcome, |put| {
                put.replication_configuration
                    .unwrap()
                    .rules()
                    .len()
                    .to_string()
            });
        }
        self.replicated("describe the registry").await;
        let none = ReplicationConfiguration::builder().set_rules(Some(Vec::new()));
        let put = self.ecr.put_replication_configuration();
        let put = put.replication_configuration(none.build().unwrap());
        let outcome = put.send().await;
        self.refusal("replicate nothing", outcome);
        self.replicated("describe the registry then").await;
    }

    async fn replicated(&mut self, step: &'static str) {
        let outcome = self.ecr.describe_registry().send().await;
        self.note(step, outcome, |got| {
            got.replication_configuration
                .unwrap()
                .rules()
                .len()
                .to_string()
        });
    }
}
