use crate::CreateError;
use crate::alarm::Alarm;
#[cfg(doc)]
use crate::contract::*;
use crate::interest_set::{Due, InterestSet, Key};
use crate::os;
use crate::process::Process;
use crate::timers::Timers;
use osevent_core::{Deadline, EventLoop, FdSource, GoneId, Interest, LoopError, Readiness, TimerSource, Token};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// All fds and timers of any number of clients behind one fd.
///
/// The program's loop watches [`as_fd`](AsFd::as_fd) for input, level-triggered, and calls [`dispatch`](Self::dispatch) when it
/// is readable. All methods may be called on any thread, at the same time, and inside an occurrence. Only
/// [`turn`](EventLoop::turn) waits. An occurrence can take long, because the client works in it ([O12]).
///
/// # After fork
/// The fds are close-on-exec. A child that does not exec shares them with its parent, and changes would affect the parent
/// ([X7]). So the reactor does nothing in the child: [`dispatch`](Self::dispatch), `turn` and registrations are refused
/// ([`LoopError::Forked`]), deregistrations are ignored, and `gone` handlers are neither called nor dropped. Dropping the
/// reactor, or a registry on it, only releases memory and fds of the child. A child may create its own reactor.
pub struct Reactor {
    process: Process,
    epoll: OwnedFd,
    /// The one of an fd, by its number, is held by whoever changes what is watched of it, before `state` and while the kernel is told
    /// without it: see `interest_set`. A dispatch only waits for it, where an fd is being deleted. Several, so that a thread
    /// which the kernel stops at the end of a system call, as it does, rarely keeps another one waiting.
    changes: [Mutex<()>; CHANGING],
    /// Held for a few instructions and at most a few system calls that do not wait, never across an occurrence or a
    /// `gone` handler: so hooks may wait for it ([R15], [O2]).
    ///
    /// Whoever panics while holding it has found an invariant of ours broken. The next one uses what there is:
    /// a hook cannot do anything better.
    state: Mutex<State>,
    /// Whether something that is no fd in the set is due at once, so that the alarm rings: known without the lock.
    ///
    /// A dispatch that finds fds, but not the alarm, needs neither the lock again nor the clock: what it does not see here is in the
    /// set, and the next dispatch finds it. Relaxed: it publishes nothing, and what an occurrence registers on this thread is seen.
    rings: AtomicBool,
}

struct State {
    fds: InterestSet,
    timers: Timers,
    /// Never later than what is due while the lock is free, so nothing is slept through ([R9]). It is earlier only
    /// while a dispatch is working timers off, which sets it before it ends; if a panic ends it, the fd stays readable
    /// and the next dispatch does.
    alarm: Alarm,
    host: Host,
}

#[derive(Default)]
struct Host {
    is_gone: bool,
    /// To be called when it is, in the order in which they came: by number.
    gone: BTreeMap<u64, Box<dyn FnOnce() + Send>>,
    /// How many ever came, which is the last one's number.
    numbered: u64,
}

/// How many fds, timers, and always ready fds a round serves. The kernel puts what it has reported at the end of its
/// list, so a chunk is worked off in full, or its rest would have to wait for a turn of all the others; small chunks keep the
/// time between two looks at the clock short. Only where a full one took next to none, the next one has all fds that are left of the
/// dispatch: each call of epoll_wait costs as much as two or three occurrences.
const CHUNK: usize = 16;

/// How many fds can be changed at a time, at best.
const CHANGING: usize = 16;

/// In nanoseconds: rounds that took less have been quick.
const QUICK: u64 = Reactor::TIME.as_nanos() as u64 / 8;

impl Reactor {
    /// A dispatch begins no further round after this many occurrences.
    pub const OCCURRENCES: usize = 64;

    /// A dispatch begins no further round after this time.
    pub const TIME: Duration = Duration::from_millis(2);

    /// Creates a reactor without registrations. It uses three fds.
    ///
    /// # Errors
    /// The process or the machine lacks a resource; [`CreateError`] says which.
    pub fn new() -> Result<Arc<Self>, CreateError> {
        let epoll = os::new_epoll().map_err(|errno| CreateError::from_call("epoll_create1", errno))?;
        let alarm = Alarm::new(epoll.as_fd())?;
        let state = State { fds: InterestSet::default(), timers: Timers::default(), alarm, host: Host::default() };
        Ok(Arc::new(Self {
            process: Process::current(),
            epoll,
            changes: Default::default(),
            state: Mutex::new(state),
            rings: AtomicBool::new(false),
        }))
    }

