//! The timers: by monotonic deadline, then by order of registration ([O7]).

#[cfg(doc)]
use crate::contract::*;
use crate::os;
use osevent_core::{Deadline, NumberHasher, TimerSource, Token};
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasherDefault;

/// The deadline, and the number of the registration: it makes the place unique, and puts ties into the order of registration.
type Place = (u64, u64);

#[derive(Default)]
pub(crate) struct Timers {
    queue: BTreeMap<Place, TimerSource>,
    places: HashMap<Token, Place, BuildHasherDefault<NumberHasher>>,
    registered: u64,
    clocks: Clocks,
}

impl Timers {
    pub(crate) fn add(&mut self, source: TimerSource, deadline: Deadline) {
        let place = (self.clocks.convert(deadline), self.registered);
        self.registered += 1;
        self.places.insert(source.token(), place);
        self.queue.insert(place, source);
    }

    /// Moves it; one that is not here any more is left alone ([R14]).
    pub(crate) fn modify(&mut self, token: Token, deadline: Deadline) {
        let Some(place) = self.places.get_mut(&token) else { return };
        let source = self.queue.remove(place).expect("each place is in the queue");
        place.0 = self.clocks.convert(deadline);
        self.queue.insert(*place, source);
    }

    pub(crate) fn remove(&mut self, token: Token) {
        if let Some(place) = self.places.remove(&token) {
            self.queue.remove(&place);
        }
    }

    /// Takes the first that is due at `now`. Only one at a time, because its occurrence may register or hurry another
    /// that then comes first.
    pub(crate) fn pop_due(&mut self, now: u64) -> Option<TimerSource> {
        let first = self.queue.first_entry().filter(|first| first.key().0 <= now)?;
        let source = first.remove();
        self.places.remove(&source.token());
        Some(source)
    }

    /// Whether one is due at `now`.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        self.earliest().is_some_and(|earliest| earliest <= now)
    }

    /// The earliest deadline, in nanoseconds of the monotonic clock; 0 is at once.
    pub(crate) fn earliest(&self) -> Option<u64> {
        self.queue.first_key_value().map(|(place, _)| place.0)
    }
}

/// Converts deadlines from the wall clock, which steps, to the monotonic one, once each ([R12]).
///
/// Both are disciplined alike, so between steps their distance is constant. It is measured for each deadline, but kept
/// as long as the measurement does not contradict it: so equal deadlines stay equal, and nearly equal ones stay in
/// order ([O7]), whatever a preemption between the readings does to a measurement.
#[derive(Default)]
struct Clocks {
    /// Monotonic minus wall, in nanoseconds. At most two [`SLACK`](Self::SLACK)s above the truth after a good
    /// measurement, and not below it, so that no timer is early; a step of less than one slack is not noticed.
    distance: i64,
}

impl Clocks {
    /// Nanoseconds that two readings in a row may be apart, and still be a good measurement.
    const SLACK: i64 = 1_000;
    /// A machine that preempts between the readings this often has other worries.
    const ATTEMPTS: u32 = 8;

    /// Nanoseconds of the monotonic clock; 0 is at once. Deadlines after the year 2262 become that year.
    fn convert(&mut self, deadline: Deadline) -> u64 {
        if deadline == Deadline::ASAP {
            return 0;
        }
        self.measure();
        let wall = deadline.as_micros().saturating_mul(1_000);
        wall.saturating_add(self.distance).max(0).cast_unsigned()
    }

    fn measure(&mut self) {
        let (mut least, mut most) = Self::bounds();
        for _ in 1..Self::ATTEMPTS {
            if most - least <= Self::SLACK {
                break;
            }
            (least, most) = Self::bounds();
        }
        self.consider(least, most);
    }

    /// Takes the upper bound, unless what there is can be the truth, or a slack more.
    fn consider(&mut self, least: i64, most: i64) {
        if self.distance < least || self.distance > most.saturating_add(Self::SLACK) {
            self.distance = most;
        }
    }

    /// The distance lies between these two.
    fn bounds() -> (i64, i64) {
        let before = os::monotonic().cast_signed();
        let wall = os::wall();
        let after = os::monotonic().cast_signed();
        (before.saturating_sub(wall), after.saturating_sub(wall))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r12_the_distance_is_never_below_what_was_measured() {
        let mut clocks = Clocks::default();
        clocks.consider(-5_000_000, -4_999_900);
        assert_eq!(clocks.distance, -4_999_900);
        // The wall clock steps forward an hour, and back.
        clocks.consider(-3_605_000_000, -3_604_999_000);
        assert_eq!(clocks.distance, -3_604_999_000);
        clocks.consider(-5_000_000, -4_999_900);
        assert_eq!(clocks.distance, -4_999_900);
    }

    #[test]
    fn o7_a_preempted_measurement_does_not_part_equal_deadlines() {
        let mut clocks = Clocks::default();
        clocks.consider(-5_000_100, -5_000_000);
        clocks.consider(-5_000_100, 0);
        assert_eq!(clocks.distance, -5_000_000);
        clocks.consider(-5_000_500, -5_000_050);
        assert_eq!(clocks.distance, -5_000_000);
        // But it does not stay as bad as a bad first one.
        let mut clocks = Clocks::default();
        clocks.consider(-5_000_100, -1_000);
        clocks.consider(-5_000_100, -5_000_000);
        assert_eq!(clocks.distance, -5_000_000);
    }

    #[test]
    fn r11_no_deadline_overflows() {
        for distance in [i64::MIN, -1, 0, i64::MAX] {
            for micros in [1, i64::MAX / 1_000, i64::MAX] {
                let mut clocks = Clocks { distance };
                let at = clocks.convert(Deadline::from_micros(micros));
                assert!(at <= i64::MAX.cast_unsigned());
            }
        }
        assert_eq!(Clocks::default().convert(Deadline::ASAP), 0);
    }
}
