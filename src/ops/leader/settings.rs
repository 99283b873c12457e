//! How long a lease holds, and the moments that follow from it.

use std::time::Duration;

/// How much of the time between the renew deadline and the end of the lease a write may still take, in
/// fifths. The rest is for clocks that run at different speeds and for what is on its way.
const FIFTHS: u32 = 3;

/// The times of an election; client-go's names, and its defaults.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settings {
    /// How long a lease must be seen unchanged before another takes it.
    pub duration: Duration,
    /// How long a leader goes on without having renewed.
    pub renew_deadline: Duration,
    /// Between two attempts to take or to renew.
    pub retry: Duration,
}

impl Settings {
    /// # Errors
    /// Where a leader would lose its lease in ordinary times, or keep it for too long.
    pub fn parse(duration: u64, renew_deadline: u64, retry: u64) -> Result<Self, String> {
        let ordered = retry >= 1 && retry.saturating_mul(2) < renew_deadline;
        if !ordered || renew_deadline >= duration {
            return Err(format!(
                "set --lease-retry-seconds to less than half of --lease-renew-deadline-seconds, and \
                 that to less than --lease-duration-seconds: they are {retry}, {renew_deadline} and \
                 {duration}"
            ));
        }
        Ok(Self {
            duration: Duration::from_secs(duration),
            renew_deadline: Duration::from_secs(renew_deadline),
            retry: Duration::from_secs(retry),
        })
    }

    /// After a renewal was sent: for how long writes may take that began before the renew deadline.
    #[must_use]
    pub fn write_deadline(&self) -> Duration {
        let spare = self.duration.saturating_sub(self.renew_deadline);
        self.renew_deadline + spare * FIFTHS / 5
    }

    /// How long one request about the lease may take: two of them fit before the renew deadline.
    #[must_use]
    pub fn request(&self) -> Duration {
        self.renew_deadline * 2 / 5
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_leave_three_seconds_to_write_and_two_to_spare() {
        let settings = Settings::parse(15, 10, 2).unwrap();
        assert_eq!(settings.write_deadline(), Duration::from_secs(13));
        assert_eq!(settings.request(), Duration::from_secs(4));
    }

    #[test]
    fn what_could_not_be_held_is_refused() {
        for (duration, deadline, retry) in [(10, 10, 2), (15, 16, 2), (15, 4, 2), (15, 10, 0)] {
            let refused = Settings::parse(duration, deadline, retry).unwrap_err();
            assert!(refused.contains("--lease-retry-seconds"), "{refused}");
        }
    }
}
