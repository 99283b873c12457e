//! Pushes of images.

use aws_sdk_ecr::error::SdkError;
use aws_sdk_ecr::operation::put_image::{PutImageError, PutImageOutput};
use aws_sdk_ecr::types::ImageTagMutability;
use serde_json::json;

use super::taker::{NO_DIGEST, Taker};
use crate::support::{digest, manifest};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The digests of the images that the repository of most steps holds then.
pub(super) struct Pushed {
    pub(super) one: String,
    pub(super) two: String,
    /// The image in the manifest list.
    pub(super) part: String,
}

/// An image of one of the layers that are in stock. Images of the contract have no layers in common,
/// but where that is what a step is about: moto takes them for one image then.
fn image(number: u8, note: &str) -> String {
    manifest(
        &digest(b"config"),
        &digest(format!("lay-{number}").as_bytes()),
        note,
    )
}

fn index(part: &str) -> String {
    let size = image(4, "").len();
    let part = json!({ "mediaType": MANIFEST, "digest": part, "size": size });
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [part] }).to_string()
}

type Outcome = Result<PutImageOutput, SdkError<PutImageError>>;

fn digest_of(outcome: &Outcome) -> Option<String> {
    let id = outcome.as_ref().ok()?.image()?.image_id()?;
    id.image_digest.clone()
}

impl Taker {
    async fn put_image(&self, name: &str, manifest: &str, tag: &str) -> Outcome {
        let put = self.ecr.put_image().repository_name(self.named(name));
        let put = put.set_image_tag((!tag.is_empty()).then(|| tag.to_owned()));
        put.image_manifest(manifest).send().await
    }

    async fn push(&mut self, step: &'static str, name: &str, manifest: &str, tag: &str) {
        let outcome = self.put_image(name, manifest, tag).await;
        self.refusal(step, outcome);
    }

    /// A push that goes through, and the digest that the image has got.
    async fn pushed(&mut self, step: &'static str, manifest: &str, tag: &str) -> String {
        let outcome = self.put_image("api", manifest, tag).await;
        let digest = digest_of(&outcome).unwrap();
        self.refusal(step, outcome);
        digest
    }

    pub(super) async fn pushes(&mut self) -> Pushed {
        self.stock(&self.name.clone()).await;
        let pushed = self.taken().await;
        self.refused_pushes().await;
        self.frozen().await;
        self.excluded().await;
        pushed
    }

    async fn taken(&mut self) -> Pushed {
        let outcome = self.put_image("api", &image(1, ""), "v1").await;
        let one = digest_of(&outcome).unwrap();
        let own = one == digest(image(1, "").as_bytes());
        self.note("push", outcome, |_| format!("the manifest's digest: {own}"));
        self.push("push it again", "api", &image(1, ""), "v1").await;
        self.push("push it again without a tag", "api", &image(1, ""), "")
            .await;
        self.push("push it with another tag", "api", &image(1, ""), "v2")
            .await;
        let two = self
            .pushed("push another with that tag", &image(2, ""), "v2")
            .await;
        self.push("push without a tag", "api", &image(3, ""), "")
            .await;
        let part = self.pushed("push a part", &image(4, ""), "").await;
        self.push("push a list of it", "api", &index(&part), "list")
            .await;
        let get = self.ecr.get_download_url_for_layer();
        let get = get
            .repository_name(&self.name)
            .layer_digest(digest(b"lay-1"));
        let outcome = get.send().await;
        self.refusal("download a layer of an image", outcome);
        Pushed { one, two, part }
    }

    /// In a repository of their own: what one takes and the other does not would be seen later.
    async fn refused_pushes(&mut self) {
        self.empty("refused").await;
        self.push("push what is not there", "none", &image(1, ""), "v")
            .await;
        self.push(
            "push without its layers",
            "refused",
            &manifest(NO_DIGEST, NO_DIGEST, ""),
            "v",
        )
        .await;
        self.push(
            "push a list without its parts",
            "refused",
            &index(NO_DIGEST),
            "v",
        )
        .await;
        self.push("push what is no manifest", "refused", "nope", "v")
            .await;
        self.push(
            "push with a space in the tag",
            "refused",
            &image(1, ""),
            "a b",
        )
        .await;
        self.push(
            "push with a tag of 129",
            "refused",
            &image(2, ""),
            &"v".repeat(129),
        )
        .await;
        self.push(
            "push with a tag of 128",
            "refused",
            &image(3, ""),
            &"v".repeat(128),
        )
        .await;
        let first = self.put_image("refused", &image(4, "one"), "one").await;
        let other = self.put_image("refused", &image(4, "two"), "two").await;
        let same = digest_of(&first) == digest_of(&other);
        self.note("push two of the same layer", other, |_| {
            format!("one image: {same}")
        });
        let put = self.ecr.put_image().repository_name(self.named("refused"));
        let put = put.image_manifest(image(1, "digest"));
        let outcome = put.image_digest(NO_DIGEST).send().await;
        self.refusal("push with another digest", outcome);
    }

    async fn empty(&self, name: &str) {
        let name = self.named(name);
        self.ecr
            .create_repository()
            .repository_name(&name)
            .send()
            .await
            .unwrap();
        self.stock(&name).await;
    }

    async fn frozen(&mut self) {
        self.empty("frozen").await;
        let put = self.ecr.put_image_tag_mutability();
        let put = put.image_tag_mutability(ImageTagMutability::Immutable);
        put.repository_name(self.named("frozen"))
            .send()
            .await
            .unwrap();
        self.push("push to immutable", "frozen", &image(1, ""), "v1")
            .await;
        self.push("push it to immutable again", "frozen", &image(1, ""), "v1")
            .await;
        self.push(
            "push it to immutable with another tag",
            "frozen",
            &image(1, ""),
            "v2",
        )
        .await;
        self.push(
            "push another to immutable with that tag",
            "frozen",
            &image(2, ""),
            "v2",
        )
        .await;
    }

    async fn excluded(&mut self) {
        self.stock(&self.named("excluding")).await;
        self.push("push what is excluded", "excluding", &image(1, ""), "dev-1")
            .await;
        self.push(
            "push another over what is excluded",
            "excluding",
            &image(2, ""),
            "dev-1",
        )
        .await;
        self.push(
            "push what is not excluded",
            "excluding",
            &image(3, ""),
            "v1",
        )
        .await;
        self.push(
            "push another over what is not excluded",
            "excluding",
            &image(4, ""),
            "v1",
        )
        .await;
    }

    /// One more tag for what tag `v2` is on.
    pub(super) async fn push_third_tag(&mut self) {
        self.push("push a third tag", "api", &image(2, ""), "v3")
            .await;
    }
}
