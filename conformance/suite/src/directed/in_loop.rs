//! Something that happens on the loop's thread, inside an occurrence: how a case gets hold of the loop.

use super::{Opened, breaks};
use crate::files::Ready;
use crate::monitor::Monitor;
use crate::puppet::{Puppet, Registration};
use anyhow::Context;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A closure that runs inside an occurrence of its own.
pub struct InLoop<T> {
    puppet: Arc<Puppet>,
    file: Arc<Ready>,
    registration: Registration,
    told: Receiver<T>,
    patience: Duration,
}

/// A guard that holds the loop inside an occurrence until it is released or dropped. The ctx lock is free meanwhile, as in a
/// callback of libxl.
pub struct Hold {
    release: Sender<()>,
    inside: InLoop<()>,
    monitor: Arc<Monitor>,
}

impl Opened {
    /// Runs a closure on the loop's thread, inside an occurrence of an fd that is registered for this.
    ///
    /// # Errors
    /// The occurrence is not made, or the closure fails.
    pub fn in_loop<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Puppet) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        self.begin_in_loop(act)?.end()
    }

    /// The same as [`in_loop`](Self::in_loop), without waiting for the closure.
    ///
    /// # Errors
    /// The fd could not be registered.
    pub fn begin_in_loop<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Puppet) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<InLoop<T>> {
        let file = Arc::new(Ready::new()?);
        let registration = self.fd(file.fd(), libc::POLLIN)?;
        let (tell, told) = channel();
        let act = Mutex::new(Some((act, tell)));
        let read = file.clone();
        self.on(registration, move |puppet| {
            read.unset()?;
            let act = act.lock().unwrap_or_else(PoisonError::into_inner).take();
            // A spurious occurrence finds nothing to do (O4).
            let Some((act, tell)) = act else { return Ok(()) };
            // The case may have failed meanwhile.
            let _ = tell.send(act(puppet)?);
            Ok(())
        });
        file.set()?;
        Ok(InLoop { puppet: Arc::clone(self), file, registration, told, patience: self.patience })
    }

    /// Holds the loop inside an occurrence.
    ///
    /// # Errors
    /// The occurrence is not made.
    pub fn hold_loop(&self) -> anyhow::Result<Hold> {
        let (arrive, arrived) = channel();
        let (release, released) = channel();
        let inside = self.begin_in_loop(move |_| {
            let _ = arrive.send(());
            // An error is a hold that was dropped.
            let _ = released.recv();
            Ok(())
        })?;
        if arrived.recv_timeout(self.patience).is_err() {
            self.check()?;
            return Err(breaks("R9", "an fd was registered, became ready, and did not occur"));
        }
        self.monitor.remark("the loop is held inside an occurrence");
        Ok(Hold { release, inside, monitor: self.monitor.clone() })
    }

    /// Lets the loop wait for events and serve one, `times` times. After two times, everything that was ready before has been
    /// reported if it is reported at all.
    ///
    /// # Errors
    /// The loop does not iterate.
    pub fn go_round(&self, times: usize) -> anyhow::Result<()> {
        let file = Arc::new(Ready::new()?);
        let registration = self.fd(file.fd(), libc::POLLIN)?;
        let (tell, told) = channel();
        let read = file.clone();
        self.on(registration, move |_| {
            if read.unset()? {
                let _ = tell.send(());
            }
            Ok(())
        });
        for _ in 0..times {
            file.set()?;
            if told.recv_timeout(self.patience).is_err() {
                self.check()?;
                return Err(breaks("O9", "an fd that became ready did not occur beside what else is registered"));
            }
        }
        // Only then is the file closed with the registration.
        self.wait_for_return("O9", registration, times, "an occurrence is over")?;
        self.deregister(registration)?;
        self.check()
    }
}

impl<T> InLoop<T> {
    /// Waits until the closure has returned.
    ///
    /// # Errors
    /// The occurrence is not made, or the closure failed.
    pub fn end(self) -> anyhow::Result<T> {
        let told = self.told.recv_timeout(self.patience);
        self.puppet.check()?;
        let told = told.ok().with_context(|| breaks("R9", "an fd was registered, became ready, and did not occur"))?;
        self.puppet.wait_for_return("R9", self.registration, 1, "the occurrence is over")?;
        self.puppet.deregister(self.registration)?;
        drop(self.file);
        Ok(told)
    }
}

impl Hold {
    /// Releases the loop and waits until it has left the occurrence.
    ///
    /// # Errors
    /// It does not leave the occurrence.
    pub fn release(self) -> anyhow::Result<()> {
        self.monitor.remark("the loop is let go");
        let _ = self.release.send(());
        self.inside.end()
    }
}
