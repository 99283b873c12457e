//! Operators that look only when something changed, so that every call is the scenario's own.

use super::World;

/// An object's place in the rota of policies comes from its uid: of a day, a scenario would meet it now and
/// then by chance. Of a year, the longest that the flag takes, it does not.
pub(crate) const NO_ROTA: &str = "--policy-resync-seconds=31536000";

/// Longer than any scenario waits.
pub(super) const SELDOM: [&str; 3] = [
    "--resync-seconds=600",
    NO_ROTA,
    "--stalled-retry-seconds=3600",
];

/// As in all other scenarios.
pub(super) const OFTEN: [&str; 3] = [
    "--resync-seconds=2",
    "--policy-resync-seconds=3",
    "--stalled-retry-seconds=3",
];

impl World {
    /// A world whose operator looks only when something changed or failed.
    pub(crate) async fn quiet(name: &str) -> Self {
        let mut world = Self::without_operator(name).await;
        world.seldom();
        world.start_operator().await;
        world
    }

    /// Operators that are started from now on look only when something changed or failed.
    pub(crate) fn seldom(&mut self) {
        for flag in SELDOM {
            self.flag(flag);
        }
    }

    /// Ends the scenario with an operator that looks often: rest can only be seen by looking.
    pub(crate) async fn finish_looking(mut self) {
        self.stop_operator().await;
        for flag in OFTEN {
            self.flag(flag);
        }
        self.start_operator().await;
        self.finish().await;
    }
}
