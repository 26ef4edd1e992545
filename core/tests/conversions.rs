//! What the client's numbers mean: timevals and poll(2)'s bits.
#![cfg(not(loom))]

use osevent_core::{Deadline, Interest, LoopError, Readiness, RegistrationError};

#[test]
fn a_timeval_becomes_microseconds_since_1970_r11() {
    let micros = |secs, micros| Deadline::from_timeval(secs, micros).map(Deadline::as_micros);
    assert_eq!(micros(0, 0), Ok(0));
    assert_eq!(micros(0, 999_999), Ok(999_999));
    assert_eq!(micros(1_700_000_000, 250_000), Ok(1_700_000_000_250_000));
    assert_eq!(Deadline::from_timeval(0, 0), Ok(Deadline::ASAP));
}

#[test]
fn the_far_future_does_not_overflow_r11() {
    let latest = Ok(Deadline::from_micros(i64::MAX));
    assert_eq!(Deadline::from_timeval(i64::MAX, 999_999), latest);
    assert_eq!(Deadline::from_timeval(i64::MAX / 1_000_000 + 1, 0), latest);
    assert_eq!(Deadline::from_timeval(i64::MAX / 1_000_000, 999_999), latest);
    let before = i64::MAX / 1_000_000;
    assert_eq!(Deadline::from_timeval(before, 0).map(Deadline::as_micros), Ok(before * 1_000_000));
}

#[test]
fn times_before_1970_are_the_past_r11() {
    assert_eq!(Deadline::from_timeval(-1, 999_999), Ok(Deadline::ASAP));
    assert_eq!(Deadline::from_timeval(i64::MIN, 0), Ok(Deadline::ASAP));
    assert_eq!(Deadline::from_micros(i64::MIN), Deadline::ASAP);
}

#[test]
fn microseconds_out_of_range_are_no_timeval_r11() {
    for micros in [-1, 1_000_000, i64::MIN, i64::MAX] {
        let invalid = Err(RegistrationError::InvalidDeadline { secs: 5, micros });
        assert_eq!(Deadline::from_timeval(5, micros), invalid);
    }
}

#[test]
fn deadlines_are_ordered_by_time_o7() {
    let at = |secs, micros| Deadline::from_timeval(secs, micros).unwrap();
    assert!(Deadline::ASAP < at(0, 1));
    assert!(at(1, 999_999) < at(2, 0));
}

#[test]
fn an_interest_is_polls_three_bits_and_the_implied_ones_may_be_named_r6() {
    assert_eq!(Interest::from_poll(0), Ok(Interest::NONE));
    for (bits, interest) in [(1, Interest::IN), (2, Interest::PRI), (4, Interest::OUT)] {
        assert_eq!(Interest::from_poll(bits), Ok(interest));
        assert_eq!(interest.to_poll(), bits);
        assert_eq!(Interest::from_poll(bits | 0x38), Ok(interest));
    }
    assert_eq!(Interest::from_poll(7), Ok(Interest::IN | Interest::PRI | Interest::OUT));
    assert_eq!(Interest::from_poll(0x38), Ok(Interest::NONE), "no interest, so nothing is implied (R5)");
}

#[test]
fn what_both_sides_of_a_union_have_is_in_it_r4() {
    let (two, other) = (Interest::IN | Interest::OUT, Interest::OUT | Interest::PRI);
    assert_eq!((two | other).to_poll(), 7);
    assert_eq!(two | two, two);
    let seen = Readiness::IN | Readiness::HUP;
    assert_eq!(seen | Readiness::IN, seen);
}

#[test]
fn any_other_bit_is_refused_not_dropped_r6() {
    for bit in (6..16).map(|shift| (1_u16 << shift) as i16) {
        assert_eq!(Interest::from_poll(bit | 1), Err(RegistrationError::UnknownInterest(bit | 1)));
    }
}

#[test]
fn readiness_is_polls_six_bits_r6() {
    let all = Readiness::IN | Readiness::PRI | Readiness::OUT | Readiness::ERR | Readiness::HUP | Readiness::NVAL;
    assert_eq!(all.to_poll(), 0x3f);
    assert_eq!(Readiness::from_poll(-1), all, "what poll(2) reports beyond is left out");
    assert!(Readiness::from_poll(0x40).is_empty());
}

#[test]
fn errors_say_what_they_are_about() {
    for (error, words) in [
        (RegistrationError::NegativeFd(-7), "fd -7"),
        (RegistrationError::UnknownInterest(0x40), "0x40"),
        (RegistrationError::InvalidDeadline { secs: 5, micros: -6 }, "{5, -6}"),
        (RegistrationError::UnknownHandle(0x1234), "0x1234"),
        (RegistrationError::Closed, "freed"),
        (RegistrationError::Loop(LoopError::BadFd(9)), "fd 9 is not open"),
        (RegistrationError::Loop(LoopError::Os(28)), "errno 28"),
    ] {
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn readiness_is_seen_through_the_interest_r5_r6() {
    let all = Readiness::from_poll(0x3f);
    assert!(all.for_interest(Interest::NONE).is_empty());
    assert_eq!(all.for_interest(Interest::OUT).to_poll(), 0x3c);
    assert!(Readiness::IN.for_interest(Interest::OUT).is_empty());
}
