//! Partitions, by what AWS publishes of them.

use ecr_emulator::Partition;
use serde_json::Value;

use super::{data, text};

#[test]
fn every_region_is_of_its_partition() {
    let published = std::fs::read(data().join("partitions.json")).unwrap();
    let published: Value = serde_json::from_slice(&published).unwrap();
    let partitions = published["partitions"].as_array().unwrap();
    assert!(partitions.len() >= 8, "{published}");
    for partition in partitions {
        let expected = (
            text(partition, "id"),
            text(&partition["outputs"], "dnsSuffix"),
        );
        let regions = partition["regions"].as_object().unwrap().keys();
        for region in regions.filter(|it| !it.ends_with("-global")) {
            let Partition { id, domain, .. } = Partition::of(region);
            assert_eq!((*id, *domain), expected, "{region}");
        }
    }
}
