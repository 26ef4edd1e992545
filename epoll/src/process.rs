//! Which process this is, so that a forked child does not take for its own what it inherited.
//!
//! A child that was forked and did not exec has a copy of its parent's memory and shares its files: what it does to an
//! epoll set, a timer or a socket, it does to the parent's ([X7]). A program can avoid to use them there, but hardly
//! to drop them: exit(3) runs the destructors of thread locals, also where libxl calls it in a child ([S7]).
//!
//! # How a child is told apart
//! By a word in a page that the kernel clears in each child that it forks (MADV_WIPEONFORK). Each process
//! puts a number there that none of its ancestors has, as the counter behind it is inherited; and whatever has to know its
//! process keeps that number. So asking costs one load, and hooks can afford it.
//!
//! Not by the pid: asking for it is a system call, and a child in a pid namespace of its own may have the same as
//! its parent. Not by a handler of pthread_atfork(3): clone(2) and `_Fork` run none. Before Linux 4.14, which cannot
//! clear pages, the pid has to do.

#[cfg(doc)]
use crate::contract::*;
use crate::os;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// The process that made it.
#[derive(Debug)]
pub(crate) enum Process {
    /// By the word, and what this process has put there.
    Marked {
        word: &'static AtomicU64,
        mark: u64,
    },
    Numbered(libc::pid_t),
}

impl Process {
    pub(crate) fn current() -> Self {
        match word() {
            Some(word) => Self::Marked { word, mark: mark(word) },
            None => Self::Numbered(os::pid()),
        }
    }

    /// Whether this is still that process, and no child of its.
    pub(crate) fn is_current(&self) -> bool {
        match self {
            // Relaxed: it publishes nothing. Within a process it is written once, before the first `mark` of it is known.
            Self::Marked { word, mark } => word.load(Ordering::Relaxed) == *mark,
            Self::Numbered(pid) => os::pid() == *pid,
        }
    }
}

/// The one word that there is; `None` where the kernel clears nothing.
fn word() -> Option<&'static AtomicU64> {
    /// Release, and Acquire to meet it: whoever finds the word finds it mapped. Not a `OnceLock`: a child that was forked
    /// while another thread initialized it would wait for it for ever.
    static WORD: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());
    let mut word = WORD.load(Ordering::Acquire);
    if word.is_null() {
        let fresh = os::new_word_cleared_by_fork()?.as_ptr();
        // Should another thread have been faster, this page is left unused.
        word = match WORD.compare_exchange(ptr::null_mut(), fresh, Ordering::Release, Ordering::Acquire) {
            Ok(_) => fresh,
            Err(faster) => faster,
        };
    }
    // SAFETY: it comes from `new_word_cleared_by_fork`, which promises it for ever.
    Some(unsafe { &*word })
}

/// This process's, which is there after this.
fn mark(word: &AtomicU64) -> u64 {
    /// Relaxed, as all here: a number is given once because each step is one modification.
    static GIVEN: AtomicU64 = AtomicU64::new(0);
    let there = word.load(Ordering::Relaxed);
    if there != 0 {
        return there;
    }
    let fresh = GIVEN.fetch_add(1, Ordering::Relaxed) + 1;
    match word.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => fresh,
        Err(faster) => faster,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use osevent_test_kit::forked::in_forked_child;

    fn by_pid() -> Process {
        Process::Numbered(os::pid())
    }

    #[test]
    fn x7_a_child_and_its_child_are_other_processes() {
        for made_by in [Process::current, by_pid] {
            let parent = made_by();
            in_forked_child(|| {
                assert!(!parent.is_current());
                let child = made_by();
                assert!(child.is_current() && !parent.is_current());
                in_forked_child(|| {
                    let grandchild = made_by();
                    assert!(grandchild.is_current() && !child.is_current() && !parent.is_current());
                });
                assert!(child.is_current());
            });
            assert!(parent.is_current());
        }
    }

    #[test]
    fn all_of_one_process_are_the_same() {
        let (one, other) = (Process::current(), Process::current());
        assert!(one.is_current() && other.is_current());
    }
}
