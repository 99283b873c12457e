//! One series an object, for whoever wants it: so many at most, those first that need somebody.

use std::{fmt, sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _},
    metrics::{MetricType, gauge::ConstGauge},
};

use super::place::Place;

/// Single objects.
#[derive(Debug, Default)]
pub struct Each {
    /// Those that are shown.
    pub objects: Vec<One>,
    /// How many there was no room for.
    pub left_out: usize,
}

/// One object.
#[derive(Debug)]
pub struct One {
    /// Its labels.
    pub labels: OneLabels,
    /// How long it has been not ready, where it should be.
    pub unready_for: Option<Duration>,
    /// How long it has been about to be deleted.
    pub deleting_for: Option<Duration>,
    /// When its repository was last found gone, in seconds since 1970.
    pub lost_at: Option<i64>,
}

/// The labels of one object.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct OneLabels {
    /// `metadata.name`
    pub name: Arc<str>,
    /// Where it belongs.
    #[prometheus(flatten)]
    pub place: Place,
    /// The repository that it is bound to; empty where it is to none.
    pub repository: Arc<str>,
    /// The status of its condition Ready.
    pub ready: &'static str,
    /// The reason of that.
    pub reason: &'static str,
    /// Whether it waits for a person.
    pub stalled: &'static str,
    /// How it keeps the operator from its repository; empty where it does not.
    pub mode: &'static str,
}

/// What of an object alerts are about: its name, and why it stands as it does.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Named {
    name: Arc<str>,
    #[prometheus(flatten)]
    place: Place,
    reason: &'static str,
    stalled: &'static str,
}

/// Name, help, and how to tell.
type Age = (&'static str, &'static str, fn(&One) -> Option<f64>);

const AGES: [Age; 3] = [
    (
        "repository_unready_seconds",
        "How long an object has been not ready; absent where it is",
        |it| Some(it.unready_for?.as_secs_f64()),
    ),
    (
        "repository_deletion_seconds",
        "How long an object has been about to be deleted; absent where it is not",
        |it| Some(it.deleting_for?.as_secs_f64()),
    ),
    (
        "repository_lost_timestamp_seconds",
        "When an object's repository was last found gone, in seconds since 1970; absent where it never was",
        #[allow(clippy::cast_precision_loss, reason = "seconds of this age fit")]
        |it| Some(it.lost_at? as f64),
    ),
];

pub(super) fn encode_each(encoder: &mut DescriptorEncoder<'_>, each: &Each) -> fmt::Result {
    let (name, help) = ("repository_info", "Always 1; one series an object");
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for it in &each.objects {
        ConstGauge::new(1_i64).encode(family.encode_family(&it.labels)?)?;
    }
    for (name, help, age) in AGES {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for it in &each.objects {
            let Some(value) = age(it) else { continue };
            let labels = Named {
                name: Arc::clone(&it.labels.name),
                place: it.labels.place.clone(),
                reason: it.labels.reason,
                stalled: it.labels.stalled,
            };
            ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
        }
    }
    let (name, help) = (
        "repositories_left_out",
        "Objects that --per-object-metrics has no room for",
    );
    let gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    let left_out = ConstGauge::new(i64::try_from(each.left_out).unwrap_or(i64::MAX));
    left_out.encode(gauge)
}
