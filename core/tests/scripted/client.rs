//! A client that records its calls and runs the test's scripts in them.

use super::Depth;
use osevent_core::{Client, ClientValue, Interest, Owner, Readiness, Registry};
use std::cell::Cell;
use std::sync::{Arc, Mutex, Weak};

/// A call of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Fd { value: u64, fd: i32, asked: Interest, readiness: Readiness },
    Timeout(u64),
    Release,
    Closed,
    Idle,
    OwnFd(u64, Readiness),
    OwnTimeout(u64),
}

type Script = Arc<dyn Fn(&Registry<ScriptedClient>, Call) + Send + Sync>;

pub(crate) struct ScriptedClient {
    registry: Weak<Registry<ScriptedClient>>,
    calls: Mutex<Vec<Call>>,
    script: Mutex<Option<Script>>,
}

thread_local! {
    static IN_HOOK: Cell<u32> = const { Cell::new(0) };
}

/// The client calls a hook: from here until it returns, the client may not be called (O1).
pub(crate) fn hook<T>(call: impl FnOnce() -> T) -> T {
    let _depth = Depth::raise(&IN_HOOK);
    call()
}

impl ScriptedClient {
    pub(crate) fn new(registry: &Weak<Registry<Self>>) -> Self {
        Self { registry: registry.clone(), calls: Mutex::default(), script: Mutex::default() }
    }

    /// Runs inside each call.
    pub(crate) fn at_each_call(&self, script: impl Fn(&Registry<ScriptedClient>, Call) + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Some(Arc::new(script));
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, call: Call) -> usize {
        self.calls().into_iter().filter(|made| *made == call).count()
    }

    /// The values of the fd occurrences so far.
    pub(crate) fn fds(&self) -> Vec<u64> {
        let value = |call| if let Call::Fd { value, .. } = call { Some(value) } else { None };
        self.calls().into_iter().filter_map(value).collect()
    }

    /// The values of the timeout occurrences so far.
    pub(crate) fn timeouts(&self) -> Vec<u64> {
        let value = |call| if let Call::Timeout(value) = call { Some(value) } else { None };
        self.calls().into_iter().filter_map(value).collect()
    }

    fn called(&self, call: Call) {
        assert_eq!(IN_HOOK.get(), 0, "{call:?} from inside a hook (O1)");
        self.calls.lock().unwrap().push(call);
        let script = self.script.lock().unwrap().clone();
        if let Some(script) = script {
            let registry = self.registry.upgrade().expect("the registry is alive while its client is called");
            script(&registry, call);
        }
    }
}

impl Client for ScriptedClient {
    fn occurred_fd(&self, value: ClientValue, fd: i32, asked: Interest, readiness: Readiness) {
        self.called(Call::Fd { value: value.0, fd, asked, readiness });
    }

    fn occurred_timeout(&self, value: ClientValue) {
        self.called(Call::Timeout(value.0));
    }

    fn release(&self) {
        self.called(Call::Release);
    }
}

impl Owner for ScriptedClient {
    fn closed(&self) {
        self.called(Call::Closed);
    }

    fn idle(&self) {
        self.called(Call::Idle);
    }

    fn is_in_hook(&self) -> bool {
        IN_HOOK.get() > 0
    }

    fn own_fd(&self, value: ClientValue, readiness: Readiness) {
        self.called(Call::OwnFd(value.0, readiness));
    }

    fn own_timeout(&self, value: ClientValue) {
        self.called(Call::OwnTimeout(value.0));
    }
}
