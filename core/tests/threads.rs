//! The names of threads, with the feature `std`.
#![cfg(all(feature = "std", not(loom)))]

use osevent_core::current_thread;
use std::collections::HashSet;

#[test]
fn a_thread_keeps_its_name_and_no_other_gets_it() {
    let mut names: HashSet<_> = (0..50)
        .map(|_| {
            std::thread::spawn(|| {
                let name = current_thread();
                assert_eq!(current_thread(), name);
                name
            })
        })
        .map(|thread| thread.join().unwrap())
        .collect();
    // Not even when the others are gone.
    assert!(names.insert(current_thread()));
    assert_eq!(names.len(), 51);
}
