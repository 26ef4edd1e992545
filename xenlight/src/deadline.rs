//! When a timer of this crate's own is due.

use osevent_core::Deadline;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// So long from now.
pub(crate) fn within(wait: Duration) -> Deadline {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Deadline::from_micros((now + wait).as_micros().try_into().unwrap_or(i64::MAX))
}
