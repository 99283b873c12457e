//! Whether slowing down helps. Pure.
//!
//! Where AWS throttles because of our calls, few are throttled at a rate below what it grants, however they bunch
//! on their way. Where others spend what it grants, or it throttles by chance, the same share is throttled at any
//! rate, and whoever slows down only waits. So both shares are compared, from the first call at a slower rate
//! on and for as long as the rate stays down. `docs/pacing.md` tells it.

/// The share is that of about so many calls.
const MANY: f64 = 200.0;

/// For so many calls it serves to compare with: who else calls changes.
const SERVES: f64 = 100.0;

/// So many are throttled at full pace before slowing down is tried, after each trial in vain so many times as many,
/// and so many at most.
const FIRST: f64 = 10.0;
const MORE: f64 = 3.0;
const LAST: f64 = 200.0;

/// The rate of a trial, of what AWS grants if slowing down helps: all that bunches then finds room in its bucket.
/// Nearer where few are throttled: there is less to win.
const MARGIN: f64 = 0.6;

/// The share that is throttled by chance all the same: so many times fewer than at full pace, but for what is
/// beyond what AWS grants.
const FEWER: f64 = 4.0;

/// No share is less than that.
const SELDOM: f64 = 0.02;

/// What was seen is a sample: the share counts as so many standard deviations less.
const DEVIATIONS: f64 = 1.3;

/// How much likelier it must be that slowing down helps than that it is in vain, as a logarithm: ninety times. And
/// the other way round: nine times, so that two calls that come too close together prove nothing.
const HELPS: f64 = 4.5;
const VAIN: f64 = 2.2;

/// Less where fewer are throttled at full pace: so many times their share. It is a smaller loss to be wrong.
const LESS: f64 = 8.0;

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

    /// What is throttled at least.
    fn throttled_at_least(&self) -> f64 {
        let throttled = self.throttled - DEVIATIONS * self.throttled.sqrt();
        (throttled / self.calls.max(1.0)).max(SELDOM)
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
        self.until = (MORE * self.until).min(LAST);
        self.left = self.until;
        self.taken = 0.0;
        self
    }
}

/// Slowing down, tried, and what speaks for it and against it since.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Trial {
    share: Share,
    /// What AWS grants if slowing down helps.
    pub(super) granted: f64,
    /// Calls a second meanwhile.
    pub(super) rate: f64,
    /// By how much a call that is throttled makes it likelier that it is in vain, as a logarithm; one that is
    /// taken; and all of them so far.
    throttled: f64,
    taken: f64,
    odds: f64,
    calls: f64,
}

impl Trial {
    /// Slower than a pace of which that share is throttled, and not below a floor.
    pub(super) fn of(share: Share, pace: f64, floor: f64) -> Self {
        let taken = share.taken_of_all();
        let granted = pace * taken;
        let rate = (granted * taken.max(MARGIN)).max(floor);
        let in_vain = share.throttled_at_least();
        let beyond = 1.0 - pace * (1.0 - in_vain) / rate;
        let helps = beyond.max(in_vain / FEWER);
        Self {
            share,
            granted,
            rate,
            throttled: (in_vain / helps).ln(),
            taken: ((1.0 - in_vain) / (1.0 - helps)).ln(),
            odds: 0.0,
            calls: 0.0,
        }
    }

    /// The least that AWS grants as long as slowing down helps.
    pub(super) fn granted_at_least(&self) -> f64 {
        MARGIN * self.granted
    }

    /// Whether the share at full pace is not too old to compare with.
    pub(super) fn serves(&self) -> bool {
        self.calls < SERVES
    }

    /// AWS took a call. Whether it is clear that slowing down helps.
    pub(super) fn took(&mut self) -> bool {
        self.calls += 1.0;
        self.odds = (self.odds + self.taken).max(-HELPS);
        self.odds <= -HELPS
    }

    /// AWS throttled one. How it goes on, once it is clear that it is in vain.
    pub(super) fn throttled(&mut self) -> Option<Share> {
        self.calls += 1.0;
        self.odds += self.throttled;
        let enough = VAIN.min(LESS * self.share.throttled_of_all());
        (self.odds >= enough).then(|| self.share.goes_on())
    }
}
