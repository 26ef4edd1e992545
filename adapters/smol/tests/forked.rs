//! A forked child that drops what it inherited leaves the parent's alone (X7).

use futures_lite::future::{block_on, or, poll_once};
use osevent_core::LoopError;
use osevent_smol::LibxlSource;
use osevent_test_kit::FOREVER;
use osevent_test_kit::forked::{self, Forked, PipeClient, in_forked_child};
use smol::channel::{Receiver, unbounded};
use smol::{LocalExecutor, Task, Timer};

struct Program {
    client: PipeClient,
    executor: LocalExecutor<'static>,
    _task: Task<LoopError>,
    told: Receiver<u64>,
}

impl Program {
    fn on(xen: LibxlSource) -> Self {
        let executor = LocalExecutor::new();
        let (occurred, told) = unbounded();
        let client = PipeClient::on(xen.event_loop(), move |value| occurred.try_send(value).unwrap());
        let mut program = Self { client, _task: executor.spawn(xen), executor, told };
        program.assert_served();
        program
    }
}

impl Forked for Program {
    fn start() -> Self {
        Self::on(LibxlSource::new().unwrap())
    }

    fn client(&self) -> &PipeClient {
        &self.client
    }

    /// The fd occurs while the executor sleeps, then the timeout.
    fn assert_served(&mut self) {
        let late = async {
            Timer::after(FOREVER).await;
            panic!("nothing wakes the task")
        };
        let told = async {
            self.client.write();
            assert_eq!(self.told.recv().await, Ok(PipeClient::FD));
            self.client.due();
            assert_eq!(self.told.recv().await, Ok(PipeClient::TIMEOUT));
        };
        smol::block_on(self.executor.run(or(told, late)));
        self.client.assert_served();
    }
}

#[test]
fn an_executor_and_a_registry_that_a_child_drops_go_on_in_the_parent() {
    forked::what_a_child_drops_goes_on_in_the_parent::<Program>();
}

#[test]
fn a_loop_that_a_child_polls_resolves_there_and_goes_on_in_the_parent() {
    let mut xen = Some(LibxlSource::new().unwrap());
    in_forked_child(|| {
        let resolved = block_on(poll_once(xen.take().unwrap()));
        assert_eq!(resolved, Some(LoopError::Forked));
    });
    Program::on(xen.unwrap());
}

#[test]
fn a_loop_in_a_thread_local_goes_on_in_the_parent_when_a_child_exits() {
    forked::what_a_thread_local_holds_goes_on_in_the_parent_when_a_child_exits::<Program>();
}
