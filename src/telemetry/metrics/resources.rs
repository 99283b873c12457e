//! How the objects stand, counted when somebody asks.

use std::{collections::BTreeMap, fmt, sync::OnceLock, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _},
    metrics::{MetricType, gauge::ConstGauge},
};

/// The kinds that are counted.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// A repository.
    Repository,
    /// A class.
    Class,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Repository, Self::Class];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Repository => "ECRRepository",
            Self::Class => "ECRRepositoryClass",
        }
    }

    /// The reason of one that is as it should be.
    const fn well(self) -> &'static str {
        match self {
            Self::Repository => "Synced",
            Self::Class => "Ready",
        }
    }
}

/// How one object stands. All words are of closed lists.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// What it is.
    pub kind: Kind,
    /// The status of its condition Ready.
    pub ready: &'static str,
    /// The reason of that.
    pub reason: &'static str,
    /// Whether it waits for a person.
    pub stalled: bool,
    /// How long it has been not ready, where it should be.
    pub unready_for: Option<Duration>,
    /// How long it has been about to be deleted.
    pub deleting_for: Option<Duration>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct Standing {
    kind: &'static str,
    ready: &'static str,
    reason: &'static str,
    stalled: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct OfKind {
    kind: &'static str,
}

type Look = Box<dyn Fn() -> Vec<Shown> + Send + Sync>;

/// Name, help, and how to tell.
type Age = (&'static str, &'static str, fn(&Shown) -> Option<Duration>);

/// The objects, through whoever knows them.
#[derive(Default)]
pub(super) struct Resources(OnceLock<Look>);

impl fmt::Debug for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resources")
    }
}

impl Resources {
    pub(super) fn shows(&self, look: Look) {
        // One controller a process: there is no second.
        let _ = self.0.set(look);
    }
}

impl Collector for Resources {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let Some(look) = self.0.get() else {
            return Ok(());
        };
        let shown = look();
        let (name, help) = (
            "resources",
            "Objects, by their condition Ready and whether they wait for a person",
        );
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (standing, count) in count(&shown) {
            ConstGauge::new(count).encode(family.encode_family(&standing)?)?;
        }
        let ages: [Age; 2] = [
            (
                "oldest_unready_seconds",
                "How long the longest has been not ready; 0 where all are, suspended ones apart",
                |it| it.unready_for,
            ),
            (
                "oldest_deletion_seconds",
                "How long the longest has been about to be deleted; 0 where none is",
                |it| it.deleting_for,
            ),
        ];
        for (name, help, age) in ages {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for kind in Kind::ALL {
                let of_kind = shown.iter().filter(|it| it.kind == kind);
                let oldest = of_kind.filter_map(age).max().unwrap_or_default();
                let kind = kind.as_str();
                let labels = OfKind { kind };
                ConstGauge::new(oldest.as_secs_f64()).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// How many stand alike. That none is well shows as 0.
fn count(shown: &[Shown]) -> BTreeMap<Standing, i64> {
    let well = Kind::ALL.map(|kind| Standing {
        kind: kind.as_str(),
        ready: "True",
        reason: kind.well(),
        stalled: "false",
    });
    let mut counts: BTreeMap<_, _> = well.into_iter().map(|it| (it, 0)).collect();
    for it in shown {
        let standing = Standing {
            kind: it.kind.as_str(),
            ready: it.ready,
            reason: it.reason,
            stalled: if it.stalled { "true" } else { "false" },
        };
        *counts.entry(standing).or_default() += 1;
    }
    counts
}
