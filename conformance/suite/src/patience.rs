//! How long a case waits for something that a conforming host does at once.
//!
//! On a busy machine "at once" can take long, and a case must not fail because of this. So the default patience is two minutes. A host
//! that hangs would take this long in each case. After a case has failed because its patience was over, the next cases on that host wait
//! for an eighth of it, and after three such cases for a twenty-fourth, but never less than ten times the longest case that passed.

use crate::monitor::Limits;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

/// The environment variable with the patience of a case, in seconds.
pub const VARIABLE: &str = "OSEVENT_CONFORMANCE_PATIENCE";

/// The default patience.
pub const USUAL: Duration = Duration::from_secs(120);

/// The patience of this process.
pub fn patience() -> Duration {
    static PATIENCE: LazyLock<Duration> = LazyLock::new(|| {
        let named = std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok());
        named.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(USUAL)
    });
    *PATIENCE
}

/// The limits of the monitor for this process.
pub fn limits(of: Limits) -> Limits {
    let patience = patience();
    if patience >= USUAL {
        return of;
    }
    Limits { overdue: of.overdue.min(patience), stuck: of.stuck.min(2 * patience), ..of }
}

/// The patience with one host.
pub struct Patience {
    usual: Duration,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// What the longest case took that has passed.
    longest: Duration,
    /// How many have failed and were out of patience.
    overdue: u32,
}

impl Patience {
    /// Begins with `usual`.
    pub fn new(usual: Duration) -> Self {
        Self { usual, seen: Mutex::default() }
    }

    /// The patience for the next case.
    pub fn now(&self) -> Duration {
        self.of(&self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The time after which the process of a case with `patience` is killed. `usually` is that time for the default patience.
    pub fn limit(usually: Duration, patience: Duration) -> Duration {
        let least = Duration::from_secs(60).min(usually);
        usually.mul_f64((patience.as_secs_f64() / USUAL.as_secs_f64()).min(1.0)).max(least)
    }

    /// Records the end of a case that had this patience. If the next cases have less, it returns a message for the user.
    pub fn learn(&self, patience: Duration, took: Duration, passed: bool) -> Option<String> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if passed {
            seen.longest = seen.longest.max(took);
        }
        if passed || took < patience {
            return None;
        }
        let before = self.of(&seen);
        seen.overdue += 1;
        let now = self.of(&seen);
        (now < before).then(|| {
            format!("a case failed after a wait of {patience:.1?}; the next ones on this loop wait for {now:.1?}")
        })
    }

    fn of(&self, seen: &Seen) -> Duration {
        let share = match seen.overdue {
            0 => return self.usual,
            1 | 2 => 8,
            _ => 24,
        };
        (self.usual / share).max(10 * seen.longest).min(self.usual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_host_that_hangs_costs_less_from_case_to_case() {
        let patience = Patience::new(USUAL);
        assert_eq!(patience.now(), 120 * SECOND);
        let words = patience.learn(120 * SECOND, 121 * SECOND, false).expect("less patience is told");
        assert_eq!(words, "a case failed after a wait of 120.0s; the next ones on this loop wait for 15.0s");
        assert_eq!(patience.now(), 15 * SECOND);
        assert_eq!(patience.learn(15 * SECOND, 16 * SECOND, false), None);
        assert!(patience.learn(15 * SECOND, 16 * SECOND, false).is_some());
        assert_eq!(patience.now(), 5 * SECOND);
        assert_eq!(patience.learn(5 * SECOND, 6 * SECOND, false), None);
    }

    #[test]
    fn a_slow_machine_and_a_host_that_fails_at_once_keep_the_patience() {
        let patience = Patience::new(USUAL);
        assert_eq!(patience.learn(120 * SECOND, 2 * SECOND, false), None);
        assert_eq!(patience.learn(120 * SECOND, 200 * SECOND, true), None);
        assert_eq!(patience.now(), 120 * SECOND);
        // A case of three seconds has passed: half a minute is not too long for any.
        let slow = Patience::new(USUAL);
        assert_eq!(slow.learn(120 * SECOND, 3 * SECOND, true), None);
        assert!(slow.learn(120 * SECOND, 120 * SECOND, false).is_some());
        assert_eq!(slow.now(), 30 * SECOND);
    }

    #[test]
    fn a_process_is_not_killed_before_its_patience_is_over() {
        for (patience, limit) in [(120, 300), (240, 300), (60, 150), (15, 60), (5, 60)] {
            assert_eq!(Patience::limit(300 * SECOND, patience * SECOND), limit * SECOND);
        }
    }
}
