//! Repositories that vanished outside of the operator: one is re-created, many at once are a sign
//! that something else is wrong.

/// What is gone of a registry at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lost {
    /// How many repositories are gone.
    pub gone: usize,
    /// How many ought to be there, those among them.
    pub expected: usize,
    /// How many of them were proved to be ours while somebody looked, by their owner tag.
    pub proved: usize,
}

impl Lost {
    /// Whether this is far more often a wrong account than deletions: all that there was, or more than one
    /// and more than 5 %. Where nothing was ever proved to be ours, nothing tells that the account is right.
    #[must_use]
    pub const fn is_suspicious(self) -> bool {
        let Self {
            gone,
            expected,
            proved,
        } = self;
        proved == 0 || gone >= expected || (gone > 1 && gone.saturating_mul(20) > expected)
    }
}

#[cfg(test)]
mod tests {
    use super::Lost;

    #[test]
    fn one_among_others_or_a_twentieth_may_vanish() {
        for (gone, expected, proved, suspicious) in [
            (1, 1, 1, true),
            (1, 2, 2, false),
            (2, 2, 2, true),
            (2, 5, 5, true),
            (1, 5, 5, false),
            (2, 39, 39, true),
            (2, 40, 40, false),
            (3, 59, 59, true),
            (50, 1000, 1000, false),
            (51, 1000, 1000, true),
            // As after a restart.
            (1, 1000, 0, true),
            (1, 2, 1, false),
            (2, 2, 0, true),
        ] {
            let lost = Lost {
                gone,
                expected,
                proved,
            };
            assert_eq!(lost.is_suspicious(), suspicious, "{lost:?}");
        }
    }
}
