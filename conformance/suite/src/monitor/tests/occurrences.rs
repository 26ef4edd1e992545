//! Occurrences.

use super::*;

#[test]
fn o1_an_occurrence_from_inside_a_hook_is_seen() {
    let mut script = concurrent();
    script.step(LOOP, What::TimeoutRegister { deadline: (0, 0), value: 1 });
    script.timeout_occurs(1);
    script.step(LOOP, What::HookReturned { handle: 201, code: 0 });
    script.breaks("O1");
}

#[test]
fn o1_an_occurrence_on_another_thread_before_the_hook_has_returned_is_right() {
    let mut script = concurrent();
    script.step(APP, What::TimeoutRegister { deadline: (0, 0), value: 1 });
    script.timeout_occurs(1);
    script.step(APP, What::HookReturned { handle: 201, code: 0 });
    script.breaks_nothing();
}

#[test]
fn o3_an_occurrence_after_its_deregistration_is_wrong_for_the_first_releases_only() {
    let late = |mut script: Script| {
        script.fd_register(7, IN, 1);
        script.fd_deregister(APP, 7, 1);
        script.fd_occurs(7, 1);
        script
    };
    late(concurrent()).breaks_nothing();
    late(serialized()).breaks("O3");
}

#[test]
fn o3_a_registration_with_the_value_of_an_earlier_one_may_occur() {
    let mut script = serialized();
    script.fd_register(7, IN, 1);
    script.fd_deregister(APP, 7, 1);
    script.fd_register(7, IN, 1);
    script.fd_occurs(7, 1);
    script.breaks_nothing();
}

#[test]
fn o4_a_bare_hang_up_is_dropped_by_the_first_releases_only() {
    let hang_up = |mut script: Script, revents| {
        script.fd_register(7, IN, 1);
        script.occurs(What::FdOccurrence { value: 1, fd: 7, events: IN, revents });
        script
    };
    hang_up(serialized(), libc::POLLHUP).breaks("O4");
    hang_up(serialized(), libc::POLLHUP | IN).breaks_nothing();
    hang_up(concurrent(), libc::POLLHUP).breaks_nothing();
}

#[test]
fn o5_a_timeout_that_occurs_twice_is_seen() {
    let mut script = concurrent();
    script.timeout_register((0, 0), 1);
    script.timeout_occurs(1);
    script.breaks_nothing();
    script.timeout_occurs(1);
    script.breaks("O5");
}

#[test]
fn o6_the_next_one_with_the_same_value_may_be_registered_inside() {
    let mut script = concurrent();
    script.timeout_register((0, 0), 1);
    script.step(LOOP, What::TimeoutOccurrence { value: 1 });
    script.hook(LOOP, What::TimeoutRegister { deadline: (0, 0), value: 1 }, 202, 0);
    script.step(LOOP, What::OccurrenceReturned);
    script.timeout_occurs(1);
    script.breaks_nothing();
}

#[test]
fn o5_a_timeout_that_was_never_registered_is_seen() {
    let mut script = concurrent();
    script.timeout_occurs(1);
    script.breaks("O5");
}

#[test]
fn o5_a_timeout_occurs_after_its_cancellation_and_not_after_its_deregistration() {
    let mut script = concurrent();
    script.timeout_register((NOW + 60, 0), 1);
    script.cancel(APP, 1);
    script.timeout_occurs(1);
    script.breaks_nothing();

    let mut script = serialized();
    script.timeout_register((0, 0), 1);
    script.hook(APP, What::TimeoutDeregister { handle: 201 }, 201, 0);
    script.timeout_occurs(1);
    script.breaks("O5");
}

#[test]
fn o5_a_cancellation_that_is_lost_is_seen_when_nothing_happens_for_long() {
    let lost = |quiet, what: Option<What>| {
        let mut script = concurrent();
        script.timeout_register((NOW + 3600, 0), 1);
        script.cancel(APP, 1);
        if let Some(what) = what {
            script.step(LOOP, what);
        }
        script.pass(quiet);
        script.step(APP, What::Remark { text: "the end".into() });
        script
    };
    lost(Duration::from_secs(11), None).breaks("O5");
    lost(Duration::from_secs(9), None).breaks_nothing();
    // The loop is busy.
    let occurrence = What::FdOccurrence { value: 2, fd: 7, events: IN, revents: IN };
    let mut busy = lost(Duration::from_secs(11), Some(occurrence));
    busy.record
        .steps
        .insert(0, Step { what: What::FdRegister { fd: 7, events: IN, value: 2 }, ..busy.record.steps[0].clone() });
    busy.record
        .steps
        .insert(1, Step { what: What::HookReturned { handle: 102, code: 0 }, ..busy.record.steps[0].clone() });
    busy.breaks_nothing();
}

#[test]
fn o5_a_timeout_that_is_not_due_yet_is_not_lost() {
    let mut script = concurrent();
    script.timeout_register((NOW + 60, 0), 1);
    script.pass(Duration::from_secs(40));
    script.step(APP, What::Remark { text: "the end".into() });
    script.breaks_nothing();
    script.pass(Duration::from_secs(30));
    script.step(APP, What::Remark { text: "became due in silence".into() });
    script.breaks_nothing();
    script.pass(Duration::from_secs(30));
    script.step(APP, What::Remark { text: "was due all the time".into() });
    script.breaks("O5");
}

