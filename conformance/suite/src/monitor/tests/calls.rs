//! Calls into the client, and its end.

use super::*;

#[test]
fn o2_two_threads_inside_a_serialized_client_are_seen() {
    let both = |mut script: Script| {
        script.fd_register(7, IN, 1);
        script.step(APP, What::Call);
        script.fd_occurs(7, 1);
        script.step(APP, What::CallReturned);
        script
    };
    both(concurrent()).breaks_nothing();
    both(serialized()).breaks("O2");
}

#[test]
fn o2_one_thread_may_be_inside_more_than_once() {
    let mut script = serialized();
    script.fd_register(7, IN, 1);
    script.step(LOOP, What::Call);
    script.step(LOOP, What::Call);
    script.step(LOOP, What::CallReturned);
    script.step(LOOP, What::CallReturned);
    script.breaks_nothing();
}

#[test]
fn x2_a_client_deregisters_fds_while_it_is_freed_and_nothing_else() {
    let mut script = concurrent();
    script.fd_register(7, IN, 1);
    script.step(LOOP, What::Free);
    script.fd_deregister(LOOP, 7, 1);
    script.step(LOOP, What::Freed);
    script.breaks_nothing();

    let mut script = concurrent();
    script.fd_register(7, IN, 1);
    script.step(LOOP, What::Free);
    script.hook(LOOP, What::FdModify { fd: 7, handle: 101, events: 0 }, 101, 0);
    script.fd_deregister(LOOP, 7, 1);
    script.step(LOOP, What::Freed);
    script.breaks("X2");
}

#[test]
fn x2_an_fd_that_is_left_is_seen() {
    let mut script = concurrent();
    script.fd_register(7, IN, 1);
    script.free();
    script.breaks("X2");
}

#[test]
fn x3_a_timeout_that_is_left_is_seen() {
    let mut script = concurrent();
    script.timeout_register((NOW + 60, 0), 1);
    script.free();
    script.breaks("X3");
}

#[test]
fn x4_freeing_under_an_occurrence_is_seen() {
    let mut script = concurrent();
    script.fd_register(7, IN, 1);
    script.fd_deregister(APP, 7, 1);
    script.step(LOOP, What::FdOccurrence { value: 1, fd: 7, events: IN, revents: IN });
    script.step(APP, What::Free);
    script.step(APP, What::Freed);
    script.step(LOOP, What::OccurrenceReturned);
    script.breaks("X4");
}

#[test]
fn x4_what_begins_when_the_clients_end_has_begun_is_seen() {
    let mut script = concurrent();
    script.fd_register(7, IN, 1);
    script.fd_deregister(APP, 7, 1);
    script.free();
    script.breaks_nothing();
    script.fd_occurs(7, 1);
    script.breaks("X4");

    let mut script = concurrent();
    script.step(LOOP, What::Free);
    script.step(APP, What::Call);
    script.step(APP, What::CallReturned);
    script.step(LOOP, What::Freed);
    script.breaks("X4");
}

#[test]
fn x4_a_hook_of_another_thread_shows_a_call_that_nobody_saw() {
    let mut script = concurrent();
    script.fd_register(7, IN, 1);
    script.step(LOOP, What::Free);
    script.fd_deregister(APP, 7, 1);
    script.step(LOOP, What::Freed);
    script.breaks("X4");

    let mut script = concurrent();
    script.free();
    script.fd_register(7, IN, 1);
    script.breaks("X4");
}

#[test]
fn x4_freeing_twice_is_seen() {
    let mut script = concurrent();
    script.free();
    script.free();
    script.breaks("X4");
}

#[test]
fn x5_freeing_from_inside_a_callback_is_seen() {
    let mut script = concurrent();
    script.timeout_register((0, 0), 1);
    script.step(LOOP, What::TimeoutOccurrence { value: 1 });
    script.step(LOOP, What::Free);
    script.step(LOOP, What::Freed);
    script.step(LOOP, What::OccurrenceReturned);
    script.breaks("X5");
}

#[test]
fn r15_one_client_called_from_inside_a_hook_of_another_is_seen() {
    let mut script = concurrent();
    script.record.clients.push(Rule::Concurrent);
    script.timeout_register((0, 0), 1);
    script.record.steps.iter_mut().for_each(|step| step.client = 1);
    script.step(LOOP, What::FdRegister { fd: 7, events: IN, value: 1 });
    script.occurs(What::TimeoutOccurrence { value: 1 });
    script.record.steps[3..].iter_mut().for_each(|step| step.client = 1);
    script.step(LOOP, What::HookReturned { handle: 101, code: 0 });
    script.breaks("R15");
}
