//! The two clocks: the client's deadlines are on one of them, the loop sleeps by the other.

use crate::boundary::WallTime;
#[cfg(doc)]
use crate::contract::*;

/// Nanoseconds of the monotonic clock.
pub(super) fn monotonic() -> i64 {
    read(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds of gettimeofday(2)'s clock.
pub(super) fn wall() -> i64 {
    read(libc::CLOCK_REALTIME)
}

/// The same unit for a client's time, however far away.
pub(super) fn nanoseconds((seconds, micros): WallTime) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(micros.saturating_mul(1_000))
}

/// From the one to the other.
#[derive(Default)]
pub(super) struct Distance(Option<i64>);

impl Distance {
    /// When a deadline on the wall clock is due on the monotonic one: never too early ([R12]).
    pub(super) fn due(&mut self, wall: i64) -> i64 {
        wall.saturating_add(self.measure())
    }

    /// An earlier measurement is kept while the new one does not contradict it, so that the order of deadlines is kept ([O7]).
    fn measure(&mut self) -> i64 {
        let (low, high) = (0..4).map(|_| once()).min_by_key(|(low, high)| high - low).expect("four were made");
        match self.0 {
            Some(kept) if (low..=high.saturating_add(1_000_000)).contains(&kept) => kept,
            _ => *self.0.insert(high),
        }
    }
}

/// Bounds of the distance.
fn once() -> (i64, i64) {
    let (before, wall, after) = (monotonic(), wall(), monotonic());
    (before - wall, after - wall)
}

fn read(clock: libc::clockid_t) -> i64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` outlives the call, which cannot fail for these two clocks.
    unsafe { libc::clock_gettime(clock, &mut now) };
    now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec)
}