    /// Makes the occurrences that are due and returns their number. It does not wait.
    ///
    /// It works in rounds. A round serves up to 16 ready fds, or more while that is quick, then up to 16 due timers, then up to 16 fds that
    /// are always ready.
    /// It ends when nothing more is due, or after the round in which [`OCCURRENCES`](Self::OCCURRENCES) or [`TIME`](Self::TIME)
    /// is reached, or after one round more if it began with nothing but a few fds. [`as_fd`](AsFd::as_fd) remains readable if something is left. So neither the host loop nor any source here
    /// starves ([O9]). A single occurrence that takes long cannot be interrupted ([O12]).
    ///
    /// A host loop that is edge-triggered (EPOLLET, tokio) has to dispatch until the result is 0. The result 0 means that nothing
    /// is left, and that whatever becomes due from then on is a new edge. If no occurrence was made but something is left,
    /// because a client that is being closed refused all occurrences, the result is 1.
    ///
    /// A panic in an occurrence unwinds out of this call. Only that occurrence is lost; the reactor remains usable, and the next
    /// dispatch continues.
    ///
    /// An occurrence can be made for an fd that is no longer ready, because another thread or an earlier occurrence has served
    /// it after the kernel reported it. libxl tolerates this from 4.2.2 on. For earlier releases the fd is checked again under
    /// the outer lock ([O4]).
    ///
    /// # Errors
    /// The reactor's fds have been closed, by other code in the process: that of its set is missed at once, those of its timer and its signal
    /// when they are next set. Or this is a [forked child](Self#after-fork).
    pub fn dispatch(&self) -> Result<usize, LoopError> {
        self.check_process()?;
        let mut many;
        let mut few = [os::NO_EVENT; CHUNK];
        let mut events = &mut few[..];
        let mut ready = self.collect(events)?;
        let mut made = 0;
        // Mostly there is nothing but these: see `rings`.
        let are_all = (1..CHUNK).contains(&ready) && !events[..ready].iter().any(is_alarm);
        if are_all {
            made = self.serve_ready(&events[..ready]);
            if !self.rings.load(Ordering::Relaxed) {
                return Ok(made);
            }
            ready = 0;
        }
        let now = os::monotonic();
        // One round, if it began before.
        let end = if are_all { now } else { now.saturating_add(Self::TIME.as_nanos() as u64) };
        loop {
            made += self.serve_ready(&events[..ready]);
            let mut state = self.state();
            if state.timers.is_due(now) || state.fds.always_ready() > 0 {
                drop(state);
                made += self.serve_timers(now) + self.serve_always_ready();
                state = self.state();
            }
            self.arm(&mut state)?;
            let always_ready = state.fds.always_ready();
            let more = ready == events.len() || state.timers.is_due(now) || always_ready > CHUNK;
            drop(state);
            let left = Self::OCCURRENCES.saturating_sub(made);
            let time = if more && left > 0 { os::monotonic() } else { end };
            if time >= end {
                // A chunk that was not full is all that the kernel had; what it reports later is a change. A file that
                // is always ready is none if it came while another one kept the alarm on.
                return Ok(made.max(usize::from(more || always_ready > 0)));
            }
            // Cleared only where it is needed: a lone event would notice.
            many = [os::NO_EVENT; Self::OCCURRENCES];
            events = &mut many[..if time - now < QUICK { left } else { CHUNK }];
            ready = self.collect(events)?;
        }
    }

    /// An adapter has to call this when its host loop has ended or has removed the reactor, and will not dispatch any more. It
    /// calls the handlers of [`on_gone`](EventLoop::on_gone) on this thread. It cannot be undone. Registrations remain. In a
    /// [forked child](Self#after-fork) it does nothing.
    pub fn detach(&self) {
        if self.is_forked() {
            return;
        }
        self.state().host.is_gone = true;
        // One by one: should one panic, the others are still there for the next call.
        loop {
            let gone = self.state().host.gone.pop_first();
            match gone {
                Some((_, gone)) => gone(),
                None => return,
            }
        }
    }

    /// Whether [`detach`](Self::detach) was called, or this is a [forked child](Self#after-fork). Then no host loop should
    /// dispatch it.
    pub fn is_detached(&self) -> bool {
        self.is_forked() || self.state().host.is_gone
    }

