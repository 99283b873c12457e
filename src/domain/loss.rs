//! Repositories that vanished outside of the operator: one is re-created, many at once are a sign
//! that something else is wrong.

/// Whether so many are gone that it is far more often a wrong account than deletions: more than
/// five and more than 5 % of those that ought to be there.
#[must_use]
pub fn is_suspicious(gone: usize, expected: usize) -> bool {
    gone > 5 && gone.saturating_mul(20) > expected
}

#[cfg(test)]
mod tests {
    use super::is_suspicious;

    #[test]
    fn five_or_a_twentieth_may_vanish() {
        for (gone, expected, suspicious) in [
            (5, 5, false),
            (6, 6, true),
            (6, 119, true),
            (6, 120, false),
            (50, 1000, false),
            (51, 1000, true),
        ] {
            assert_eq!(
                is_suspicious(gone, expected),
                suspicious,
                "{gone} of {expected}"
            );
        }
    }
}
