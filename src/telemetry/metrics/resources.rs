//! How the objects stand, counted when somebody asks.

use std::{collections::BTreeMap, fmt, sync::OnceLock, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _},
    metrics::{MetricType, gauge::ConstGauge},
};

use super::{
    each::{Each, encode_each},
    place::{MOST, Place},
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
#[derive(Clone, Debug)]
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
    /// How it keeps the operator from its repository, if it does.
    pub mode: Option<&'static str>,
    /// Where it belongs.
    pub place: Place,
}

impl Shown {
    /// Whether it waits for a person, as a label.
    #[must_use]
    pub const fn waits(&self) -> &'static str {
        if self.stalled { "true" } else { "false" }
    }
}

/// All that is to be shown.
#[derive(Debug, Default)]
pub struct Sight {
    /// Every object.
    pub shown: Vec<Shown>,
    /// How many objects there are in each place; of a class without any, 0.
    pub counts: BTreeMap<Place, usize>,
    /// Single objects, where somebody wants them.
    pub each: Option<Each>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct Standing {
    kind: &'static str,
    ready: &'static str,
    reason: &'static str,
    stalled: &'static str,
}

/// Objects that stand alike, in one place.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct Unready {
    kind: &'static str,
    reason: &'static str,
    stalled: &'static str,
    #[prometheus(flatten)]
    place: Place,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct Deleting {
    kind: &'static str,
    #[prometheus(flatten)]
    place: Place,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct Left {
    mode: &'static str,
    #[prometheus(flatten)]
    place: Place,
}

type Look = Box<dyn Fn() -> Sight + Send + Sync>;

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
        let sight = look();
        encode_standings(&mut encoder, &sight.shown)?;
        encode_unready(&mut encoder, &sight.shown)?;
        let deleting = sight.shown.iter().filter_map(|it| {
            let (kind, place) = (it.kind.as_str(), it.place.clone());
            Some((Deleting { kind, place }, it.deleting_for?))
        });
        let deleting = grouped(deleting, |it| Deleting {
            place: Place::others(),
            ..it
        });
        let oldest = (
            "oldest_deletion_seconds",
            "How long the longest has been about to be deleted, by place; absent where none is",
        );
        encode_oldest(&mut encoder, oldest, &deleting)?;
        let left = sight.shown.iter().filter_map(|it| {
            let (mode, place) = (it.mode?, it.place.clone());
            Some((Left { mode, place }, Duration::ZERO))
        });
        let left = grouped(left, |it| Left {
            place: Place::others(),
            ..it
        });
        let held_back = (
            "not_enforced",
            "Objects whose repository is not kept as they say: suspended, or observed only",
        );
        encode_counts(&mut encoder, held_back, &left)?;
        encode_places(&mut encoder, sight.counts)?;
        sight
            .each
            .map_or(Ok(()), |each| encode_each(&mut encoder, &each))
    }
}

fn encode_standings(encoder: &mut DescriptorEncoder<'_>, shown: &[Shown]) -> fmt::Result {
    let (name, help) = (
        "resources",
        "Objects, by their condition Ready and whether they wait for a person",
    );
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (standing, count) in count(shown) {
        ConstGauge::new(count).encode(family.encode_family(&standing)?)?;
    }
    Ok(())
}

fn encode_unready(encoder: &mut DescriptorEncoder<'_>, shown: &[Shown]) -> fmt::Result {
    let unready = shown.iter().filter_map(|it| {
        let of = Unready {
            kind: it.kind.as_str(),
            reason: it.reason,
            stalled: it.waits(),
            place: it.place.clone(),
        };
        Some((of, it.unready_for?))
    });
    let unready = grouped(unready, |it| Unready {
        place: Place::others(),
        ..it
    });
    let counts = (
        "unready",
        "Objects that are not ready and should be, by reason and place",
    );
    encode_counts(encoder, counts, &unready)?;
    let oldest = (
        "oldest_unready_seconds",
        "How long the longest of them has been not ready",
    );
    encode_oldest(encoder, oldest, &unready)
}

/// How many are alike, and how long the longest has been so.
#[derive(Clone, Copy, Debug, Default)]
struct Group {
    count: u32,
    longest: Duration,
}

/// Puts together what is alike. Of more than there is room for, those stay apart that have lasted longest.
fn grouped<L: Ord>(
    all: impl Iterator<Item = (L, Duration)>,
    others: impl Fn(L) -> L,
) -> BTreeMap<L, Group> {
    let mut groups = BTreeMap::<L, Group>::new();
    for (labels, lasts) in all {
        let group = groups.entry(labels).or_default();
        group.count = group.count.saturating_add(1);
        group.longest = group.longest.max(lasts);
    }
    if groups.len() <= MOST {
        return groups;
    }
    let mut sorted: Vec<_> = groups.into_iter().collect();
    // Stable: of those that have lasted equally long, always the same ones.
    sorted.sort_by_key(|(_, group)| std::cmp::Reverse(group.longest));
    let rest = sorted.split_off(MOST);
    let mut groups: BTreeMap<_, _> = sorted.into_iter().collect();
    for (labels, one) in rest {
        let group = groups.entry(others(labels)).or_default();
        group.count = group.count.saturating_add(one.count);
        group.longest = group.longest.max(one.longest);
    }
    groups
}

fn encode_counts<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    groups: &BTreeMap<L, Group>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, group) in groups {
        ConstGauge::new(i64::from(group.count)).encode(family.encode_family(labels)?)?;
    }
    Ok(())
}

fn encode_oldest<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    groups: &BTreeMap<L, Group>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, group) in groups {
        let longest = ConstGauge::new(group.longest.as_secs_f64());
        longest.encode(family.encode_family(labels)?)?;
    }
    Ok(())
}

fn encode_places(
    encoder: &mut DescriptorEncoder<'_>,
    counts: BTreeMap<Place, usize>,
) -> fmt::Result {
    let (name, help) = ("repositories", "Objects, by namespace and class");
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    let mut sorted: Vec<_> = counts.into_iter().collect();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let rest = sorted.split_off(sorted.len().min(MOST));
    if !rest.is_empty() {
        let count = rest.into_iter().map(|(_, count)| count).sum();
        sorted.push((Place::others(), count));
    }
    for (place, count) in sorted {
        let count = ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
        count.encode(family.encode_family(&place)?)?;
    }
    Ok(())
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
            stalled: it.waits(),
        };
        *counts.entry(standing).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_more_places_than_there_is_room_for_the_oldest_stay_apart() {
        let all = (0..2_000_u32).map(|n| (n, Duration::from_secs(u64::from(n % 1_000))));
        let groups = grouped(all, |_| u32::MAX);
        assert_eq!(groups.len(), MOST + 1);
        assert_eq!(groups[&999].count, 1);
        let others = groups[&u32::MAX];
        assert_eq!(others.count, 1_500);
        assert!(others.longest < Duration::from_secs(999));
        let total: u32 = groups.values().map(|it| it.count).sum();
        assert_eq!(total, 2_000, "nobody is left out");
    }
}
