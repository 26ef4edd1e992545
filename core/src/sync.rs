//! The one place where atomics and locks come from: core's and spin's, or loom's under `--cfg loom`.

#[cfg(not(loom))]
mod imp {
    pub(crate) use core::sync::atomic::{AtomicU32, Ordering};

    // With std, a waiter gives its processor to the holder: a preempted holder costs a time slice
    // otherwise.
    #[cfg(feature = "std")]
    type Relax = spin::Yield;
    #[cfg(not(feature = "std"))]
    type Relax = spin::Spin;

    /// Guards a few instructions: never a call out of this crate, nor an allocation.
    pub(crate) struct Lock<T>(spin::mutex::SpinMutex<T, Relax>);

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
    pub(crate) use loom::sync::atomic::{AtomicU32, Ordering};

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
