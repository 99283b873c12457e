//! Whether slowing down helps. Pure.
//!
//! Where AWS throttles because of our calls, there is a rate of which it takes all. Where others spend what it
//! grants, or it throttles by chance, the same share is throttled at any rate, and whoever slows
//! down only waits. So both are compared: the share at full pace, and what is throttled at a rate of which AWS
//! takes all if it is our calls. `docs/pacing.md` tells it.

/// The share is that of about so many calls.
const MANY: f64 = 200.0;

/// So many are throttled at full pace before slowing down is tried, after each trial in vain twice as many, and
/// so many at most.
const FIRST: f64 = 10.0;
const LAST: f64 = 64.0;

/// The rate of a trial is so many standard deviations below what AWS grants if slowing down helps.
const DEVIATIONS: f64 = 1.0;

/// The share that is throttled by chance all the same.
const SELDOM: f64 = 0.02;

/// How much likelier it must be that slowing down helps than that it is in vain, as a logarithm: ninety times.
const HELPS: f64 = 4.5;

/// How unlikely it must be that AWS takes so many in a row where it still throttles that share, as a logarithm:
/// one in a thousand. And how many they must be at least.
const STOPPED: f64 = 7.0;
const FEW: f64 = 8.0;

/// The share of all calls that is throttled while nobody slows down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Share {
    calls: f64,
    throttled: f64,
    /// Calls that AWS took since it throttled last.
    taken: f64,
    /// How many are to be throttled until slowing down is tried, and how many were to be at first.
    left: f64,
    until: f64,
}

impl Default for Share {
    fn default() -> Self {
        Self {
            calls: 0.0,
            throttled: 0.0,
            taken: 0.0,
            left: FIRST,
            until: FIRST,
        }
    }
}

impl Share {
    /// Neither none nor all, or the next call would prove too much.
    fn throttled_of_all(&self) -> f64 {
        (self.throttled / self.calls.max(1.0)).clamp(SELDOM, 1.0 - SELDOM)
    }

    /// The rest.
    fn taken_of_all(&self) -> f64 {
        1.0 - self.throttled_of_all()
    }

    /// The rest, at least: what was seen is a sample.
    fn taken_at_least(&self) -> f64 {
        let (taken, throttled) = (self.taken_of_all(), self.throttled_of_all());
        let deviation = (taken * throttled / self.calls.max(1.0)).sqrt();
        (taken - DEVIATIONS * deviation).max(0.0)
    }

    fn count(&mut self) {
        if self.calls >= MANY {
            self.calls /= 2.0;
            self.throttled /= 2.0;
        }
        self.calls += 1.0;
    }

    /// AWS took a call. Whether it has stopped throttling.
    pub(super) fn took(&mut self) -> bool {
        self.count();
        self.taken += 1.0;
        self.taken >= FEW && -self.taken * self.taken_of_all().ln() >= STOPPED
    }

    /// AWS throttled one. Whether slowing down is to be tried.
    pub(super) fn throttled(&mut self) -> bool {
        self.count();
        self.throttled += 1.0;
        self.taken = 0.0;
        self.left -= 1.0;
        self.left <= 0.0
    }

    /// Slowing down was tried in vain.
    fn goes_on(mut self) -> Self {
        self.until = (2.0 * self.until).min(LAST);
        self.left = self.until;
        self.taken = 0.0;
        self
    }
}

/// Slowing down, tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Trial {
    share: Share,
    /// What AWS grants if slowing down helps.
    granted: f64,
    /// Calls a second meanwhile.
    pub(super) rate: f64,
    /// The share that is throttled at that rate then.
    expected: f64,
    /// By how much it is likelier that it is in vain, as a logarithm.
    odds: f64,
}

impl Trial {
    /// Slower than a pace of which that share is throttled, and not below a floor.
    pub(super) fn of(share: Share, pace: f64, floor: f64) -> Self {
        let granted = pace * share.taken_of_all();
        let rate = (pace * share.taken_at_least()).max(floor);
        Self {
            share,
            granted,
            rate,
            expected: (1.0 - granted / rate).max(SELDOM),
            odds: 0.0,
        }
    }

    /// AWS took a call. What it grants, once it is clear that slowing down helps.
    pub(super) fn took(&mut self) -> Option<f64> {
        self.odds += (self.share.taken_of_all() / (1.0 - self.expected)).ln();
        (self.odds <= -HELPS).then_some(self.granted)
    }

    /// AWS throttled one. How it goes on, once it is clear that it is in vain.
    pub(super) fn throttled(&mut self) -> Option<Share> {
        self.odds += (self.share.throttled_of_all() / self.expected).ln();
        (self.odds >= 0.0).then(|| self.share.goes_on())
    }
}
