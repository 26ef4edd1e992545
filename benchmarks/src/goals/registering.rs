//! What it takes to register, against epoll alone: P5 and P6.

use super::Options;
use super::row::Bound::AtMost;
use super::row::Row;
use crate::client::Client;
use crate::eventfd::{lower, new_eventfd};
use crate::figures::{each, paired};
use crate::peers::{EventLoop, Peer, Program};
use crate::processors::first_of;
use osevent_conformance::hosts::Host;
use osevent_conformance_loops::Adapter;
use osevent_core::{ClientValue, Interest, Registry};
use osevent_epoll::Reactor;
use procfs::process::Process;
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::hint;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

/// P5: registered and deregistered, one after the other.
pub(super) fn in_one_thread(options: &Options) -> anyhow::Result<Vec<Row>> {
    let fd = new_eventfd(0)?;
    let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let registry = Client::on(Reactor::new()?, |_| {});
    let times = options.events;
    let of_epoll = || {
        each(times, || {
            let data = epoll::EventData::new_u64(1);
            epoll::add(&set, &fd, data, epoll::EventFlags::IN).expect("it is not in the set");
            epoll::delete(&set, &fd).expect("it is in the set");
        })
    };
    let of_osevent = || {
        each(times, || {
            let token = registry.register_fd(fd.as_raw_fd(), Interest::IN, ClientValue(1)).expect("there is room");
            registry.deregister_fd(token.to_handle(), fd.as_raw_fd()).expect("it is registered");
        })
    };
    let pair = paired(options.rounds, of_epoll, of_osevent);
    Ok(vec![Row::of_pair("added and removed, against epoll_ctl", Some(AtMost(1.25)), &pair)])
}

/// P6: registered while the loop sleeps on another thread, until it occurs there.
pub(super) fn while_the_loop_sleeps(options: &Options) -> anyhow::Result<Vec<Row>> {
    // Each is woken; the ratio is of single events, so there are more of them.
    let rounds = options.rounds * options.events.min(1_000) / 10;
    let mut rows = vec![];
    for (on, placed) in [
        ("another processor", Placed::apart as fn() -> anyhow::Result<Placed>),
        ("the same processor", Placed::together),
    ] {
        let placed = placed()?;
        for adapter in Adapter::ALL {
            let bare = Bare::start(&placed)?;
            let hosted = Hosted::start(&placed, *adapter)?;
            let pair = paired(rounds, || bare.round(), || hosted.round());
            let what = format!("{} on {on}, against a thread in epoll_wait", adapter.name());
            rows.push(Row::of_pair(what, Some(AtMost(1.3)), &pair));
        }
        // The only one of the others that other threads may register with.
        if Peer::installed().0.contains(&Peer::Libvirt) {
            let (bare, handles) = (Bare::start(&placed)?, Handles::start(&placed)?);
            let pair = paired(rounds, || bare.round(), || handles.round());
            rows.push(Row::of_pair(format!("libvirt's own handle on {on}, against the same"), None, &pair));
        }
    }
    Ok(rows)
}

/// An fd that is readable when it is registered, and is read when it occurs.
struct Signal {
    fd: Arc<OwnedFd>,
    began: Instant,
    /// When it occurred, in nanoseconds from `began`; 0 before it has.
    ///
    /// Release, with which the Acquire in `wait` pairs: the loop is done with the fd.
    occurred: AtomicU64,
    /// Which the loop runs on.
    task: Mutex<i32>,
    /// Which that one uses, from its first occurrence on.
    processors: CpuSet,
}

impl Signal {
    fn new(placed: &Placed) -> anyhow::Result<Arc<Self>> {
        let (began, occurred) = (Instant::now(), AtomicU64::new(0));
        Ok(Arc::new(Self { fd: new_eventfd(0)?, began, occurred, task: Mutex::new(0), processors: placed.of_loop }))
    }

    fn occur(&self) {
        let now = self.began.elapsed().as_nanos() as u64;
        if !lower(&self.fd) {
            return;
        }
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if *task == 0 {
            *task = rustix::thread::gettid().as_raw_nonzero().get();
            sched_setaffinity(None, &self.processors).expect("it could run there before");
        }
        drop(task);
        self.occurred.store(now, Ordering::Release);
    }

    /// Until the loop sleeps, once it is known.
    fn await_sleep(&self) {
        let task = *self.task.lock().unwrap_or_else(PoisonError::into_inner);
        while task != 0 && !sleeps(task) {
            thread::yield_now();
        }
    }

    /// Nanoseconds from the call of `register`, when the loop sleeps, to the occurrence.
    fn round(&self, register: impl FnOnce()) -> f64 {
        self.await_sleep();
        crate::eventfd::raise(&self.fd);
        // Relaxed: the loop does not know the fd yet.
        self.occurred.store(0, Ordering::Relaxed);
        let began = self.began.elapsed().as_nanos() as u64;
        register();
        loop {
            match self.occurred.load(Ordering::Acquire) {
                0 => hint::spin_loop(),
                occurred => return occurred.saturating_sub(began) as f64,
            }
        }
    }
}

