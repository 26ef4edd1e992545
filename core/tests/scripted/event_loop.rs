//! A level-triggered loop whose clock and fds the test sets.

use osevent_core::{Deadline, EventLoop, FdSource, GoneId, Interest, LoopError, Readiness, TimerSource, Token};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

/// What the core asked of the loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LoopCall {
    AddFd(Token),
    ModifyFd(Token, Interest),
    RemoveFd(Token),
    AddTimer(Token),
    ModifyTimer(Token, Deadline),
    RemoveTimer(Token),
}

/// Runs before or after a call of the core takes effect.
type Script = Arc<dyn Fn(&ScriptedLoop, &LoopCall) + Send + Sync>;

#[derive(Default)]
pub(crate) struct ScriptedLoop {
    state: Mutex<State>,
    before: Mutex<Option<Script>>,
    after: Mutex<Option<Script>>,
}

#[derive(Default)]
struct State {
    now: i64,
    next_order: u64,
    fds: BTreeMap<Token, (FdSource, Interest)>,
    /// By deadline, then registration (O7).
    timers: BTreeMap<(Deadline, u64), TimerSource>,
    order: HashMap<Token, (Deadline, u64)>,
    readiness: HashMap<i32, Readiness>,
    refusal: Option<LoopError>,
    calls: Vec<LoopCall>,
}

impl ScriptedLoop {
    /// What the fd shows from now on.
    pub(crate) fn show(&self, fd: i32, readiness: Readiness) {
        self.state.lock().unwrap().readiness.insert(fd, readiness);
    }

    /// Every registration and fd_modify fails from now on, or succeeds again.
    pub(crate) fn refuse(&self, refusal: Option<LoopError>) {
        self.state.lock().unwrap().refusal = refusal;
    }

    /// Runs at each call of the core, before it takes effect.
    pub(crate) fn at_each_call(&self, script: impl Fn(&ScriptedLoop, &LoopCall) + Send + Sync + 'static) {
        *self.before.lock().unwrap() = Some(Arc::new(script));
    }

    /// Runs at each call of the core that took effect, before it returns.
    pub(crate) fn after_each_call(&self, script: impl Fn(&ScriptedLoop, &LoopCall) + Send + Sync + 'static) {
        *self.after.lock().unwrap() = Some(Arc::new(script));
    }

    pub(crate) fn calls(&self) -> Vec<LoopCall> {
        self.state.lock().unwrap().calls.clone()
    }

    /// Sources that are here.
    pub(crate) fn len(&self) -> usize {
        let state = self.state.lock().unwrap();
        state.fds.len() + state.timers.len()
    }

    pub(crate) fn interest(&self, token: Token) -> Option<Interest> {
        self.state.lock().unwrap().fds.get(&token).map(|(_, interest)| *interest)
    }

    /// The loop's reference, cloned, as into a batch of readiness that is worked off later.
    pub(crate) fn fd_source(&self, token: Token) -> FdSource {
        self.state.lock().unwrap().fds[&token].0.clone()
    }

    /// Takes the timer out, as on its expiry: what comes for it meanwhile comes too late (R14).
    pub(crate) fn take_timer(&self, token: Token) -> TimerSource {
        let mut state = self.state.lock().unwrap();
        let order = state.order.remove(&token).expect("the timer is in the loop");
        state.timers.remove(&order).expect("both maps agree")
    }

    /// The same for the one that is due first.
    pub(crate) fn take_first_timer(&self) -> TimerSource {
        let mut state = self.state.lock().unwrap();
        let (_, source) = state.timers.pop_first().expect("a timer is in the loop");
        state.order.remove(&source.token());
        source
    }

    /// Goes to that time, expiring what is due in order; how many occurrences that made.
    pub(crate) fn advance_to(&self, micros: i64) -> usize {
        self.state.lock().unwrap().now = micros;
        let mut made = 0;
        loop {
            let due = {
                let mut state = self.state.lock().unwrap();
                match state.timers.first_key_value() {
                    Some(((deadline, _), _)) if deadline.as_micros() <= state.now => {
                        let (_, source) = state.timers.pop_first().expect("there is a first one");
                        state.order.remove(&source.token());
                        source
                    }
                    _ => return made,
                }
            };
            made += usize::from(due.expire());
        }
    }

