//! A forked child that drops what it inherited leaves the parent's alone (X7).

use calloop::RegistrationToken;
use osevent_calloop::LibxlSource;
use osevent_test_kit::FOREVER;
use osevent_test_kit::forked::{self, Forked, PipeClient, in_a_child};
use std::time::Duration;

struct Program {
    client: PipeClient,
    calloop: calloop::EventLoop<'static, ()>,
    token: RegistrationToken,
}

impl Forked for Program {
    fn start() -> Self {
        let calloop = calloop::EventLoop::try_new().unwrap();
        let xen = LibxlSource::new().unwrap();
        let client = PipeClient::on(xen.event_loop(), |_| {});
        let token = calloop.handle().insert_source(xen, |_, _, _| {}).unwrap();
        let mut program = Self { client, calloop, token };
        program.assert_served();
        program
    }

    fn client(&self) -> &PipeClient {
        &self.client
    }

    fn assert_served(&mut self) {
        self.client.write();
        self.client.due();
        self.calloop.dispatch(Some(FOREVER), &mut ()).unwrap();
        self.calloop.dispatch(Some(Duration::ZERO), &mut ()).unwrap();
        self.client.assert_served();
    }
}

#[test]
fn an_event_loop_and_a_registry_that_a_child_drops_go_on_in_the_parent() {
    forked::what_a_child_drops_goes_on_in_the_parent::<Program>();
}

#[test]
fn a_loop_that_a_child_removes_goes_on_in_the_parent() {
    in_a_child(|program: Program| {
        program.calloop.handle().disable(&program.token).unwrap();
        program.calloop.handle().remove(program.token);
        assert_eq!(program.client.gone().get(), 0, "it is not the child's to end");
    });
}

#[test]
fn a_loop_in_a_thread_local_goes_on_in_the_parent_when_a_child_exits() {
    forked::what_a_thread_local_holds_goes_on_in_the_parent_when_a_child_exits::<Program>();
}
