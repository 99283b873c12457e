//! Reads that AWS throttles are made again at their next turn: a pass that needs several of them would seldom get
//! all at once. The pace keeps the tries apart. Writes are not: each has a proof of its moment.

use crate::domain::failure::{Class, Failure};

/// How often a read is tried.
const TRIES: u32 = 5;

/// The tries of one read.
#[derive(Debug, Default)]
struct Tries(u32);

impl Tries {
    /// Whether the answer is one to end with.
    fn end<T>(&mut self, answer: &Result<T, Failure>) -> bool {
        self.0 += 1;
        let throttled = matches!(answer, Err(failure) if failure.class == Class::Throttled);
        !throttled || self.0 >= TRIES
    }
}

/// Reads, at its next turn again where AWS throttles.
pub(super) async fn in_turns<T, F>(mut read: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut tries = Tries::default();
    loop {
        let answer = read().await;
        if tries.end(&answer) {
            return answer;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(throttled: usize, then: Result<(), Class>) -> usize {
        let failure = |class| Failure {
            class,
            said: String::new(),
        };
        let refusals = std::iter::repeat_n(Err(Class::Throttled), throttled);
        let mut answers = refusals.chain(std::iter::repeat(then));
        let mut tries = Tries::default();
        1 + answers
            .position(|answer| tries.end(&answer.map_err(failure)))
            .unwrap()
    }

    #[test]
    fn what_is_throttled_is_read_again_and_nothing_else() {
        assert_eq!(tries(0, Ok(())), 1);
        assert_eq!(tries(3, Ok(())), 4);
        assert_eq!(tries(9, Ok(())), 5);
        assert_eq!(tries(0, Err(Class::Unavailable)), 1);
        assert_eq!(tries(1, Err(Class::Denied)), 2);
    }
}
