//! Hooks.

use super::*;

#[test]
fn r2_a_handle_that_was_not_given_out_is_seen() {
    let mut script = concurrent();
    script.fd_register(7, IN, 1);
    script.fd_modify(7, 0, 1);
    script.breaks_nothing();
    script.fd_modify(7, 0, 2);
    script.breaks("R2");
}

#[test]
fn r2_a_handle_that_fd_modify_has_changed_is_the_one_to_pass() {
    let mut script = concurrent();
    script.fd_register(7, IN, 1);
    script.hook(APP, What::FdModify { fd: 7, handle: 101, events: 0 }, 555, 0);
    script.hook(APP, What::FdDeregister { fd: 7, handle: 555 }, 555, 0);
    script.breaks_nothing();
}

#[test]
fn r2_the_handle_of_another_fd_is_seen() {
    let mut script = concurrent();
    script.fd_register(7, IN, 1);
    script.fd_register(8, IN, 2);
    script.fd_deregister(APP, 7, 2);
    script.breaks("R2");
}

#[test]
fn r3_a_refusal_with_a_code_of_libxls_own_is_seen() {
    for (code, right) in [(-12, true), (77, true), (-1, false), (-3, false)] {
        let mut script = concurrent();
        script.hook(APP, What::FdRegister { fd: 7, events: IN, value: 1 }, 0, code);
        if right { script.breaks_nothing() } else { script.breaks("R3") }
    }
}

#[test]
fn r3_an_occurrence_of_what_was_refused_is_seen() {
    let mut script = concurrent();
    script.hook(APP, What::FdRegister { fd: 7, events: IN, value: 1 }, 0, 77);
    script.breaks_nothing();
    script.fd_occurs(7, 1);
    script.breaks("R3");

    let mut script = concurrent();
    script.step(APP, What::TimeoutRegister { deadline: (0, 0), value: 1 });
    script.timeout_occurs(1);
    script.step(APP, What::HookReturned { handle: 0, code: -12 });
    script.breaks("R3");
}

#[test]
fn r3_a_timeout_that_cannot_be_cancelled_is_seen() {
    let mut script = concurrent();
    script.timeout_register((NOW + 60, 0), 1);
    script.hook(APP, What::TimeoutModify { handle: 201, deadline: (0, 0) }, 201, -12);
    script.breaks("R3");
}

#[test]
fn r7_a_file_that_epoll_refuses_is_no_reason() {
    let mut script = concurrent();
    script.hook(APP, What::FdRegister { fd: 7, events: IN, value: 1 }, 0, libc::EPERM);
    script.breaks("R7");
    let mut script = concurrent();
    script.hook(APP, What::FdRegister { fd: 7, events: IN, value: 1 }, 0, libc::ENOSPC);
    script.breaks_nothing();
}

#[test]
fn r13_timeouts_are_ended_as_the_release_does_it() {
    let mut script = concurrent();
    script.timeout_register((NOW + 60, 0), 1);
    script.cancel(APP, 1);
    script.breaks_nothing();
    script.hook(APP, What::TimeoutModify { handle: 201, deadline: (NOW + 5, 0) }, 201, 0);
    script.breaks("R13");

    let mut script = concurrent();
    script.timeout_register((NOW + 60, 0), 1);
    script.hook(APP, What::TimeoutDeregister { handle: 201 }, 201, 0);
    script.breaks("R13");

    let mut script = serialized();
    script.timeout_register((NOW + 60, 0), 1);
    script.hook(APP, What::TimeoutDeregister { handle: 201 }, 201, 0);
    script.breaks_nothing();
    script.cancel(APP, 1);
    script.breaks("R13");
}

#[test]
fn r14_a_timeout_that_is_cancelled_after_it_was_taken_is_cancelled_with_0() {
    for (code, right) in [(0, true), (-12, false)] {
        let mut script = concurrent();
        script.timeout_register((0, 0), 1);
        script.step(LOOP, What::TimeoutOccurrence { value: 1 });
        script.hook(LOOP, What::TimeoutModify { handle: 201, deadline: (0, 0) }, 201, code);
        script.step(LOOP, What::OccurrenceReturned);
        if right { script.breaks_nothing() } else { script.breaks("R14") }
    }
}

#[test]
fn r15_a_hook_that_waits_for_an_occurrence_elsewhere_is_seen() {
    for (took, right) in [(2000, false), (200, true)] {
        let mut script = concurrent();
        script.fd_register(7, IN, 1);
        script.step(LOOP, What::FdOccurrence { value: 1, fd: 7, events: IN, revents: IN });
        script.step(APP, What::FdDeregister { fd: 7, handle: 101 });
        script.pass(Duration::from_millis(took));
        script.step(LOOP, What::OccurrenceReturned);
        script.step(APP, What::HookReturned { handle: 101, code: 0 });
        if right { script.breaks_nothing() } else { script.breaks("R15") }
    }
}

#[test]
fn r15_a_slow_hook_is_not_one_that_waits() {
    let mut script = concurrent();
    script.fd_register(7, IN, 1);
    script.step(LOOP, What::FdOccurrence { value: 1, fd: 7, events: IN, revents: IN });
    script.step(APP, What::FdDeregister { fd: 7, handle: 101 });
    script.pass(Duration::from_secs(2));
    script.step(APP, What::HookReturned { handle: 101, code: 0 });
    script.step(LOOP, What::OccurrenceReturned);
    script.breaks_nothing();
}

#[test]
fn r15_a_call_from_inside_a_hook_is_seen() {
    let mut script = concurrent();
    script.step(APP, What::FdRegister { fd: 7, events: IN, value: 1 });
    script.step(APP, What::Call);
    script.step(APP, What::CallReturned);
    script.step(APP, What::HookReturned { handle: 101, code: 0 });
    script.breaks("R15");
}