/// Which processors are used, until this is dropped: the calling thread has the first one of those that it may use.
///
/// To wake a thread on another one takes ten times as long, and more in a virtual machine. Left alone, the kernel decides from
/// event to event.
struct Placed {
    all: CpuSet,
    /// Which the loop uses.
    of_loop: CpuSet,
}

impl Placed {
    /// The loop has the others, if there is another one.
    fn apart() -> anyhow::Result<Self> {
        let mut placed = Self::together()?;
        let mut others = placed.all;
        (0..CpuSet::MAX_CPU).filter(|cpu| placed.of_loop.is_set(*cpu)).for_each(|cpu| others.unset(cpu));
        if others.count() > 0 {
            placed.of_loop = others;
        }
        Ok(placed)
    }

    /// The loop has the same one.
    fn together() -> anyhow::Result<Self> {
        let all = sched_getaffinity(None)?;
        let first = first_of(&all);
        sched_setaffinity(None, &first)?;
        Ok(Self { all, of_loop: first })
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        sched_setaffinity(None, &self.all).expect("it ran there before");
    }
}

fn sleeps(task: i32) -> bool {
    let state = Process::myself().and_then(|me| me.task_from_tid(task)).and_then(|task| task.stat());
    state.is_ok_and(|stat| stat.state == 'S')
}

/// A thread in epoll_wait(2).
struct Bare {
    signal: Arc<Signal>,
    set: Arc<OwnedFd>,
    ends: Arc<AtomicBool>,
    running: Option<thread::JoinHandle<()>>,
}

impl Bare {
    fn start(placed: &Placed) -> anyhow::Result<Self> {
        let signal = Signal::new(placed)?;
        let set = Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        let ends = Arc::new(AtomicBool::new(false));
        let (its_signal, its_set, its_ends) = (signal.clone(), set.clone(), ends.clone());
        let running = thread::spawn(move || {
            let mut events = Vec::with_capacity(16);
            loop {
                events.clear();
                epoll::wait(&its_set, spare_capacity(&mut events), None).expect("the set is open");
                // Acquire, with which the Release in `drop` pairs.
                if its_ends.load(Ordering::Acquire) {
                    return;
                }
                its_signal.occur();
            }
        });
        Ok(Self { signal, set, ends, running: Some(running) })
    }

    fn add(&self) {
        let data = epoll::EventData::new_u64(1);
        epoll::add(&self.set, &self.signal.fd, data, epoll::EventFlags::IN).expect("it is not in the set");
    }

    fn round(&self) -> f64 {
        let took = self.signal.round(|| self.add());
        epoll::delete(&self.set, &self.signal.fd).expect("it is in the set");
        took
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        crate::eventfd::raise(&self.signal.fd);
        self.add();
        if let Some(running) = self.running.take() {
            running.join().expect("it does not panic");
        }
    }
}

/// A loop with osevent.
struct Hosted {
    signal: Arc<Signal>,
    registry: Arc<Registry<Client>>,
    _attached: osevent_conformance::hosts::Attached,
    _host: Box<dyn Host>,
}

impl Hosted {
    fn start(placed: &Placed, adapter: Adapter) -> anyhow::Result<Self> {
        let signal = Signal::new(placed)?;
        let host = adapter.start()?;
        let attached = host.attach()?;
        let occurred = signal.clone();
        let registry = Client::on(attached.event_loop.clone(), move |_| occurred.occur());
        Ok(Self { signal, registry, _attached: attached, _host: host })
    }

    fn round(&self) -> f64 {
        let mut token = None;
        let fd = self.signal.fd.as_raw_fd();
        let took = self.signal.round(|| token = self.registry.register_fd(fd, Interest::IN, ClientValue(1)).ok());
        let token = token.expect("there is room");
        self.registry.deregister_fd(token.to_handle(), fd).expect("it is registered");
        took
    }
}

/// libvirt's loop, and handles of its own.
struct Handles {
    signal: Arc<Signal>,
    event_loop: Box<dyn EventLoop>,
    _program: Program,
}

impl Handles {
    fn start(placed: &Placed) -> anyhow::Result<Self> {
        let program = Program::start(Peer::Libvirt)?;
        // The same one: libvirt has one for the process.
        Ok(Self { signal: Signal::new(placed)?, event_loop: Peer::Libvirt.open()?, _program: program })
    }

    fn round(&self) -> f64 {
        let (mut handle, signal) = (None, self.signal.clone());
        let took = self.signal.round(|| {
            handle = Some(self.event_loop.watch(self.signal.fd.as_raw_fd(), Box::new(move || signal.occur())));
        });
        // Its callback must not run when it is dropped.
        self.signal.await_sleep();
        drop(handle);
        took
    }
}
