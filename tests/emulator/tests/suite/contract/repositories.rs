//! Repositories: made, described, set and taken away.

use aws_sdk_ecr::types::{
    EncryptionConfiguration, EncryptionType, ImageScanningConfiguration, ImageTagMutability,
    ImageTagMutabilityExclusionFilter, ImageTagMutabilityExclusionFilterType,
};

use super::taker::{FOREIGN, Taker};

fn wildcards(filters: &[&str]) -> Vec<ImageTagMutabilityExclusionFilter> {
    let filter = |filter: &&str| {
        ImageTagMutabilityExclusionFilter::builder()
            .filter_type(ImageTagMutabilityExclusionFilterType::Wildcard)
            .filter(*filter)
            .build()
            .unwrap()
    };
    filters.iter().map(filter).collect()
}

impl Taker {
    async fn create(&mut self, step: &'static str, name: &str) {
        let outcome = self
            .ecr
            .create_repository()
            .repository_name(name)
            .send()
            .await;
        self.note(step, outcome, |created| {
            let repository = created.repository.unwrap();
            let encryption = repository.encryption_configuration.unwrap();
            let mutability = repository.image_tag_mutability.unwrap();
            format!("{mutability:?} {:?}", encryption.encryption_type)
        });
    }

    pub(super) async fn repositories(&mut self) {
        self.names().await;
        self.encryption().await;
        self.creation().await;
        self.description().await;
        self.pages().await;
    }

    async fn names(&mut self) {
        let longest = 256 - self.named("").len();
        for (step, name) in [
            ("create", "api"),
            ("create it again", "api"),
            ("create a second", "second"),
            ("create with two underscores", "a__b"),
            ("create with two hyphens", "a--b"),
            ("create with two dots", "a..b"),
            ("create with a hyphen last", "a-"),
            ("create with two slashes", "a//b"),
            ("create with a digit first", "1st/2nd"),
            ("create with upper case", "Upper"),
            ("create with a name of 256", &"x".repeat(longest)),
            ("create with a name of 257", &"x".repeat(longest + 1)),
        ] {
            let name = self.named(name);
            self.create(step, &name).await;
        }
        self.create("create with a name of one letter", "a").await;
    }

    async fn encryption(&mut self) {
        use EncryptionType::{Aes256, Kms};
        for (step, name, kind, key) in [
            (
                "create with AES256 and a key",
                "aes",
                Aes256,
                Some("alias/own"),
            ),
            ("create with KMS and no key", "kms", Kms, None),
            (
                "create with another encryption",
                "rot13",
                "ROT13".into(),
                None,
            ),
        ] {
            let wanted = EncryptionConfiguration::builder().encryption_type(kind);
            let wanted = wanted.set_kms_key(key.map(str::to_owned)).build().unwrap();
            let create = self
                .ecr
                .create_repository()
                .encryption_configuration(wanted);
            let outcome = create.repository_name(self.named(name)).send().await;
            self.note(step, outcome, |created| {
                let made = created
                    .repository
                    .unwrap()
                    .encryption_configuration
                    .unwrap();
                let kind = made.encryption_type.as_str();
                format!("{kind}, key: {}", made.kms_key.is_some())
            });
        }
    }

    async fn creation(&mut self) {
        let create = |name| {
            self.ecr
                .create_repository()
                .repository_name(self.named(name))
        };
        let mutability = ImageTagMutability::ImmutableWithExclusion;
        let excluding = create("excluding").image_tag_mutability(mutability);
        let filters = wildcards(&["dev-*"]);
        let excluding = excluding.set_image_tag_mutability_exclusion_filters(Some(filters));
        let scanning = ImageScanningConfiguration::builder()
            .scan_on_push(true)
            .build();
        let scanned = create("scanned").image_scanning_configuration(scanning);
        let excluding = excluding.send().await;
        let scanned = scanned.send().await;
        let foreign = create("foreign").registry_id(FOREIGN).send().await;
        let wrong = create("wrong").registry_id("12").send().await;
        self.note("create with an exclusion", excluding, |created| {
            let repository = created.repository.unwrap();
            let filters = repository.image_tag_mutability_exclusion_filters();
            let mutability = repository.image_tag_mutability.as_ref().unwrap();
            format!("{mutability:?} {}", filters.len())
        });
        self.note("create with scans on push", scanned, |created| {
            let scanning = created.repository.unwrap().image_scanning_configuration;
            format!("{}", scanning.unwrap().scan_on_push)
        });
        self.refusal("create in a registry of others", foreign);
        self.refusal("create in a registry that cannot be", wrong);
    }

