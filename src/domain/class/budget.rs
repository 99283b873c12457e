//! How often AWS is called.

use std::num::NonZeroU32;

use crate::api::ApiBudget;

/// Calls a second, of each single operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Budget {
    /// Of those that read.
    pub reads: NonZeroU32,
    /// Of those that write.
    pub writes: NonZeroU32,
}

/// What holds where no class says anything.
impl Default for Budget {
    fn default() -> Self {
        Self::of(10, 5)
    }
}

impl Budget {
    /// So many calls a second; nothing is called less often than once.
    #[must_use]
    pub const fn of(reads: u32, writes: u32) -> Self {
        Self {
            reads: at_least_one(reads),
            writes: at_least_one(writes),
        }
    }

    /// The lower of two, for reads and writes by themselves.
    #[must_use]
    pub fn lowest(self, other: Self) -> Self {
        Self {
            reads: self.reads.min(other.reads),
            writes: self.writes.min(other.writes),
        }
    }

    pub(super) fn parse(spec: Option<&ApiBudget>) -> Self {
        let calls = |asked: Option<i64>, otherwise: NonZeroU32| {
            asked
                .and_then(|calls| u32::try_from(calls).ok())
                .and_then(NonZeroU32::new)
                .unwrap_or(otherwise)
        };
        let Self { reads, writes } = Self::default();
        Self {
            reads: calls(spec.and_then(|it| it.reads_per_second), reads),
            writes: calls(spec.and_then(|it| it.writes_per_second), writes),
        }
    }
}

const fn at_least_one(calls: u32) -> NonZeroU32 {
    match NonZeroU32::new(calls) {
        Some(calls) => calls,
        None => NonZeroU32::MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_the_lowest_holds() {
        let lowest = Budget::of(10, 1).lowest(Budget::of(2, 5));
        assert_eq!(lowest, Budget::of(2, 1));
    }

    #[test]
    fn what_a_class_does_not_say_or_could_never_mean_is_the_default() {
        let said = |reads, writes| {
            Budget::parse(Some(&ApiBudget {
                reads_per_second: reads,
                writes_per_second: writes,
            }))
        };
        assert_eq!(Budget::parse(None), Budget::of(10, 5));
        assert_eq!(said(Some(3), None), Budget::of(3, 5));
        assert_eq!(said(Some(0), Some(-1)), Budget::of(10, 5));
    }
}
