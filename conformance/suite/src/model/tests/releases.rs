//! What the releases do differently, seen by a host that only writes down and occurs when it is told to.

use crate::boundary::{Client, Hooks, Hosting, WallTime};
use crate::model::{ASAP, ChildMode, Ctx, FdEv, Locked, Release, TimeEv};
use parking_lot::Mutex;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

/// What the host saw; handles are numbers from 1.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Seen {
    FdRegister(i16),
    FdModify(i16),
    FdDeregister,
    TimeoutRegister,
    TimeoutModify(WallTime),
    /// With the handle, or with where it is kept.
    TimeoutDeregister(Passed),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Passed {
    Handle,
    Address,
}

#[derive(Default)]
struct Clerk(Mutex<Book>);

#[derive(Default)]
struct Book {
    seen: Vec<Seen>,
    /// Handle, where it is kept, and value.
    registered: Vec<(u64, u64, u64)>,
    /// What was in the handle's place before.
    garbage: Vec<u64>,
    refuse: i32,
}

impl Clerk {
    fn register(&self, seen: Seen, handle: &mut u64, value: u64) -> i32 {
        let book = &mut *self.0.lock();
        book.seen.push(seen);
        book.garbage.push(*handle);
        if book.refuse == 0 {
            *handle = book.registered.len() as u64 + 1;
            book.registered.push((*handle, std::ptr::from_ref(handle).addr() as u64, value));
        }
        book.refuse
    }

    fn value(&self, handle: u64) -> u64 {
        self.0.lock().registered[handle as usize - 1].2
    }

    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.0.lock().seen)
    }
}

impl Hooks for Clerk {
    fn fd_register(&self, _: RawFd, handle: &mut u64, events: i16, value: u64) -> i32 {
        self.register(Seen::FdRegister(events), handle, value)
    }

    fn fd_modify(&self, _: RawFd, _: &mut u64, events: i16) -> i32 {
        self.0.lock().seen.push(Seen::FdModify(events));
        0
    }

    fn fd_deregister(&self, _: RawFd, _: u64) {
        self.0.lock().seen.push(Seen::FdDeregister);
    }

    fn timeout_register(&self, handle: &mut u64, _: WallTime, value: u64) -> i32 {
        self.register(Seen::TimeoutRegister, handle, value)
    }

    fn timeout_modify(&self, _: &mut u64, deadline: WallTime) -> i32 {
        self.0.lock().seen.push(Seen::TimeoutModify(deadline));
        0
    }

    fn timeout_deregister(&self, passed: u64) {
        let book = &mut *self.0.lock();
        let by_address = book.registered.iter().any(|(_, address, _)| *address == passed);
        book.seen.push(Seen::TimeoutDeregister(if by_address { Passed::Address } else { Passed::Handle }));
    }
}

impl Hosting for Clerk {
    fn call(&self, call: &mut dyn FnMut()) -> bool {
        call();
        true
    }

    fn close(&self) {}
}

fn hosted(release: Release) -> (Arc<Ctx>, Arc<Clerk>) {
    let (ctx, clerk) = (Arc::new(Ctx::new(release).expect("fds")), Arc::new(Clerk::default()));
    let hosting: Arc<dyn Hosting> = clerk.clone();
    ctx.register_hooks(Arc::downgrade(&hosting));
    (ctx, clerk)
}

