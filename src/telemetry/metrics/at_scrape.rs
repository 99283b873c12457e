//! What of the controllers' work is told when somebody asks.

use std::{fmt, sync::Arc, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use super::work::{Controller, Queue, Works};

/// What one controller's work is like at this moment.
pub(super) struct Sight {
    pub(super) controller: Controller,
    pub(super) queue: Queue,
    pub(super) workers: u16,
    /// How many objects are due.
    pub(super) depth: usize,
    /// How many have ever become due.
    pub(super) added: u64,
    /// For how long the passes under way have gone on.
    pub(super) running: Vec<Duration>,
}

impl Sight {
    fn unfinished(&self) -> f64 {
        self.running.iter().map(Duration::as_secs_f64).sum()
    }

    fn longest(&self) -> f64 {
        let longest = self.running.iter().max();
        longest.map_or(0.0, Duration::as_secs_f64)
    }
}

fn number(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

/// The works, looked at by each scrape.
pub(super) struct AtScrape(pub(super) Arc<Works>);

impl fmt::Debug for AtScrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AtScrape")
    }
}

impl Collector for AtScrape {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let sights = self.0.sights();
        let mut gauge = |name, help, labels, value| {
            encode_gauge(&mut encoder, (name, help), &sights, labels, value)
        };
        let queue = Labels::Queue;
        gauge(
            "workqueue_depth",
            "Objects whose pass is due",
            queue,
            |it| number(it.depth),
        )?;
        gauge(
            "workqueue_unfinished_work_seconds",
            "How long the passes under way have taken, in all",
            queue,
            Sight::unfinished,
        )?;
        gauge(
            "workqueue_longest_running_processor_seconds",
            "How long the longest of them has taken",
            queue,
            Sight::longest,
        )?;
        let controller = Labels::Controller;
        gauge(
            "controller_runtime_active_workers",
            "Passes under way",
            controller,
            |it| number(it.running.len()),
        )?;
        gauge(
            "controller_runtime_max_concurrent_reconciles",
            "How many passes may be under way",
            controller,
            |it| f64::from(it.workers),
        )?;
        let (name, help) = ("workqueue_adds", "Passes that were asked for, each once");
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for sight in &sights {
            ConstCounter::new(sight.added).encode(family.encode_family(&sight.queue)?)?;
        }
        Ok(())
    }
}

/// By which labels a controller is told from others.
#[derive(Clone, Copy)]
enum Labels {
    Queue,
    Controller,
}

fn encode_gauge(
    encoder: &mut DescriptorEncoder,
    (name, help): (&str, &str),
    sights: &[Sight],
    labels: Labels,
    value: fn(&Sight) -> f64,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for sight in sights {
        let gauge = ConstGauge::new(value(sight));
        match labels {
            Labels::Queue => gauge.encode(family.encode_family(&sight.queue)?)?,
            Labels::Controller => gauge.encode(family.encode_family(&sight.controller)?)?,
        }
    }
    Ok(())
}
