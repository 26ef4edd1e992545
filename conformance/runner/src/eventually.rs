//! Waiting for what comes at some time.

use anyhow::ensure;
use osevent_conformance::patience::patience;
use std::time::{Duration, Instant};

/// Waits until `condition` holds.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) -> anyhow::Result<()> {
    let end = Instant::now() + patience();
    while !condition() {
        ensure!(Instant::now() < end, "not within {:?}: {what}", patience());
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
