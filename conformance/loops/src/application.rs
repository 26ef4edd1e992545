//! What an application does on its loop besides osevent.

use osevent_conformance::hosts::Host;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// A program with sources of its own on the loop, besides osevent. They stay until the loop ends.
pub trait Application: Host {
    /// Runs `act` on the loop's thread, as a callback of the application.
    ///
    /// # Errors
    /// The loop has ended.
    fn invoke(&self, act: Box<dyn FnOnce() + Send>) -> anyhow::Result<()>;

    /// Calls `readable` on the loop's thread as long as `fd` is readable (level-triggered).
    ///
    /// # Errors
    /// The loop has ended.
    fn watch(&self, fd: Arc<OwnedFd>, readable: Box<dyn FnMut() + Send>) -> anyhow::Result<()>;

    /// Starts a timer, which calls `late` on the loop's thread with the time by which it is late. After each call it is set
    /// again, to `every` from then.
    ///
    /// # Errors
    /// The loop has ended.
    fn tick(&self, every: Duration, late: Box<dyn FnMut(Duration) + Send>) -> anyhow::Result<()>;
}