    /// Whether this process is a forked child of the one that created the reactor. An adapter that is dropped there must not
    /// change what its host loop shares with the parent: sockets and other epoll sets.
    pub fn is_forked(&self) -> bool {
        !self.process.is_current()
    }

    /// Before the lock, which another thread may have held at the fork: then nobody gives it back.
    fn check_process(&self) -> Result<(), LoopError> {
        if self.is_forked() { Err(LoopError::Forked) } else { Ok(()) }
    }

    /// As much of what the kernel has as there is room for; how many.
    fn collect(&self, events: &mut [os::EpollEvent]) -> Result<usize, LoopError> {
        os::collect(self.epoll.as_fd(), events).map_err(LoopError::Os)
    }

    /// The occurrences for these events.
    fn serve_ready(&self, events: &[os::EpollEvent]) -> usize {
        let mut made = 0;
        for event in events {
            let (key, readiness) = (Key::from_data(event.u64), Readiness::from_poll(event.events as i16));
            let due = self.state().fds.next_due(key, readiness, None);
            match due {
                Some(due) => made += self.serve((key, readiness), due),
                // Whoever took it out may not have told the kernel yet. A host that came back at once, at a higher
                // priority, would keep them from it.
                None if !is_alarm(event) && !self.state().fds.has(key) => drop(self.changes(key.fd())),
                None => {}
            }
        }
        made
    }

    fn serve_timers(&self, now: u64) -> usize {
        let mut made = 0;
        for _ in 0..CHUNK {
            let Some(timer) = self.state().timers.pop_due(now) else { break };
            made += usize::from(timer.expire());
        }
        made
    }

    fn serve_always_ready(&self) -> usize {
        let turns = self.state().fds.always_ready().min(CHUNK);
        let mut made = 0;
        for _ in 0..turns {
            let first = {
                let mut state = self.state();
                let Some(report) = state.fds.next_always_ready() else { break };
                (report, state.fds.next_due(report.0, report.1, None))
            };
            if let (report, Some(due)) = first {
                made += self.serve(report, due);
            }
        }
        made
    }

    /// One occurrence for each registration of the entry that wants some of it, from `due` on. The next one is looked up when its
    /// turn has come: the one before may have ended it.
    fn serve(&self, (key, readiness): (Key, Readiness), mut due: Due) -> usize {
        let mut made = 0;
        loop {
            made += usize::from(due.source.ready(due.readiness));
            if due.is_last {
                return made;
            }
            let Some(next) = self.state().fds.next_due(key, readiness, Some(due.order)) else { return made };
            due = next;
        }
    }

    /// See [`Reactor::changes`]; taken before `state`.
    fn changes(&self, fd: RawFd) -> MutexGuard<'_, ()> {
        self.changes[fd.unsigned_abs() as usize % CHANGING].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same for the fd of a registration, and the state.
    fn changes_of(&self, token: Token) -> Option<(MutexGuard<'_, ()>, MutexGuard<'_, State>)> {
        // A token never changes its fd; if it is removed meanwhile, it is not found the second time.
        let fd = self.state().fds.fd(token)?;
        let changes = self.changes(fd);
        Some((changes, self.state()))
    }