#[test]
fn x6_a_cancelled_timeout_may_be_dropped_with_the_client() {
    let mut script = concurrent();
    script.timeout_register((NOW + 60, 0), 1);
    script.cancel(APP, 1);
    script.free();
    script.breaks_nothing();
}

#[test]
fn o7_a_later_deadline_that_came_second_and_occurs_first_is_seen() {
    let mut script = concurrent();
    script.timeout_register((NOW, 10), 1);
    script.timeout_register((NOW, 20), 2);
    script.pass(Duration::from_secs(1));
    script.timeout_occurs(2);
    script.timeout_occurs(1);
    script.breaks("O7");
}

#[test]
fn o7_order_is_only_judged_where_it_is_certain() {
    // The earlier deadline came second: the loop may have taken the other before.
    let mut script = concurrent();
    script.timeout_register((NOW, 20), 2);
    script.timeout_register((NOW, 10), 1);
    script.pass(Duration::from_secs(1));
    script.timeout_occurs(2);
    script.timeout_occurs(1);
    script.breaks_nothing();
    // Equal deadlines.
    let mut script = concurrent();
    script.timeout_register((NOW, 10), 1);
    script.timeout_register((NOW, 10), 2);
    script.pass(Duration::from_secs(1));
    script.timeout_occurs(2);
    script.timeout_occurs(1);
    script.breaks_nothing();
    // Two threads, each of which has taken one.
    let mut script = concurrent();
    script.timeout_register((NOW, 10), 1);
    script.timeout_register((NOW, 20), 2);
    script.pass(Duration::from_secs(1));
    script.step(APP, What::TimeoutOccurrence { value: 2 });
    script.step(APP, What::OccurrenceReturned);
    script.timeout_occurs(1);
    script.breaks_nothing();
    // The wall clock was set between the two.
    let mut script = concurrent();
    script.timeout_register((NOW, 10), 1);
    script.distance += 3_600_000_000;
    script.timeout_register((NOW + 3600, 0), 2);
    script.pass(Duration::from_secs(1));
    script.timeout_occurs(2);
    script.timeout_occurs(1);
    script.breaks_nothing();
}

#[test]
fn o9_an_fd_that_occurs_again_and_again_while_a_timeout_is_due_is_seen() {
    for (times, right) in [(300, false), (100, true)] {
        let mut script = concurrent();
        script.fd_register(7, IN, 1);
        script.timeout_register((0, 0), 2);
        for _ in 0..times {
            script.pass(Duration::from_millis(2));
            script.fd_occurs(7, 1);
        }
        script.timeout_occurs(2);
        if right { script.breaks_nothing() } else { script.breaks("O9") }
    }
}

#[test]
fn o11_another_number_than_the_one_registered_is_seen() {
    let mut script = concurrent();
    script.fd_register(7, IN, 1);
    script.fd_occurs(7, 1);
    script.breaks_nothing();
    script.fd_occurs(8, 1);
    script.breaks("O11");
}

#[test]
fn o11_a_value_that_was_never_registered_is_seen() {
    let mut script = concurrent();
    script.fd_register(7, IN, 1);
    script.fd_occurs(7, 2);
    script.breaks("O11");
}

#[test]
fn r5_occurrences_without_interest_are_seen_but_for_the_one_on_its_way() {
    let mut script = concurrent();
    script.fd_register(7, IN, 1);
    script.fd_modify(7, 0, 1);
    script.fd_occurs(7, 1);
    script.breaks_nothing();
    script.fd_occurs(7, 1);
    script.breaks("R5");
}

#[test]
fn r5_an_interest_that_comes_back_counts_again() {
    let mut script = concurrent();
    script.fd_register(7, IN, 1);
    for _ in 0..3 {
        script.fd_modify(7, 0, 1);
        script.fd_occurs(7, 1);
        script.fd_modify(7, IN, 1);
        script.fd_occurs(7, 1);
        script.fd_occurs(7, 1);
    }
    script.breaks_nothing();
}

#[test]
fn r12_an_early_timeout_is_seen() {
    let mut script = concurrent();
    script.timeout_register((NOW + 10, 0), 1);
    script.pass(Duration::from_secs(9));
    script.timeout_occurs(1);
    script.breaks("R12");

    let mut script = concurrent();
    script.timeout_register((NOW + 10, 0), 1);
    script.pass(Duration::from_secs(10));
    script.timeout_occurs(1);
    script.breaks_nothing();
}

#[test]
fn r12_a_step_of_the_wall_clock_makes_no_timeout_early() {
    for step in [5_000_000, -5_000_000] {
        let mut script = concurrent();
        script.timeout_register((NOW + 10, 0), 1);
        script.distance += step;
        // One loop follows the wall clock, another does not.
        script.pass(Duration::from_secs(if step > 0 { 6 } else { 10 }));
        script.timeout_occurs(1);
        script.breaks_nothing();
    }
}

#[test]
fn r11_the_past_and_the_far_future_are_times() {
    let mut script = concurrent();
    script.timeout_register((-5, 0), 1);
    script.timeout_register((i64::MAX, 999_999), 2);
    script.timeout_occurs(1);
    script.breaks_nothing();
    script.timeout_occurs(2);
    script.breaks("R12");
}