    async fn description(&mut self) {
        let describe = self.ecr.describe_repositories();
        let ours = |names: &[&str]| names.iter().map(|name| self.named(name)).collect();
        let many = (0..101)
            .map(|index| self.named(&format!("n{index}")))
            .collect();
        let missing: Vec<String> = ours(&["none"]);
        for (step, names) in [
            ("describe one", ours(&["api"])),
            ("describe one twice", ours(&["api", "api"])),
            ("describe what is not there", missing),
            ("describe one and what is not there", ours(&["api", "none"])),
            ("describe 101 names", many),
        ] {
            let describe = describe.clone().set_repository_names(Some(names));
            let outcome = describe.send().await;
            self.note(step, outcome, |got| got.repositories().len().to_string());
        }
        let nothing = describe.clone().set_repository_names(Some(Vec::new()));
        let outcome = nothing.send().await;
        self.refusal("describe no names", outcome);
        let foreign = describe.clone().registry_id(FOREIGN);
        let named = foreign.clone().repository_names(&self.name).send().await;
        self.refusal("describe one of others", named);
        let all = foreign.send().await;
        self.refusal("describe those of others", all);
    }

    async fn pages(&mut self) {
        let describe = self.ecr.describe_repositories();
        let named = describe.clone().repository_names(&self.name);
        let outcome = named.max_results(1).send().await;
        self.refusal("describe names in pages", outcome);
        let first = describe.clone().max_results(1).send().await;
        let token = first.as_ref().ok().and_then(|page| page.next_token.clone());
        self.note("describe a page of one", first, |page| {
            let one = page.repositories().len() == 1;
            format!("one: {one}, more: {}", page.next_token.is_some())
        });
        let second = describe.clone().max_results(1).set_next_token(token);
        let outcome = second.send().await;
        self.note("describe the next page", outcome, |page| {
            format!("one: {}", page.repositories().len() == 1)
        });
        for (step, size) in [
            ("describe a page of none", 0),
            ("describe a page of 1000", 1000),
            ("describe a page of 1001", 1001),
        ] {
            let outcome = describe.clone().max_results(size).send().await;
            self.refusal(step, outcome);
        }
        let outcome = describe.next_token("nobody's").send().await;
        self.refusal("describe with a token of nobody's", outcome);
    }

    pub(super) async fn mutability(&mut self) {
        use ImageTagMutability::{
            Immutable, ImmutableWithExclusion, Mutable, MutableWithExclusion,
        };
        for (step, mutability, filters) in [
            ("make immutable", Immutable, &[][..]),
            ("make immutable with filters", Immutable, &["v*"]),
            ("exclude without filters", ImmutableWithExclusion, &[]),
            (
                "exclude six patterns",
                ImmutableWithExclusion,
                &["a", "b", "c", "d", "e", "f"],
            ),
            (
                "exclude three wildcards",
                ImmutableWithExclusion,
                &["a*b*c*"],
            ),
            (
                "exclude by a question mark",
                ImmutableWithExclusion,
                &["v?"],
            ),
            (
                "exclude two patterns",
                ImmutableWithExclusion,
                &["v*", "a*b*"],
            ),
            ("exclude from mutable", MutableWithExclusion, &["v*"]),
            ("make something else", "FROZEN".into(), &[]),
            ("make mutable", Mutable, &[]),
        ] {
            let filters = (!filters.is_empty()).then(|| wildcards(filters));
            let put = self
                .ecr
                .put_image_tag_mutability()
                .repository_name(&self.name);
            let put = put.image_tag_mutability(mutability);
            let put = put.set_image_tag_mutability_exclusion_filters(filters);
            let outcome = put.send().await;
            self.note(step, outcome, |put| {
                let filters = put.image_tag_mutability_exclusion_filters();
                format!(
                    "{:?} {}",
                    put.image_tag_mutability().unwrap(),
                    filters.len()
                )
            });
        }
        for (step, name) in [
            ("scan on push", "second"),
            ("scan what is not there", "none"),
        ] {
            let scanning = ImageScanningConfiguration::builder()
                .scan_on_push(true)
                .build();
            let put = self.ecr.put_image_scanning_configuration();
            let put = put.repository_name(self.named(name));
            let outcome = put.image_scanning_configuration(scanning).send().await;
            self.note(step, outcome, |put| {
                put.image_scanning_configuration
                    .unwrap()
                    .scan_on_push
                    .to_string()
            });
        }
    }

    pub(super) async fn deletion(&mut self) {
        let delete = self.ecr.delete_repository().repository_name(&self.name);
        let foreign = delete.clone().registry_id(FOREIGN);
        for (step, delete) in [
            ("delete one of others", foreign),
            ("delete what holds images", delete.clone()),
            ("delete by force", delete.clone().force(true)),
            ("delete it again", delete.clone().force(true)),
            (
                "delete an empty one",
                delete.repository_name(self.named("second")),
            ),
        ] {
            let outcome = delete.send().await;
            self.refusal(step, outcome);
        }
    }
}
