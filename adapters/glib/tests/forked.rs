//! A forked child that drops what it inherited leaves the parent's alone (X7).

use glib::MainContext;
use osevent_glib::LibxlSource;
use osevent_test_kit::forked::{self, Forked, PipeClient, alone, in_a_child, in_forked_child};
use osevent_test_kit::open_fds;

struct Program {
    client: PipeClient,
    attached: LibxlSource,
    context: MainContext,
}

impl Forked for Program {
    fn start() -> Self {
        let context = MainContext::new();
        let attached = LibxlSource::builder().attach(&context).unwrap();
        let client = PipeClient::on(attached.event_loop(), |_| {});
        let mut program = Self { client, attached, context };
        program.assert_served();
        program
    }

    fn client(&self) -> &PipeClient {
        &self.client
    }

    fn assert_served(&mut self) {
        self.client.write();
        self.client.due();
        let busy = (0..100).take_while(|_| self.context.iteration(false)).count();
        assert!(busy < 100, "the context is not at rest");
        self.client.assert_served();
    }
}

#[test]
fn what_a_child_drops_goes_on_in_the_parent() {
    let _alone = alone();
    in_a_child(|program: Program| {
        let Program { attached, client, context } = program;
        let gone = client.gone().clone();
        let before = open_fds().len();
        attached.detach();
        drop((client, attached, context));
        assert_eq!(gone.get(), 0, "it is not the child's to end");
        // The reactor's three, two sockets, the context's own, the client's pipe.
        assert_eq!(before - open_fds().len(), 8, "its fds are closed there");
    });
}

#[test]
fn a_context_that_a_child_drops_first_goes_on_in_the_parent() {
    let _alone = alone();
    in_a_child(|program: Program| {
        let Program { attached, context, client } = program;
        drop(context);
        assert_eq!(client.gone().get(), 0, "it is not the child's to end");
        drop(attached);
    });
}

#[test]
fn a_context_that_a_child_iterates_serves_the_parents_client_in_the_parent_only() {
    let _alone = alone();
    let mut program = Program::start();
    program.client.write();
    in_forked_child(|| {
        while program.context.iteration(false) {}
        assert!(program.client.take_log().is_empty());
    });
    while program.context.iteration(false) {}
    assert_eq!(program.client.take_log(), [PipeClient::FD]);
    program.assert_served();
}

#[test]
fn a_loop_in_a_thread_local_goes_on_in_the_parent_when_a_child_exits() {
    let _alone = alone();
    forked::what_a_thread_local_holds_goes_on_in_the_parent_when_a_child_exits::<Program>();
}
