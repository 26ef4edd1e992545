//! The one place where atomics and locks come from: core's and std's, spin's where there is no std, or loom's under `--cfg loom`.

#[cfg(not(loom))]
mod imp {
    pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

    /// Guards a few instructions: never a call out of this crate, nor an allocation.
    ///
    /// With std a waiter sleeps: one that spun would keep a preempted holder of a lower priority, or on the same
    /// processor, from ever giving the lock back.
    #[cfg(feature = "std")]
    pub(crate) struct Lock<T>(std::sync::Mutex<T>);

    #[cfg(feature = "std")]
    impl<T> Lock<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> impl core::ops::DerefMut<Target = T> + '_ {
            // As the spin lock, which knows no poisoning: what a holder's panic left is whole.
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }

    /// Guards a few instructions: never a call out of this crate, nor an allocation.
    #[cfg(not(feature = "std"))]
    pub(crate) struct Lock<T>(spin::mutex::SpinMutex<T>);

    #[cfg(not(feature = "std"))]
    impl<T> Lock<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(spin::mutex::SpinMutex::new(value))
        }

        pub(crate) fn lock(&self) -> impl core::ops::DerefMut<Target = T> + '_ {
            self.0.lock()
        }
    }
}

#[cfg(loom)]
mod imp {
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};

    pub(crate) struct Lock<T>(loom::sync::Mutex<T>);

    impl<T> Lock<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> impl core::ops::DerefMut<Target = T> + '_ {
            self.0.lock().expect("no holder of this lock can panic")
        }
    }
}

pub(crate) use imp::*;

#[cfg(all(test, feature = "std", target_os = "linux", not(loom)))]
mod tests {
    use super::Lock;
    use std::sync::mpsc;
    use std::time::{Duration, Instant};
    use std::{format, fs, thread};

    /// A waiter that never sleeps starves the holder where it has the higher priority, or the only processor.
    #[test]
    fn whoever_waits_for_a_lock_sleeps() {
        let lock = Lock::new(());
        let held = lock.lock();
        thread::scope(|scope| {
            let (named, name) = mpsc::channel();
            let lock = &lock;
            scope.spawn(move || {
                named.send(fs::read_link("/proc/thread-self").unwrap()).unwrap();
                drop(lock.lock());
            });
            let stat = format!("/proc/{}/stat", name.recv().unwrap().display());
            // After its message it sleeps nowhere else. The state is the field behind the name in parentheses.
            let sleeps = || fs::read_to_string(&stat).unwrap().rsplit_once(") ").unwrap().1.starts_with('S');
            let begun = Instant::now();
            let slept = loop {
                if (0..100).all(|_| sleeps()) {
                    break true;
                }
                if begun.elapsed() > Duration::from_secs(5) {
                    break false;
                }
                thread::yield_now();
            };
            drop(held);
            assert!(slept, "after 5 s the waiter still runs");
        });
    }
}
