//! Which processors a thread uses. On a machine that others use, one can be a third slower than another.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The first one of these.
pub(crate) fn first_of(all: &CpuSet) -> CpuSet {
    let mut first = CpuSet::new();
    first.set((0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)).expect("a thread runs on a processor"));
    first
}

/// Keeps the calling thread on the first one that it may use.
///
/// For loops that are measured by turns: one and the same processor for both.
pub(crate) fn stay_on_first() {
    let all = sched_getaffinity(None).expect("every kernel tells it");
    sched_setaffinity(None, &first_of(&all)).expect("it may run there");
}
