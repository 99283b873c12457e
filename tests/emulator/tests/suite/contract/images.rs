//! Images: described, listed, fetched and deleted.

use aws_sdk_ecr::types::{
    DescribeImagesFilter, ImageFailure, ImageIdentifier, ImageStatusFilter, ListImagesFilter,
    TagStatus,
};

use super::pushes::Pushed;
use super::taker::{NO_DIGEST, Taker, tally};

/// An id of a digest and a tag, each of them absent if it is empty.
pub(super) fn id(digest: &str, tag: &str) -> ImageIdentifier {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let id = ImageIdentifier::builder().set_image_digest(given(digest));
    id.set_image_tag(given(tag)).build()
}

fn many(count: usize) -> Vec<ImageIdentifier> {
    (0..count)
        .map(|index| id("", &format!("t{index}")))
        .collect()
}

fn codes(failures: &[ImageFailure]) -> impl Iterator<Item = String> {
    let code = |failure: &ImageFailure| failure.failure_code().unwrap().to_string();
    failures.iter().map(code)
}

const STATUSES: [(Option<TagStatus>, &str, &str); 3] = [
    (None, "describe all images", "list all images"),
    (
        Some(TagStatus::Tagged),
        "describe tagged images",
        "list tagged images",
    ),
    (
        Some(TagStatus::Untagged),
        "describe untagged images",
        "list untagged images",
    ),
];

impl Taker {
    pub(super) async fn images(&mut self, pushed: &Pushed) {
        self.statuses().await;
        self.described_images(pushed).await;
        self.image_pages().await;
        self.fetched(pushed).await;
        self.kept(pushed).await;
        self.deleted(pushed).await;
    }

    async fn statuses(&mut self) {
        for (status, described, listed) in STATUSES {
            let describe = self.ecr.describe_images().repository_name(&self.name);
            let filter = DescribeImagesFilter::builder().set_tag_status(status.clone());
            let outcome = describe.filter(filter.build()).send().await;
            self.note(described, outcome, |got| {
                got.image_details().len().to_string()
            });
            let list = self.ecr.list_images().repository_name(&self.name);
            let filter = ListImagesFilter::builder().set_tag_status(status);
            let outcome = list.filter(filter.build()).send().await;
            self.note(listed, outcome, |got| got.image_ids().len().to_string());
        }
        let describe = self.ecr.describe_images().repository_name(&self.name);
        let filter = DescribeImagesFilter::builder().image_status(ImageStatusFilter::Archived);
        let outcome = describe.filter(filter.build()).send().await;
        self.note("describe archived images", outcome, |got| {
            got.image_details().len().to_string()
        });
        let list = self.ecr.list_images().repository_name(self.named("none"));
        let outcome = list.send().await;
        self.refusal("list images of what is not there", outcome);
    }

    async fn described_images(&mut self, pushed: &Pushed) {
        let (one, two) = (pushed.one.as_str(), pushed.two.as_str());
        for (step, ids) in [
            ("describe an image by tag", vec![id("", "v1")]),
            ("describe an image by digest", vec![id(one, "")]),
            ("describe an image by both", vec![id(one, "v1")]),
            (
                "describe an image by the digest of another",
                vec![id(two, "v1")],
            ),
            ("describe an image that is not there", vec![id("", "none")]),
            (
                "describe an image and one that is not there",
                vec![id("", "v1"), id(NO_DIGEST, "")],
            ),
            ("describe 101 images", many(101)),
        ] {
            let describe = self.ecr.describe_images().repository_name(&self.name);
            let outcome = describe.set_image_ids(Some(ids)).send().await;
            self.note(step, outcome, |got| {
                let image = &got.image_details()[0];
                let own = image.image_digest() == Some(one);
                format!("own: {own}, tags: {:?}", image.image_tags())
            });
        }
    }

