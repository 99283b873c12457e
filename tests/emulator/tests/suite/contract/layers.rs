//! Layers: their upload in parts, and whether they are there.

use aws_sdk_ecr::primitives::Blob;
use aws_sdk_ecr::types::LayerAvailability;

use super::taker::{NO_DIGEST, Taker, tally};
use crate::support::{digest, upload};

const LAYER: &[u8] = b"first";
/// An upload that nobody has begun.
const NO_UPLOAD: &str = "00000000-0000-0000-0000-000000000000";

impl Taker {
    pub(super) async fn layers(&mut self) {
        self.begun().await;
        self.parts().await;
        self.ends().await;
        self.available().await;
        for (step, digest) in [
            ("download a layer that is not there", NO_DIGEST.to_owned()),
            ("download a layer of no image", digest(LAYER)),
        ] {
            let get = self
                .ecr
                .get_download_url_for_layer()
                .repository_name(&self.name);
            let outcome = get.layer_digest(digest).send().await;
            self.refusal(step, outcome);
        }
    }

    async fn begin(&self) -> String {
        let initiate = self.ecr.initiate_layer_upload().repository_name(&self.name);
        initiate.send().await.unwrap().upload_id.unwrap()
    }

    async fn begun(&mut self) {
        for (step, name) in [
            ("begin a layer", self.name.clone()),
            ("begin a layer of what is not there", self.named("none")),
        ] {
            let initiate = self.ecr.initiate_layer_upload().repository_name(name);
            let outcome = initiate.send().await;
            self.note(step, outcome, |begun| begun.part_size.unwrap().to_string());
        }
    }

    async fn part(&mut self, step: &'static str, upload: &str, first: i64, last: i64) {
        let part = self
            .ecr
            .upload_layer_part()
            .repository_name(&self.name)
            .upload_id(upload);
        let part = part.part_first_byte(first).part_last_byte(last);
        let outcome = part.layer_part_blob(Blob::new(LAYER)).send().await;
        self.note(step, outcome, |sent| {
            sent.last_byte_received.unwrap().to_string()
        });
    }

    async fn complete(&mut self, step: &'static str, upload: &str, digest: &str) {
        let complete = self.ecr.complete_layer_upload().repository_name(&self.name);
        let outcome = complete
            .upload_id(upload)
            .layer_digests(digest)
            .send()
            .await;
        self.note(step, outcome, |done| {
            format!(
                "as announced: {}",
                done.layer_digest.as_deref() == Some(digest)
            )
        });
    }

    /// Each on an upload of its own: what one takes and the other does not would be seen later.
    async fn parts(&mut self) {
        self.part("send a part of no layer", NO_UPLOAD, 0, 4).await;
        let id = self.begin().await;
        self.part("send a part that is not the first", &id, 5, 9)
            .await;
        let id = self.begin().await;
        self.part("send a part that is longer than it says", &id, 0, 3)
            .await;
        let id = self.begin().await;
        self.part("send a part", &id, 0, 4).await;
        self.part("send the part again", &id, 0, 4).await;
        self.complete("complete a layer", &id, &digest(LAYER)).await;
        self.complete("complete a layer again", &id, &digest(LAYER))
            .await;
        self.complete("complete no layer", NO_UPLOAD, NO_DIGEST)
            .await;
    }

    async fn ends(&mut self) {
        let id = self.begin().await;
        self.complete("complete a layer of no parts", &id, &digest(LAYER))
            .await;
        let id = self.begin().await;
        self.part("send the same layer", &id, 0, 4).await;
        self.complete("complete the same layer", &id, &digest(LAYER))
            .await;
        let id = self.begin().await;
        self.part("send a layer to name wrongly", &id, 0, 4).await;
        self.complete("complete a layer with another digest", &id, NO_DIGEST)
            .await;
        let id = self.begin().await;
        self.part("send a small part", &id, 0, 4).await;
        self.part("send a part after it", &id, 5, 9).await;
        let both = digest(&LAYER.repeat(2));
        self.complete("complete a layer of small parts", &id, &both)
            .await;
    }

    async fn available(&mut self) {
        for (step, digests) in [
            ("check a layer", vec![digest(LAYER)]),
            (
                "check a layer that is not there",
                vec![NO_DIGEST.to_owned()],
            ),
            ("check a digest that cannot be", vec!["nope".to_owned()]),
            ("check no digest", vec![String::new()]),
            ("check 101 digests", vec![NO_DIGEST.to_owned(); 101]),
        ] {
            let check = self
                .ecr
                .batch_check_layer_availability()
                .repository_name(&self.name);
            let outcome = check.set_layer_digests(Some(digests)).send().await;
            self.note(step, outcome, |checked| {
                let there = checked.layers().iter().filter(|layer| {
                    layer.layer_availability() == Some(&LayerAvailability::Available)
                });
                let failures = checked.failures().iter();
                let codes = failures.map(|failure| failure.failure_code().unwrap().to_string());
                tally(there.count(), codes)
            });
        }
    }

    /// What the images of the contract are made of, in one more repository.
    pub(super) async fn stock(&self, repository: &str) {
        for blob in [&b"config"[..], b"lay-1", b"lay-2", b"lay-3", b"lay-4"] {
            upload(&self.ecr, repository, blob).await;
        }
    }
}
