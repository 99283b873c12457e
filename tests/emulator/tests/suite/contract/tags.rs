//! The tags of repositories.

use aws_sdk_ecr::types::Tag;

use super::taker::Taker;

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build().unwrap()
}

fn tags(count: usize) -> Vec<Tag> {
    (0..count)
        .map(|index| tag(&format!("k{index}"), "v"))
        .collect()
}

impl Taker {
    pub(super) async fn tags(&mut self) {
        let arn = self.arn("api").await;
        let second = self.arn("second").await;
        self.added(&arn).await;
        self.refused_tags(&second).await;
        self.wrong_arns(&arn).await;
        for (step, key) in [
            ("untag", "a"),
            ("untag what is not there", "never-there"),
            ("untag a reserved key", "aws:own"),
        ] {
            let outcome = self
                .ecr
                .untag_resource()
                .resource_arn(&arn)
                .tag_keys(key)
                .send()
                .await;
            self.refusal(step, outcome);
        }
        let listed = self
            .ecr
            .list_tags_for_resource()
            .resource_arn(&arn)
            .send()
            .await;
        self.note("list the tags", listed, |got| {
            let b = got.tags().iter().find(|tag| tag.key == "b").unwrap();
            format!("{}, b: {}", got.tags().len(), b.value)
        });
        self.at_creation().await;
    }

    /// The ARN of a repository of the contract.
    pub(super) async fn arn(&self, name: &str) -> String {
        let describe = self.ecr.describe_repositories();
        let described = describe.repository_names(self.named(name)).send().await;
        let repository = described.unwrap().repositories.unwrap().remove(0);
        repository.repository_arn.unwrap()
    }

    async fn tag(&mut self, step: &'static str, arn: &str, tags: Vec<Tag>) {
        let put = self.ecr.tag_resource().resource_arn(arn);
        let outcome = put.set_tags(Some(tags)).send().await;
        self.refusal(step, outcome);
    }

    async fn added(&mut self, arn: &str) {
        for (step, tags) in [
            ("tag", vec![tag("a", "1"), tag("b", "2")]),
            ("tag with another value", vec![tag("b", "3")]),
            ("tag with a key of 128", vec![tag(&"k".repeat(128), "v")]),
            (
                "tag with a value of 256",
                vec![tag("long", &"v".repeat(256))],
            ),
            ("tag with no value", vec![tag("long", "")]),
        ] {
            self.tag(step, arn, tags).await;
        }
    }

    /// On another repository: what one takes and the other does not would be seen later.
    async fn refused_tags(&mut self, arn: &str) {
        for (step, tags) in [
            ("tag with a reserved key", vec![tag("aws:own", "v")]),
            (
                "tag with a reserved key in upper case",
                vec![tag("AWS:own", "v")],
            ),
            ("tag with a reserved value", vec![tag("own", "aws:v")]),
            ("tag with no key", vec![tag("", "v")]),
            ("tag with a key of 129", vec![tag(&"k".repeat(129), "v")]),
            (
                "tag with a value of 257",
                vec![tag("long", &"v".repeat(257))],
            ),
            ("tag with a key twice", vec![tag("c", "1"), tag("c", "2")]),
            (
                "tag with a character that is not allowed",
                vec![tag("a<b", "v")],
            ),
            ("tag with 51", tags(51)),
        ] {
            self.tag(step, arn, tags).await;
        }
    }

    async fn wrong_arns(&mut self, arn: &str) {
        let mut parts: Vec<&str> = arn.split(':').collect();
        let region = parts[3];
        parts[3] = if region == "us-west-2" {
            "us-east-1"
        } else {
            "us-west-2"
        };
        for (step, arn) in [
            ("list the tags of what is not there", format!("{arn}-none")),
            ("list the tags of another region", parts.join(":")),
            ("list the tags of what is no ARN", "nope".to_owned()),
        ] {
            let outcome = self
                .ecr
                .list_tags_for_resource()
                .resource_arn(arn)
                .send()
                .await;
            self.refusal(step, outcome);
        }
    }

    async fn at_creation(&mut self) {
        for (step, name, tags) in [
            ("create with 50 tags", "tags-50", tags(50)),
            ("create with 51 tags", "tags-51", tags(51)),
            (
                "create with a reserved tag",
                "tags-aws",
                vec![tag("aws:own", "v")],
            ),
            (
                "create with a tag twice",
                "tags-twice",
                vec![tag("a", "1"), tag("a", "2")],
            ),
        ] {
            let create = self
                .ecr
                .create_repository()
                .repository_name(self.named(name));
            let outcome = create.set_tags(Some(tags)).send().await;
            self.refusal(step, outcome);
        }
    }
}