    async fn image_pages(&mut self) {
        let describe = self.ecr.describe_images().repository_name(&self.name);
        let outcome = describe.image_ids(id("", "v1")).send().await;
        self.note("status of an image", outcome, |got| {
            format!("{:?}", got.image_details()[0].image_status())
        });
        let describe = self.ecr.describe_images().repository_name(&self.name);
        let named = describe.clone().image_ids(id("", "v1")).max_results(2);
        let outcome = named.send().await;
        self.refusal("describe images by id in pages", outcome);
        let outcome = describe.clone().max_results(2).send().await;
        self.note("describe two images", outcome, |got| {
            format!(
                "{}, more: {}",
                got.image_details().len(),
                got.next_token.is_some()
            )
        });
        let list = self.ecr.list_images().repository_name(&self.name);
        let outcome = list.clone().max_results(2).send().await;
        self.note("list two images", outcome, |got| {
            format!(
                "{}, more: {}",
                got.image_ids().len(),
                got.next_token.is_some()
            )
        });
        let described = describe.max_results(1001).send().await;
        self.refusal("describe 1001 images", described);
        let listed = list.max_results(1001).send().await;
        self.refusal("list 1001 images", listed);
    }

    async fn fetched(&mut self, pushed: &Pushed) {
        let (one, two) = (pushed.one.as_str(), pushed.two.as_str());
        for (step, ids) in [
            ("get an image by tag", vec![id("", "v1")]),
            ("get an image by digest", vec![id(one, "")]),
            (
                "get an image and one that is not there",
                vec![id("", "v1"), id("", "none")],
            ),
            ("get an image of no digest", vec![id(NO_DIGEST, "")]),
            ("get an image by the digest of another", vec![id(two, "v1")]),
            (
                "get an image by a digest that cannot be",
                vec![id("nope", "")],
            ),
            ("get an image by nothing", vec![id("", "")]),
            ("get 101 images", many(101)),
            ("get no images", Vec::new()),
        ] {
            let get = self.ecr.batch_get_image().repository_name(&self.name);
            let outcome = get.set_image_ids(Some(ids)).send().await;
            self.note(step, outcome, |got| {
                tally(got.images().len(), codes(got.failures()))
            });
        }
    }

    async fn delete(&mut self, step: &'static str, ids: Vec<ImageIdentifier>) {
        let delete = self.ecr.batch_delete_image().repository_name(&self.name);
        let outcome = delete.set_image_ids(Some(ids)).send().await;
        self.note(step, outcome, |got| {
            tally(got.image_ids().len(), codes(got.failures()))
        });
    }

    /// Deletions that delete nothing.
    async fn kept(&mut self, pushed: &Pushed) {
        self.delete("delete an image of a list", vec![id(&pushed.part, "")])
            .await;
        self.delete("delete an image that is not there", vec![id("", "none")])
            .await;
        self.delete("delete an image of no digest", vec![id(NO_DIGEST, "")])
            .await;
        self.delete(
            "delete an image by the digest of another",
            vec![id(&pushed.two, "v1")],
        )
        .await;
        self.delete(
            "delete an image by a digest that cannot be",
            vec![id("nope", "")],
        )
        .await;
        self.delete("delete an image by nothing", vec![id("", "")])
            .await;
        self.delete("delete 101 images", many(101)).await;
    }

    async fn deleted(&mut self, pushed: &Pushed) {
        self.push_third_tag().await;
        self.delete("delete one tag of two", vec![id("", "v3")])
            .await;
        self.is_there("describe what has lost a tag", &pushed.two)
            .await;
        self.delete("delete the last tag", vec![id("", "v2")]).await;
        self.is_there("describe what has lost all tags", &pushed.two)
            .await;
        self.delete("delete an image by digest", vec![id(&pushed.one, "")])
            .await;
        self.is_there("describe what is deleted", &pushed.one).await;
    }

    async fn is_there(&mut self, step: &'static str, digest: &str) {
        let describe = self.ecr.describe_images().repository_name(&self.name);
        let outcome = describe.image_ids(id(digest, "")).send().await;
        self.note(step, outcome, |got| {
            format!("tags: {:?}", got.image_details()[0].image_tags())
        });
    }
}
