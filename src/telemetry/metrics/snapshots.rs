//! How old what is known of whole registries is.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _},
    metrics::{MetricType, gauge::ConstGauge},
};

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct OfRegistry {
    registry: String,
}

/// When each registry was last read whole, and how much there was; or when that was first tried.
#[derive(Debug, Default)]
pub(super) struct Snapshots(Mutex<BTreeMap<String, (Instant, usize)>>);

impl Snapshots {
    fn with<T>(&self, change: impl FnOnce(&mut BTreeMap<String, (Instant, usize)>) -> T) -> T {
        // A map is whole after any panic.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn begins(&self, registry: &str) {
        self.with(|all| {
            all.entry(registry.to_owned())
                .or_insert((Instant::now(), 0));
        });
    }

    pub(super) fn swept(&self, registry: &str, entries: usize) {
        self.with(|all| all.insert(registry.to_owned(), (Instant::now(), entries)));
    }

    pub(super) fn forget(&self, registry: &str) {
        self.with(|all| all.remove(registry));
    }
}

impl Collector for Snapshots {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let all = self.with(|all| all.clone());
        if all.is_empty() {
            return Ok(());
        }
        let (name, help) = (
            "snapshot_age_seconds",
            "How long ago all repositories of a registry were read at once, or that was first tried",
        );
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (registry, (at, _)) in &all {
            let registry = registry.clone();
            let age = ConstGauge::new(at.elapsed().as_secs_f64());
            age.encode(family.encode_family(&OfRegistry { registry })?)?;
        }
        let (name, help) = ("snapshot_repositories", "How many there were");
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (registry, (_, entries)) in &all {
            let registry = registry.clone();
            let count = ConstGauge::new(i64::try_from(*entries).unwrap_or(i64::MAX));
            count.encode(family.encode_family(&OfRegistry { registry })?)?;
        }
        Ok(())
    }
}
