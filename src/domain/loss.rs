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

/// What the statuses of one namespace say beyond what was proved. Whoever may write them may say anything.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Claim {
    /// How many repositories are gone.
    pub gone: usize,
    /// How many ought to be there.
    pub expected: usize,
}

impl Lost {
    /// What counts for a namespace that has just lost one, beside what was proved: its own claims whole, and
    /// losses that others claim, of each at most as many as its own. What was lost while nobody worked is known
    /// from statuses alone. The largest of those claims is left out: whoever writes the statuses of one
    /// namespace could have made it up. No claim of others makes a loss look smaller.
    #[must_use]
    pub fn beside(self, own: Claim, others: impl IntoIterator<Item = Claim>) -> Self {
        let bound = own.gone.max(1);
        let others = others.into_iter().map(|it| it.gone.min(bound));
        let (all, largest) = others.fold((0, 0), |(all, largest): (usize, usize), gone| {
            (all.saturating_add(gone), largest.max(gone))
        });
        let believed = all.saturating_sub(largest);
        let gone = self.gone.saturating_add(own.gone).max(1);
        let expected = self.expected.saturating_add(own.expected).max(gone);
        Self {
            gone: gone.saturating_add(believed),
            expected: expected.saturating_add(believed),
            proved: self.proved,
        }
    }

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
    use proptest::{collection::vec, prelude::*};

    use super::{Claim, Lost};

    const fn lost(gone: usize, expected: usize, proved: usize) -> Lost {
        Lost {
            gone,
            expected,
            proved,
        }
    }

    /// So many that are gone, and so many more that are not.
    const fn claimed((gone, more): (usize, usize)) -> Claim {
        Claim {
            gone,
            expected: gone + more,
        }
    }

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
            let lost = lost(gone, expected, proved);
            assert_eq!(lost.is_suspicious(), suspicious, "{lost:?}");
        }
    }

    /// Those that are left, losses of the own namespace and of others, what counts, whether it is many.
    type Case = (usize, usize, &'static [usize], (usize, usize), bool);

    #[test]
    fn one_namespace_is_not_believed_by_others_and_several_are() {
        let cases: [Case; 12] = [
            (3, 1, &[], (1, 4), false),
            // One alone could be forged, however much it claims.
            (3, 1, &[1], (1, 4), false),
            (3, 1, &[100], (1, 4), false),
            (3, 1, &[100, 0, 0], (1, 4), false),
            // What is claimed at home counts whole.
            (3, 3, &[], (3, 6), true),
            // Two tell of each other, in a small registry.
            (3, 1, &[1, 1], (2, 5), true),
            (100, 1, &[1, 1], (2, 102), false),
            // A few who forge count as one each where one is lost.
            (100, 1, &[100, 100, 100], (3, 103), false),
            // Eleven of twelve, and half of a hundred.
            (1, 1, &[1; 10], (10, 11), true),
            (50, 1, &[1; 49], (49, 99), true),
            // Many of each of a few.
            (900, 20, &[20, 20, 20, 20], (80, 980), true),
            (900, 20, &[50, 1, 0], (21, 921), false),
        ];
        for (left, own, others, (gone, expected), suspicious) in cases {
            let others = others.iter().map(|gone| claimed((*gone, 0)));
            let counts = lost(0, left, left).beside(claimed((own, 0)), others);
            assert_eq!(counts, lost(gone, expected, left));
            assert_eq!(counts.is_suspicious(), suspicious, "{counts:?}");
        }
    }

    fn claims() -> impl Strategy<Value = Claim> {
        (0..30_usize, 0..30_usize).prop_map(claimed)
    }

    /// What was proved: gone, and still there.
    fn proved() -> impl Strategy<Value = Lost> {
        (0..10_usize, 0..200_usize).prop_map(|(gone, left)| lost(gone, gone + left, gone + left))
    }

    proptest! {
        /// Where no other namespace has losses of its own, one that claims some changes nothing at all.
        #[test]
        fn one_that_forges_is_as_if_it_were_not_there(
            (proved, own, forged) in (proved(), claims(), claims()), others in 0..5_usize
        ) {
            let others = vec![claimed((0, 7)); others];
            let honest = proved.beside(own, others.clone());
            let forged = proved.beside(own, others.into_iter().chain([forged]));
            prop_assert_eq!(forged, honest);
        }

        /// Whatever else is lost: it stops no one who would go on if all the honest were believed, and lets no
        /// one go on who waits without it.
        #[test]
        fn one_that_forges_stops_nobody_and_releases_nobody(
            (proved, own, others, forged) in (proved(), claims(), vec(claims(), 0..8), claims())
        ) {
            let without = proved.beside(own, others.clone());
            let with = proved.beside(own, others.iter().copied().chain([forged]));
            let honest: usize = others.iter().map(|it| it.gone).sum();
            let alone = proved.beside(own, []);
            let believed = lost(alone.gone + honest, alone.expected + honest, proved.proved);
            prop_assert!(!without.is_suspicious() || with.is_suspicious(), "{without:?} {with:?}");
            prop_assert!(!with.is_suspicious() || believed.is_suspicious(), "{with:?} {believed:?}");
        }

        /// A tenth of all, lost evenly by three namespaces or more while nobody worked, is held by each.
        #[test]
        fn a_mass_loss_while_nobody_worked_is_held(
            (namespaces, each, share) in (3..50_usize, 1..20_usize, 0..=100_usize)
        ) {
            let left = namespaces * each * 9 * share / 100;
            let others = vec![claimed((each, 0)); namespaces - 1];
            let counts = lost(0, left, left).beside(claimed((each, 0)), others);
            prop_assert!(counts.is_suspicious(), "{counts:?}");
        }

        /// So is the loss of one by each of the namespaces, whatever more some of them have lost.
        #[test]
        fn a_loss_of_most_namespaces_is_held_whatever_each_has_lost(
            (losses, left) in (vec(1..50_usize, 3..50), 0..40_usize)
        ) {
            let left = left.min(losses.len() * 9);
            for (home, own) in losses.iter().enumerate() {
                let others = losses.iter().enumerate().filter(|(other, _)| *other != home);
                let others = others.map(|(_, gone)| claimed((*gone, 0)));
                let counts = lost(0, left, left).beside(claimed((*own, 0)), others);
                prop_assert!(counts.is_suspicious(), "{counts:?}");
            }
        }
    }
}
