//! The end of `serve`: it takes no more requests, lets those under way end, and cancels what takes too long.

use std::io;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch::{Receiver, Sender, channel};
use tokio::time::timeout;

/// How long what is under way may take to end. The unit's `TimeoutStopSec` is more than this and [`CANCEL`].
const GRACE: Duration = Duration::from_secs(60);

/// How long it may take to end once it is cancelled.
const CANCEL: Duration = Duration::from_secs(20);

/// How far the end has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Working,
    /// Nothing new is begun.
    Refusing,
    /// Migrations are cancelled.
    Cancelling,
    /// Nothing is waited for.
    Leaving,
}

#[derive(Clone)]
pub(crate) struct Stop(Receiver<Phase>);

impl Stop {
    /// SIGTERM and SIGINT begin the end from now on; a second one is the end of patience.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn on_signals() -> io::Result<Self> {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let (phase, stop) = channel(Phase::Working);
        tokio::spawn(async move {
            let mut signalled = async || {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            };
            signalled().await;
            // Without systemd there is nobody to tell.
            let _ = sd_notify::notify(&[NotifyState::Stopping]);
            enter(&phase, Phase::Refusing, "stopping: what is under way may end");
            let _ = timeout(GRACE, signalled()).await;
            enter(&phase, Phase::Cancelling, "stopping: migrations are cancelled");
            let _ = timeout(CANCEL, phase.closed()).await;
            enter(&phase, Phase::Leaving, "stopping: what has not ended is left to xenlightd");
        });
        Ok(Self(stop))
    }

    pub(crate) fn is_at(&self, phase: Phase) -> bool {
        *self.0.borrow() >= phase
    }

    /// Returns when it is at this phase, or at a later one.
    pub(crate) async fn reaches(&self, phase: Phase) {
        // The sender stays until the last phase.
        let _ = self.0.clone().wait_for(|now| *now >= phase).await;
    }
}

fn enter(phase: &Sender<Phase>, next: Phase, said: &str) {
    // Nothing of it is of interest to anybody after the end.
    if phase.send(next).is_ok() {
        eprintln!("xenlight-fleet: {said}");
    }
}
