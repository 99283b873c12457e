//! The text of /metrics, and how often it is made.
//!
//! It is made by the one thread that does all the work, and whoever reaches the port may ask. So what it takes is
//! counted: Prometheus, and a person who looks, always get a new one, and a flood of requests gets the last one.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::body::Bytes;

use crate::telemetry::Metrics;

/// For how long a text may be given again.
const LASTS: Duration = Duration::from_secs(1);

/// In the long run, a text may be made in one of so many parts of the time…
const PARTS: u32 = 20;

/// …and so much may be spent in advance.
const ADVANCE: Duration = Duration::from_millis(250);

/// The metrics; clones share the text.
#[derive(Clone)]
pub(super) struct Scrapes {
    metrics: Metrics,
    last: Arc<Mutex<Last>>,
}

/// The last text.
struct Last {
    text: Bytes,
    made: Option<Instant>,
    /// When all that was spent is made up for.
    even: Instant,
}

impl Scrapes {
    pub(super) fn of(metrics: Metrics) -> Self {
        let last = Last::new(Instant::now());
        Self {
            metrics,
            last: Arc::new(Mutex::new(last)),
        }
    }

    pub(super) fn text(&self) -> Bytes {
        // A text is whole after any panic.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.text(Instant::now(), || {
            let began = Instant::now();
            (self.metrics.text().into(), began.elapsed())
        })
    }
}

impl Last {
    fn new(now: Instant) -> Self {
        Self {
            text: Bytes::new(),
            made: None,
            even: now,
        }
    }

    /// The text at this moment; `make` tells how long it took.
    fn text(&mut self, now: Instant, make: impl FnOnce() -> (Bytes, Duration)) -> Bytes {
        let age = self.made.map(|made| now.saturating_duration_since(made));
        let owed = self.even.saturating_duration_since(now);
        if age.is_some_and(|age| age < LASTS) && owed > ADVANCE.saturating_mul(PARTS) {
            return self.text.clone();
        }
        let (text, took) = make();
        self.text = text;
        self.made = Some(now);
        // What is made because a second is over is not owed for longer than that.
        let owed = owed.saturating_add(took.saturating_mul(PARTS));
        self.even = now + owed.min(ADVANCE.saturating_mul(PARTS).saturating_add(LASTS));
        self.text.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often the text is made, of requests at such intervals, where it takes so long; and how old the oldest one
    /// was that was given.
    fn made(requests: u32, interval: Duration, takes: Duration) -> (u32, Duration) {
        let began = Instant::now();
        let mut last = Last::new(began);
        let (mut made, mut oldest) = (0_u32, Duration::ZERO);
        for n in 0..requests {
            let now = began + interval * n;
            let text = last.text(now, || {
                made += 1;
                (Bytes::from(n.to_string()), takes)
            });
            let of: u32 = std::str::from_utf8(&text).unwrap().parse().unwrap();
            oldest = oldest.max(interval * (n - of));
        }
        (made, oldest)
    }

    #[test]
    fn who_asks_now_and_then_gets_a_new_text() {
        for (interval, takes) in [(100, 5), (1_000, 50), (15_000, 400), (20, 1)] {
            let of = Duration::from_millis;
            assert_eq!(made(500, of(interval), of(takes)), (500, Duration::ZERO));
        }
        // And so does who asks a few times in a row.
        let (few, _) = made(40, Duration::ZERO, Duration::from_millis(5));
        assert_eq!(few, 40);
    }

    #[test]
    fn a_flood_gets_the_last_one_which_is_at_most_a_second_old() {
        let of = Duration::from_millis;
        for takes in [1, 5, 20, 100] {
            // For a minute.
            let (times, oldest) = made(60_000, of(1), of(takes));
            let spent = of(takes) * times;
            let most = (ADVANCE + Duration::from_mins(1) / PARTS + of(takes)).max(of(takes) * 64);
            assert!(spent <= most, "{takes} ms, {times} times: {spent:?}");
            assert!(oldest < LASTS, "{oldest:?}");
        }
    }
}
