//! Faults that a scenario waits for, and images to lose.

use std::time::Duration;

use ecr_emulator::Fault;
use serde_json::json;

use super::{World, http};

/// Long enough for the operator to be stopped while its call is on the way.
pub(crate) const ON_THE_WAY: Duration = Duration::from_millis(700);

impl World {
    /// Waits until every fault has struck as often as it was to.
    pub(crate) async fn struck(&self) {
        let url = self.emulator.url();
        let address = url.trim_start_matches("http://");
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        let waiting = async {
            while http::get(address, "/_emulator/faults").await.unwrap().1 != "[]" {
                ticks.tick().await;
            }
        };
        self.patiently("a fault to strike", waiting).await;
    }

    /// Waits for a call that `fault` chooses, and kills the operator while it is on the way: the
    /// call never arrives.
    pub(crate) async fn kill_before(&mut self, fault: Fault) {
        self.emulator.inject(fault.clone().delay(ON_THE_WAY));
        self.emulator.inject(fault.drop_call());
        self.struck().await;
        self.kill_operator();
    }

    /// Waits for a call that `fault` chooses, and kills the operator when the call has taken effect
    /// and before it has read the answer.
    pub(crate) async fn kill_after(&mut self, fault: Fault) {
        let hit = |world: &Self| world.calls().iter().filter(|c| c.fault.is_some()).count();
        let before = hit(self);
        self.emulator.inject(fault.delay(ON_THE_WAY));
        self.struck().await;
        // Stopped, it reads nothing, and yet the connection stays open.
        self.operator().signal("STOP");
        self.until("the call takes effect", |world| hit(world) > before)
            .await;
        self.kill_operator();
    }

    /// Pushes an image: the smallest that ECR takes.
    pub(crate) fn push(&self, repository: &str, tag: &str) {
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [],
            "annotations": {"tag": tag},
        });
        self.outside(
            "PutImage",
            json!({"repositoryName": repository, "imageManifest": manifest.to_string(), "imageTag": tag}),
        );
    }

    /// Deletes images, by tag.
    pub(crate) fn delete_images(&self, repository: &str, tags: &[&str]) {
        let ids: Vec<_> = tags.iter().map(|tag| json!({"imageTag": tag})).collect();
        self.outside(
            "BatchDeleteImage",
            json!({"repositoryName": repository, "imageIds": ids}),
        );
    }
}
