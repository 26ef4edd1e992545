//! What the other threads of this process do, according to the kernel.

use std::fs;
use std::time::{Duration, Instant};

/// The kernel's number of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tid(i32);

/// The calling thread.
pub fn current() -> Tid {
    // SAFETY: no pointers.
    Tid(unsafe { libc::gettid() })
}

/// Another thread of this name, if there is one. The kernel keeps 15 bytes of a name.
pub fn named(name: &str) -> Option<Tid> {
    let is_named = |Tid(thread): &Tid| {
        let comm = fs::read_to_string(format!("/proc/self/task/{thread}/comm"));
        comm.is_ok_and(|comm| comm.trim_end() == name)
    };
    others().find(is_named)
}

/// Waits until the thread sleeps, and returns whether it does. The thread must be observed twice in the same sleep.
pub fn wait_for_sleep(thread: Tid, patience: Duration) -> bool {
    wait(patience, || {
        let before = switches(thread);
        state(thread) == 'S' && {
            std::thread::sleep(MOMENT);
            state(thread) == 'S' && switches(thread) == before
        }
    })
}

/// Waits until the thread sleeps in futex(2), where threads wait for locks, or until `enough` is true. Returns whether it sleeps.
pub fn wait_for_lock(thread: Tid, patience: Duration, enough: impl Fn() -> bool) -> bool {
    let waits = || {
        let in_futex = || state(thread) == 'S' && system_call(thread) == Some(libc::SYS_futex);
        let before = switches(thread);
        in_futex() && {
            std::thread::sleep(MOMENT);
            in_futex() && switches(thread) == before
        }
    };
    wait(patience, || waits() || enough()) && waits()
}

/// Whether the kernel reports in which system call a thread is. Not all systems do.
pub fn are_seen_waiting() -> bool {
    system_call(current()).is_some()
}

/// The activity of the other threads during a short time.
#[derive(Clone, Copy, Debug)]
pub struct Activity {
    /// One or another was found running most of the time.
    is_busy: bool,
    /// How often they went to sleep, in a second.
    sleeps: u64,
}

impl Activity {
    /// Measures the activity.
    pub fn now() -> Self {
        const LOOKS: usize = 40;
        let (begun, before) = (Instant::now(), sleeps_of_others());
        let is_running = || {
            std::thread::sleep(MOMENT);
            others().any(|thread| state(thread) == 'R')
        };
        let is_busy = (0..LOOKS).filter(|_| is_running()).count() >= LOOKS / 2;
        let sleeps = sleeps_of_others().saturating_sub(before) * 1_000 / (begun.elapsed().as_millis() as u64).max(1);
        Self { is_busy, sleeps }
    }
}

/// Whether all other threads are at rest. A thread that spins is never observed asleep; one that has little to do is mostly asleep.
pub fn rest() -> bool {
    (0..ATTEMPTS).any(|_| !Activity::now().is_busy)
}

/// Whether all other threads are at rest and do not wake more often than before. A thread that spins slowly, with a pause in each
/// iteration, is always observed asleep. Some loops wake at intervals, so only an increase is significant.
pub fn rest_as(usual: Activity) -> bool {
    (0..ATTEMPTS).any(|_| {
        let now = Activity::now();
        !now.is_busy && now.sleeps <= 2 * usual.sleeps + 100
    })
}

/// How often a rest is looked for before there is none: a busy machine can make one look otherwise.
const ATTEMPTS: usize = 8;

/// Between two looks.
const MOMENT: Duration = Duration::from_millis(3);

fn wait(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + patience;
    while !condition() {
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

/// The threads of this process but the calling one.
fn others() -> impl Iterator<Item = Tid> {
    let me = current();
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks.filter_map(|task| task.file_name().to_str()?.parse().ok().map(Tid)).filter(move |thread| *thread != me)
}

fn sleeps_of_others() -> u64 {
    others().filter_map(switches).sum()
}

/// The letter of proc(5): R runs or could, S sleeps. X where the thread has ended.
fn state(Tid(thread): Tid) -> char {
    let stat = fs::read_to_string(format!("/proc/self/task/{thread}/stat")).unwrap_or_default();
    // The name, in parentheses, may contain anything.
    stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next()).unwrap_or('X')
}

/// How often it went to sleep.
fn switches(Tid(thread): Tid) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/self/task/{thread}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse().ok())
}

/// In which system call it is.
fn system_call(Tid(thread): Tid) -> Option<i64> {
    let line = fs::read_to_string(format!("/proc/self/task/{thread}/syscall")).ok()?;
    line.split(' ').next()?.parse().ok()
}