    /// Sets the alarm to what is there now.
    fn arm(&self, state: &mut State) -> Result<(), LoopError> {
        let earliest = state.timers.earliest();
        let at_once = state.fds.always_ready() > 0 || earliest == Some(0);
        self.rings.store(at_once, Ordering::Relaxed);
        state.alarm.set(self.epoll.as_fd(), at_once, earliest)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_alarm(event: &os::EpollEvent) -> bool {
    Key::from_data(event.u64) == Key::NONE
}

impl EventLoop for Reactor {
    fn add_fd(&self, source: FdSource, interest: Interest) -> Result<(), LoopError> {
        self.check_process()?;
        let token = source.token();
        let _changes = self.changes(source.fd());
        let mut state = self.state();
        if let Some(addition) = state.fds.add(self.epoll.as_fd(), source, interest)? {
            // Whoever is woken by this does not find the lock held.
            drop(state);
            if addition.make(self.epoll.as_fd()) {
                // The alarm has no part in it.
                return Ok(());
            }
            state = self.state();
            state.fds.add_otherwise(self.epoll.as_fd(), &addition, token)?;
        }
        self.arm(&mut state).inspect_err(|_| {
            if let Some(deletion) = state.fds.remove(self.epoll.as_fd(), token) {
                deletion.make(self.epoll.as_fd());
            }
        })
    }

    fn modify_fd(&self, token: Token, interest: Interest) -> Result<(), LoopError> {
        self.check_process()?;
        let (_changes, mut state) = self.changes_of(token).ok_or(LoopError::UnknownToken(token))?;
        state.fds.modify(self.epoll.as_fd(), token, interest)?;
        self.arm(&mut state)
    }

    fn remove_fd(&self, token: Token) {
        if self.is_forked() {
            return;
        }
        let Some((_changes, mut state)) = self.changes_of(token) else {
            // Another thread may have taken it out and not told the kernel yet; then it holds one of these.
            for number in 0..CHANGING as RawFd {
                drop(self.changes(number));
            }
            return;
        };
        if let Some(deletion) = state.fds.remove(self.epoll.as_fd(), token) {
            drop(state);
            // The alarm has no part in it.
            return deletion.make(self.epoll.as_fd());
        }
        // It fails only where the fd is not ours any more; then a later dispatch reports it.
        let _ = self.arm(&mut state);
    }

    fn add_timer(&self, source: TimerSource, deadline: Deadline) -> Result<(), LoopError> {
        self.check_process()?;
        let token = source.token();
        let mut state = self.state();
        state.timers.add(source, deadline);
        self.arm(&mut state).inspect_err(|_| state.timers.remove(token))
    }

    fn modify_timer(&self, token: Token, deadline: Deadline) {
        if self.is_forked() {
            return;
        }
        let mut state = self.state();
        state.timers.modify(token, deadline);
        // As in `remove_fd`.
        let _ = self.arm(&mut state);
    }

    fn remove_timer(&self, token: Token) {
        if self.is_forked() {
            return;
        }
        let mut state = self.state();
        state.timers.remove(token);
        // As in `remove_fd`.
        let _ = self.arm(&mut state);
    }

    fn confirm(&self, fd: i32, asked: Interest, reported: Readiness) -> Readiness {
        // It fails for want of memory only.
        os::look(fd, asked.to_poll()).map_or(reported, Readiness::from_poll)
    }

    fn turn(&self, interrupt: Option<i32>) -> Result<(), LoopError> {
        self.check_process()?;
        if let Some(fd) = interrupt.filter(|fd| *fd < 0) {
            return Err(LoopError::BadFd(fd));
        }
        // poll(2) passes over a negative fd.
        let fd = interrupt.unwrap_or(-1);
        let [_, interrupted] = os::wait_for_either(self.as_raw_fd(), fd).map_err(LoopError::Os)?;
        if interrupted & libc::POLLNVAL != 0 {
            return Err(LoopError::BadFd(fd));
        }
        self.dispatch().map(|_| ())
    }

    fn on_gone(&self, gone: Box<dyn FnOnce() + Send>) -> GoneId {
        if self.is_forked() {
            // The parent's loop ends in the parent. No handler has this number.
            return GoneId::new(0);
        }
        let mut state = self.state();
        state.host.numbered += 1;
        let number = state.host.numbered;
        if state.host.is_gone {
            drop(state);
            gone();
        } else {
            state.host.gone.insert(number, gone);
        }
        GoneId::new(number)
    }

    fn forget_gone(&self, id: GoneId) {
        if self.is_forked() {
            return;
        }
        // Taken out under the lock, dropped after it.
        let _gone = self.state().host.gone.remove(&id.number());
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        if self.is_forked() {
            // What handlers refer to is the host's, and the parent's. Everything else here is plain memory, and fds, whose
            // close the parent does not notice. Nobody is in the middle of changing it: another thread that was inside at
            // the fork had a reference, which here is never given back, and then this drop does not come.
            let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(std::mem::take(&mut state.host.gone));
        }
    }
}

impl AsFd for Reactor {
    /// The fd to watch for input, level-triggered, and for nothing else. It is readable when a dispatch would do something.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl AsRawFd for Reactor {
    fn as_raw_fd(&self) -> RawFd {
        self.epoll.as_raw_fd()
    }
}

impl std::fmt::Debug for Reactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reactor").field("epoll", &self.epoll).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use osevent_core::{Client, ClientValue, LockRule, Owner, Readiness, Registry, current_thread};
    use osevent_test_kit::KernelThread;
    use osevent_test_kit::forked::in_forked_child;
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc::channel;
    use std::thread;

    struct Nobody;

    impl Client for Nobody {
        fn occurred_fd(&self, _: ClientValue, _: i32, _: Interest, _: Readiness) {}
        fn occurred_timeout(&self, _: ClientValue) {}
        fn release(&self) {}
    }

    impl Owner for Nobody {}

    fn with_registry() -> (Arc<Reactor>, Arc<Registry<Nobody>>) {
        let reactor = Reactor::new().unwrap();
        let registry = Registry::new(reactor.clone(), LockRule::Concurrent, current_thread, |_| Nobody);
        (reactor, registry)
    }

    /// Another thread that acts waits until this is no longer held, and `meanwhile` does not.
    fn waits(held: MutexGuard<'_, ()>, act: impl FnOnce() + Send, meanwhile: impl FnOnce()) {
        thread::scope(|scope| {
            let (begins, begun) = channel();
            let acting = scope.spawn(move || {
                begins.send(KernelThread::current()).unwrap();
                act();
            });
            begun.recv().unwrap().sleeps();
            meanwhile();
            assert!(!acting.is_finished());
            drop(held);
        });
    }

    /// An addition tells the kernel without the other lock: whoever came in between would change the entry that it is about.
    #[test]
    fn who_changes_what_is_watched_waits_for_another_one_who_does_and_a_dispatch_does_not() {
        let (reactor, registry) = with_registry();
        let (near, _far) = UnixStream::pair().unwrap();
        let fd = near.as_raw_fd();
        let token = registry.watch_fd(fd, Interest::IN, ClientValue(1)).unwrap();
        let add = || _ = registry.watch_fd(fd, Interest::IN, ClientValue(2)).unwrap();
        let modify = || reactor.modify_fd(token, Interest::OUT).unwrap();
        let remove = || reactor.remove_fd(token);
        for change in [&add as &(dyn Fn() + Sync), &modify, &remove] {
            waits(reactor.changes(fd), change, || _ = reactor.dispatch().unwrap());
        }
    }

    /// What an addition does without the other lock, a deletion does too: until the kernel has been told, an fd that has a duplicate
    /// would stay in its set for good if it were closed.
    #[test]
    fn who_removes_what_another_one_removes_or_meets_it_in_a_dispatch_waits_until_it_is_deleted() {
        let (reactor, registry) = with_registry();
        let (near, _far) = UnixStream::pair().unwrap();
        let fd = near.as_raw_fd();
        let remove = |token| reactor.remove_fd(token);
        let dispatch = |_| _ = reactor.dispatch().unwrap();
        for meet in [&remove as &(dyn Fn(Token) + Sync), &dispatch] {
            let token = registry.watch_fd(fd, Interest::OUT, ClientValue(1)).unwrap();
            let held = reactor.changes(fd);
            let deletion = reactor.state().fds.remove(reactor.as_fd(), token).unwrap();
            waits(held, || meet(token), || deletion.make(reactor.as_fd()));
            assert_eq!(reactor.dispatch(), Ok(0));
        }
    }

    #[test]
    fn who_changes_what_is_watched_of_an_fd_does_not_wait_for_who_does_of_the_next() {
        let (reactor, registry) = with_registry();
        let (near, _far) = UnixStream::pair().unwrap();
        let fd = near.as_raw_fd();
        let held = reactor.changes(fd + 1);
        let (ends, ended) = channel();
        thread::scope(|scope| {
            let (reactor, registry) = (&reactor, &registry);
            scope.spawn(move || {
                let token = registry.watch_fd(fd, Interest::IN, ClientValue(1)).unwrap();
                reactor.modify_fd(token, Interest::OUT).unwrap();
                reactor.remove_fd(token);
                ends.send(()).unwrap();
            });
            let waited = ended.recv_timeout(Duration::from_secs(10));
            drop(held);
            waited.expect("it does not wait");
        });
    }

    #[test]
    fn x7_a_child_does_not_wait_for_a_lock_that_was_held_at_the_fork() {
        let reactor = Reactor::new().unwrap();
        let token = Token::from_handle(u64::MAX).unwrap();
        let id = reactor.on_gone(Box::new(|| {}));
        let held = reactor.state();
        in_forked_child(|| {
            assert!(reactor.is_detached());
            reactor.detach();
            reactor.forget_gone(id);
            reactor.on_gone(Box::new(|| {}));
            reactor.remove_fd(token);
            reactor.remove_timer(token);
            reactor.modify_timer(token, Deadline::ASAP);
            assert_eq!(reactor.modify_fd(token, Interest::IN), Err(LoopError::Forked));
            assert_eq!(reactor.dispatch(), Err(LoopError::Forked));
        });
        drop(held);
    }
}
