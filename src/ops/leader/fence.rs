//! The fence of a process that leads by a lease.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use super::{settings::Settings, view::Moment};
use crate::ecr::{Closed, Fence, Permit};

/// Whether a process may write: a function of when it renewed, and of the time. Not a flag: a process
/// that was stopped finds it closed when it goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Grip {
    /// It has not led yet.
    StandsBy,
    /// It leads; its last renewal was sent then.
    Leads(Moment),
    /// It led, and never will again: the process ends.
    Closed,
}

impl Grip {
    /// A write to the lease that was sent at `sent` was taken.
    pub(super) fn renewed(self, sent: Moment, settings: &Settings, now: Moment) -> Self {
        match self.at(settings, now) {
            // The answer itself may come too late.
            Self::StandsBy | Self::Leads(_) => Self::Leads(sent).at(settings, now),
            Self::Closed => Self::Closed,
        }
    }

    /// What it is by now. Once closed it stays so, whatever answers come later.
    pub(super) fn at(self, settings: &Settings, now: Moment) -> Self {
        match self {
            Self::Leads(sent) if now.saturating_sub(sent) >= settings.renew_deadline => {
                Self::Closed
            }
            current @ (Self::StandsBy | Self::Leads(_) | Self::Closed) => current,
        }
    }

    /// When a write must have ended that began while it was open.
    pub(super) fn end(self, settings: &Settings) -> Option<Moment> {
        match self {
            Self::Leads(sent) => Some(sent + settings.write_deadline()),
            Self::StandsBy | Self::Closed => None,
        }
    }
}

/// Open while the lease was renewed a short while ago.
#[derive(Debug)]
pub struct LeaseFence {
    began: Instant,
    settings: Settings,
    grip: Mutex<Grip>,
}

impl LeaseFence {
    /// Closed until the process leads.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            began: Instant::now(),
            settings,
            grip: Mutex::new(Grip::StandsBy),
        }
    }

    /// No write begins any more.
    pub fn close(&self) {
        self.change(|_, _| Grip::Closed);
    }

    /// A write to the lease that was sent at `sent` was taken.
    pub(super) fn renewed(&self, sent: Moment) {
        self.change(|grip, now| grip.renewed(sent, &self.settings, now));
    }

    /// The clock of the election.
    pub(super) fn now(&self) -> Moment {
        self.began.elapsed()
    }

    fn change(&self, change: impl FnOnce(Grip, Moment) -> Grip) -> Grip {
        // A grip is whole after any panic.
        let mut grip = self.grip.lock().unwrap_or_else(PoisonError::into_inner);
        *grip = change(*grip, self.now());
        *grip
    }
}

impl Fence for LeaseFence {
    fn permit(&self) -> Result<Permit, Closed> {
        let grip = self.change(|grip, now| grip.at(&self.settings, now));
        let until = self.began + grip.end(&self.settings).ok_or(Closed)?;
        Ok(Permit { until: Some(until) })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn settings() -> Settings {
        Settings::parse(15, 10, 2).unwrap()
    }

    fn at(seconds: u64) -> Moment {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_is_open_from_the_first_renewal_to_the_deadline() {
        let leads = Grip::StandsBy.renewed(at(100), &settings(), at(101));
        assert_eq!(
            leads.at(&settings(), at(109)).end(&settings()),
            Some(at(113))
        );
        assert_eq!(leads.at(&settings(), at(110)), Grip::Closed);
        assert_eq!(Grip::StandsBy.end(&settings()), None);
    }

    #[test]
    fn an_answer_that_comes_too_late_opens_nothing() {
        let late = Grip::StandsBy.renewed(at(100), &settings(), at(110));
        assert_eq!(late, Grip::Closed);
        let late = Grip::Leads(at(100)).renewed(at(109), &settings(), at(110));
        assert_eq!(late, Grip::Closed, "it was closed when the answer came");
        let again = Grip::Closed.renewed(at(200), &settings(), at(200));
        assert_eq!(again, Grip::Closed);
    }

    #[test]
    fn it_is_closed_for_good_before_the_lease_is_given_back() {
        let fence = LeaseFence::new(settings());
        assert_eq!(fence.permit(), Err(Closed));
        fence.renewed(fence.now());
        assert!(fence.permit().unwrap().until.is_some());
        fence.close();
        fence.renewed(fence.now());
        assert_eq!(fence.permit(), Err(Closed));
    }
}
