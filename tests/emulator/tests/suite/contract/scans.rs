//! Scans of images. What they find nobody knows before, nor how long they take.

use super::images::id;
use super::taker::Taker;

impl Taker {
    pub(super) async fn scans(&mut self) {
        self.findings("find in what is not scanned", "v1").await;
        self.findings("find in what is not there", "none").await;
        for (step, tag) in [
            ("scan an image that is not there", "none"),
            ("scan an image", "v1"),
            ("scan an image again", "v1"),
            ("scan a list", "list"),
        ] {
            let start = self.ecr.start_image_scan().repository_name(&self.name);
            let outcome = start.image_id(id("", tag)).send().await;
            self.note(step, outcome, |got| {
                format!("{:?}", got.image_scan_status().unwrap().status().unwrap())
            });
        }
        self.findings("find in what is scanned", "v1").await;
    }

    async fn findings(&mut self, step: &'static str, tag: &str) {
        let describe = self.ecr.describe_image_scan_findings();
        let describe = describe.repository_name(&self.name).image_id(id("", tag));
        let outcome = describe.send().await;
        self.refusal(step, outcome);
    }
}