    /// One turn over the fds: collects a batch, then works it off; how many occurrences that made.
    pub(crate) fn dispatch(&self) -> usize {
        let batch: Vec<(FdSource, Readiness)> = {
            let state = self.state.lock().unwrap();
            let shown = |fd: i32| state.readiness.get(&fd).copied().unwrap_or_default();
            state
                .fds
                .values()
                .map(|(source, interest)| (source.clone(), shown(source.fd()).for_interest(*interest)))
                .filter(|(_, readiness)| !readiness.is_empty())
                .collect()
        };
        batch.into_iter().filter(|(source, readiness)| source.ready(*readiness)).count()
    }

    /// One call of the core: noted, refused if the test says so, carried out, with the scripts around it.
    fn called<T>(
        &self,
        call: LoopCall,
        effect: impl FnOnce(&mut State) -> Result<T, LoopError>,
    ) -> Result<(), LoopError> {
        let run = |script: &Mutex<Option<Script>>| {
            let script = script.lock().unwrap().clone();
            if let Some(script) = script {
                script(self, &call);
            }
        };
        run(&self.before);
        // What the effect leaves over is dropped without the lock.
        let _left_over = {
            let mut state = self.state.lock().unwrap();
            state.calls.push(call.clone());
            match (&call, state.refusal.clone()) {
                (LoopCall::AddFd(_) | LoopCall::ModifyFd(..) | LoopCall::AddTimer(_), Some(refusal)) => {
                    return Err(refusal);
                }
                _ => effect(&mut state)?,
            }
        };
        run(&self.after);
        Ok(())
    }
}

impl EventLoop for ScriptedLoop {
    fn add_fd(&self, source: FdSource, interest: Interest) -> Result<(), LoopError> {
        let token = source.token();
        self.called(LoopCall::AddFd(token), |state| {
            let old = state.fds.insert(token, (source, interest));
            assert!(old.is_none(), "a token names one registration");
            Ok(())
        })
    }

    fn modify_fd(&self, token: Token, interest: Interest) -> Result<(), LoopError> {
        self.called(LoopCall::ModifyFd(token, interest), |state| {
            let (_, old) = state.fds.get_mut(&token).ok_or(LoopError::UnknownToken(token))?;
            *old = interest;
            Ok(())
        })
    }

    fn remove_fd(&self, token: Token) {
        self.called(LoopCall::RemoveFd(token), |state| Ok(state.fds.remove(&token))).expect("never refused");
    }

    fn add_timer(&self, source: TimerSource, deadline: Deadline) -> Result<(), LoopError> {
        let token = source.token();
        self.called(LoopCall::AddTimer(token), |state| {
            let order = (deadline, state.next_order);
            state.next_order += 1;
            state.order.insert(token, order);
            state.timers.insert(order, source);
            Ok(())
        })
    }

    fn modify_timer(&self, token: Token, deadline: Deadline) {
        let moved = self.called(LoopCall::ModifyTimer(token, deadline), |state| {
            if let Some(old) = state.order.get(&token).copied() {
                let source = state.timers.remove(&old).expect("both maps agree");
                state.order.insert(token, (deadline, old.1));
                state.timers.insert((deadline, old.1), source);
            }
            Ok(())
        });
        moved.expect("never refused");
    }

    fn remove_timer(&self, token: Token) {
        let removed = self.called(LoopCall::RemoveTimer(token), |state| {
            Ok(state.order.remove(&token).and_then(|order| state.timers.remove(&order)))
        });
        removed.expect("never refused");
    }

    /// What the fd shows, where the test has said it.
    fn confirm(&self, fd: i32, _asked: Interest, reported: Readiness) -> Readiness {
        self.state.lock().unwrap().readiness.get(&fd).copied().unwrap_or(reported)
    }

    fn turn(&self, _interrupt: Option<i32>) -> Result<(), LoopError> {
        Err(LoopError::Unsupported("wait: its time is virtual"))
    }

    fn on_gone(&self, _gone: Box<dyn FnOnce() + Send>) -> GoneId {
        unreachable!("the core does not ask for it");
    }

    fn forget_gone(&self, _id: GoneId) {
        unreachable!("there is none");
    }
}