fn call<R>(ctx: &Ctx, body: impl FnOnce(&Locked<'_>) -> R) -> R {
    ctx.call("a call", body).expect("it is not freed")
}

/// As libxl's callbacks do.
fn deregisters(ev: TimeEv) -> crate::model::TimeCallback {
    Arc::new(move |locked, _| locked.time_deregister(ev))
}

fn timeout(ctx: &Ctx) -> TimeEv {
    call(ctx, |locked| {
        let ev = locked.time_alloc();
        assert_eq!(locked.time_register(ev, (1, 0), deregisters(ev)), 0);
        ev
    })
}

fn fd(ctx: &Ctx, fd: RawFd, events: i16) -> FdEv {
    call(ctx, |locked| {
        let ev = locked.fd_alloc();
        assert_eq!(locked.fd_register(ev, fd, events, Arc::new(|_, _, _| ())), 0);
        ev
    })
}

fn clauses(ctx: &Ctx) -> Vec<String> {
    ctx.violations().into_iter().map(|violation| violation.clause).collect()
}

const CANCEL: Seen = Seen::TimeoutModify(ASAP);

#[test]
fn r13_a_timeout_is_cancelled_in_the_way_of_the_release() {
    for release in Release::ALL {
        let (ctx, clerk) = hosted(*release);
        let ev = timeout(&ctx);
        call(&ctx, |locked| locked.time_deregister(ev));
        let cancel = match release {
            Release::V4_2_0 => Seen::TimeoutDeregister(Passed::Address),
            Release::V4_2_1 => Seen::TimeoutDeregister(Passed::Handle),
            _ => CANCEL,
        };
        assert_eq!(clerk.take(), [Seen::TimeoutRegister, cancel], "{release}");
    }
}

#[test]
fn r14_a_callback_cancels_again_what_has_expired_up_to_4_3() {
    for release in Release::ALL {
        let (ctx, clerk) = hosted(*release);
        timeout(&ctx);
        ctx.occurred_timeout(clerk.value(1));
        let again: &[Seen] = match release {
            Release::V4_2_0 => &[Seen::TimeoutDeregister(Passed::Address)],
            Release::V4_2_1 => &[Seen::TimeoutDeregister(Passed::Handle)],
            Release::V4_2_2 => &[CANCEL],
            _ => &[],
        };
        assert_eq!(clerk.take(), [&[Seen::TimeoutRegister], again].concat(), "{release}");
        assert_eq!(clauses(&ctx), [""; 0], "{release}");
    }
}

#[test]
fn r14_an_abort_cancels_twice_from_4_6_on() {
    for release in Release::ALL.iter().filter(|release| release.aborts()) {
        let (ctx, clerk) = hosted(*release);
        let ev = timeout(&ctx);
        call(&ctx, |locked| locked.time_abort(ev));
        assert_eq!(clerk.take(), [Seen::TimeoutRegister, CANCEL, CANCEL], "{release}");
        ctx.occurred_timeout(clerk.value(1));
        assert_eq!(clauses(&ctx), [""; 0], "{release}");
    }
}

#[test]
fn r14_libxls_own_loop_cancels_what_it_takes_and_up_to_4_3_twice() {
    for release in Release::ALL {
        let (ctx, clerk) = hosted(*release);
        timeout(&ctx);
        call(&ctx, |locked| locked.own_loop());
        let cancels = clerk.take().len() - 1;
        assert_eq!(cancels, if release.records_expiry() { 1 } else { 2 }, "{release}");
    }
}

#[test]
fn o5_a_second_occurrence_is_found_in_each_release() {
    for release in Release::ALL {
        let (ctx, clerk) = hosted(*release);
        timeout(&ctx);
        ctx.occurred_timeout(clerk.value(1));
        ctx.occurred_timeout(clerk.value(1));
        assert_eq!(clauses(&ctx), ["O5"], "{release}");
    }
}

#[test]
fn o5_r10_a_nexus_that_comes_back_last_is_given_out_first() {
    let (ctx, clerk) = hosted(Release::V4_13);
    let evs = [timeout(&ctx), timeout(&ctx)];
    evs.into_iter().for_each(|ev| call(&ctx, |locked| locked.time_deregister(ev)));
    timeout(&ctx);
    let values = [1, 2, 3].map(|handle| clerk.value(handle));
    assert!(!values[..2].contains(&values[2]), "what has not occurred is not given out");
    values[..2].iter().for_each(|value| ctx.occurred_timeout(*value));
    timeout(&ctx);
    timeout(&ctx);
    assert_eq!([clerk.value(4), clerk.value(5)], [values[1], values[0]]);
    assert_eq!(clerk.0.lock().garbage[3..], [2, 1], "each with its last handle in it (R2)");
    assert_eq!(clauses(&ctx), [""; 0]);
}

#[test]
fn o3_a_late_fd_is_dropped_where_there_are_nexuses_and_a_fault_before() {
    let null = std::fs::File::open("/dev/null").expect("it is there");
    let fd_number = null.as_raw_fd();
    for release in Release::ALL {
        let (ctx, clerk) = hosted(*release);
        let ev = fd(&ctx, fd_number, libc::POLLIN);
        let late = || ctx.occurred_fd(clerk.value(1), fd_number, libc::POLLIN, libc::POLLIN);
        call(&ctx, |locked| locked.fd_deregister(ev));
        late();
        call(&ctx, |locked| locked.fd_free(ev));
        late();
        let expected: &[&str] = if release.has_nexuses() { &[] } else { &["O3", "O3"] };
        assert_eq!(clauses(&ctx), expected, "{release}");
        ctx.occurred_fd(clerk.value(1), fd_number + 1, libc::POLLIN, libc::POLLIN);
        let last = clauses(&ctx).pop();
        assert_eq!(last.as_deref(), Some(if release.has_nexuses() { "O11" } else { "O3" }), "{release}");
    }
}

#[test]
fn o11_another_number_is_a_fault() {
    let null = std::fs::File::open("/dev/null").expect("it is there");
    for release in Release::ALL {
        let (ctx, clerk) = hosted(*release);
        fd(&ctx, null.as_raw_fd(), libc::POLLIN);
        ctx.occurred_fd(clerk.value(1), 1000, libc::POLLIN, libc::POLLIN);
        assert_eq!(clauses(&ctx), ["O11"], "{release}");
    }
}

#[test]
fn r12_an_early_timeout_is_a_fault_and_one_that_is_due_is_none() {
    let (ctx, clerk) = hosted(Release::V4_13);
    call(&ctx, |locked| {
        let ev = locked.time_alloc();
        assert_eq!(locked.time_register_rel(ev, Some(60_000), deregisters(ev)), 0);
    });
    ctx.occurred_timeout(clerk.value(1));
    assert_eq!(clauses(&ctx), ["R12"]);
    timeout(&ctx);
    ctx.occurred_timeout(clerk.value(2));
    assert_eq!(clauses(&ctx), ["R12"]);
}

#[test]
fn r3_a_refused_registration_gives_its_nexus_back() {
    let (ctx, clerk) = hosted(Release::V4_13);
    clerk.0.lock().refuse = 77;
    call(&ctx, |locked| {
        let ev = locked.time_alloc();
        assert_eq!(locked.time_register(ev, ASAP, deregisters(ev)), 77);
        assert!(!locked.time_is_registered(ev));
    });
    clerk.0.lock().refuse = 0;
    timeout(&ctx);
    assert_eq!(clerk.value(1), 0x5300_0000_0000, "the first nexus");
}

#[test]
fn x2_the_xenstore_fd_stays_up_to_4_4_and_goes_with_the_last_watch_later() {
    for release in Release::ALL {
        let (ctx, clerk) = hosted(*release);
        call(&ctx, |locked| {
            let watches = [(); 2].map(|()| locked.watch_register(Arc::new(|_| ())).expect("it is accepted"));
            watches.into_iter().for_each(|watch| locked.watch_deregister(watch));
        });
        let goes = *release >= Release::V4_5;
        let seen = clerk.take();
        assert_eq!(seen.len(), if goes { 2 } else { 1 }, "{release}: {seen:?}");
        ctx.free();
        assert_eq!(clerk.take(), if goes { [].as_slice() } else { &[Seen::FdDeregister] }, "{release}");
        assert_eq!(clauses(&ctx), [""; 0], "{release}");
    }
}

#[test]
fn r5_x2_the_sigchld_pipe_stays_with_an_empty_interest_in_4_4_and_goes_later() {
    for release in Release::ALL {
        let (ctx, clerk) = hosted(*release);
        call(&ctx, |locked| {
            locked.children_set_mode(ChildMode::Libxl);
            locked.child_fork(Arc::new(|_| ()));
            locked.child_exits();
        });
        let in_the_pipe: &[Seen] = if *release >= Release::V4_4 { &[Seen::FdRegister(libc::POLLIN)] } else { &[] };
        assert_eq!(clerk.take(), in_the_pipe, "{release}");
        if in_the_pipe.is_empty() {
            continue;
        }
        let fd = call(&ctx, |locked| locked.fds_registered()[0].1);
        // It is deregistered from inside its own occurrence (R16).
        ctx.occurred_fd(clerk.value(1), fd, libc::POLLIN, libc::POLLIN);
        let goes = *release >= Release::V4_5;
        assert_eq!(clerk.take(), [if goes { Seen::FdDeregister } else { Seen::FdModify(0) }], "{release}");
        ctx.free();
        assert_eq!(clerk.take(), if goes { [].as_slice() } else { &[Seen::FdDeregister] }, "{release}");
        assert_eq!(clauses(&ctx), [""; 0], "{release}");
    }
}

#[test]
fn x3_what_is_left_at_the_end_is_found_as_the_release_does() {
    for release in Release::ALL {
        let (ctx, _clerk) = hosted(*release);
        timeout(&ctx);
        ctx.free();
        assert_eq!(clauses(&ctx), ["X3"], "{release}");

        let (ctx, _clerk) = hosted(*release);
        call(&ctx, |locked| locked.watch_register(Arc::new(|_| ())).expect("it is accepted"));
        ctx.free();
        assert!(clauses(&ctx).contains(&"X3".into()), "{release}");

        let (ctx, _clerk) = hosted(*release);
        call(&ctx, |locked| locked.child_fork(Arc::new(|_| ())));
        ctx.free();
        assert_eq!(!clauses(&ctx).is_empty(), *release >= Release::V4_5, "{release}: a child");

        let (ctx, _clerk) = hosted(*release);
        call(&ctx, |locked| locked.operation_begins());
        ctx.free();
        assert_eq!(!clauses(&ctx).is_empty(), *release >= Release::V4_6, "{release}: an operation");
    }
}

#[test]
fn x4_x5_a_free_at_the_wrong_time_and_a_call_after_it_are_found() {
    let (ctx, _clerk) = hosted(Release::V4_13);
    call(&ctx, |_| ctx.free());
    assert_eq!(clauses(&ctx), ["X5"]);
    assert!(ctx.call("a late call", |_| ()).is_none());
    ctx.free();
    assert_eq!(clauses(&ctx), ["X5", "X4", "X4"]);

    let (ctx, clerk) = hosted(Release::V4_13);
    let (fd, _other) = std::os::unix::net::UnixStream::pair().expect("fds");
    self::fd(&ctx, fd.as_raw_fd(), libc::POLLIN);
    call(&ctx, |locked| {
        let elsewhere = ctx.clone();
        // It waits for the ctx lock, which this thread has; so it is looked at before.
        let freeing = std::thread::spawn(move || elsewhere.free());
        assert!(elsewhere_faults(&ctx), "the free is seen to come too early");
        locked.fds_registered().into_iter().for_each(|(ev, ..)| locked.fd_deregister(ev));
        freeing
    })
    .join()
    .expect("it does not panic");
    assert_eq!(clauses(&ctx), ["X4"]);
    assert_eq!(clerk.take().last(), Some(&Seen::FdDeregister));
}

fn elsewhere_faults(ctx: &Ctx) -> bool {
    ctx.wait_until(std::time::Instant::now() + super::PATIENCE, Ctx::is_faulty)
}
