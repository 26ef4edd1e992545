//! The memory of a process is counted.

#[path = "../src/memory_of.rs"]
mod memory_of;

/// The only test of its program: nobody else comes and goes.
#[test]
fn a_few_pages_of_memory_are_seen_at_once() {
    const PAGE: usize = 4096;
    const FEW: usize = 32;
    // So large that it is mapped, and no page of it is there.
    let mut pages = vec![0_u8; 4096 * PAGE];
    let before = memory_of::this_process().unwrap();
    pages.chunks_mut(PAGE).take(FEW).for_each(|page| page[0] = 1);
    let after = memory_of::this_process().unwrap();
    assert_eq!(pages.iter().filter(|byte| **byte == 1).count(), FEW);
    let touched = (FEW * PAGE / 1024) as u64;
    let more = [0, 1].map(|at| after[at].saturating_sub(before[at]));
    assert!(more.iter().all(|more| *more >= touched), "{touched} KiB were touched, and {more:?} are seen");
}
