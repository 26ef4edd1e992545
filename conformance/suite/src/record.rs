//! What happened at the boundary, step by step, and what was wrong with it.

use crate::boundary::{Rule, WallTime};
#[cfg(doc)]
use crate::contract::*;
use crate::violation::Violation;
use serde::{Deserialize, Serialize};
use std::os::fd::RawFd;

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Nanoseconds since the record began, of the monotonic clock.
    pub at: u64,
    /// Microseconds since 1970, of the wall clock that deadlines are of ([R11]), read after `at`.
    #[serde(default)]
    pub wall: i64,
    /// The thread, numbered from 0 in the order of their first steps; its name is in [`Record::threads`].
    pub thread: u32,
    /// The client, numbered from 0.
    pub client: u32,
    /// What it did.
    #[serde(flatten)]
    pub what: What,
}

/// What a thread did.
#[expect(missing_docs, reason = "the fields are the parameters of the functions in `boundary`")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What {
    /// The client calls `fd_register`.
    FdRegister { fd: RawFd, events: i16, value: u64 },
    /// The client calls `fd_modify`.
    FdModify { fd: RawFd, handle: u64, events: i16 },
    /// The client calls `fd_deregister`.
    FdDeregister { fd: RawFd, handle: u64 },
    /// The client calls `timeout_register`.
    TimeoutRegister { deadline: WallTime, value: u64 },
    /// The client calls `timeout_modify`.
    TimeoutModify { handle: u64, deadline: WallTime },
    /// The client calls `timeout_deregister`.
    TimeoutDeregister { handle: u64 },
    /// The thread's innermost hook returns.
    HookReturned { handle: u64, code: i32 },
    /// The host calls `libxl_osevent_occurred_fd`.
    FdOccurrence { value: u64, fd: RawFd, events: i16, revents: i16 },
    /// The host calls `libxl_osevent_occurred_timeout`.
    TimeoutOccurrence { value: u64 },
    /// The thread's innermost occurrence returns.
    OccurrenceReturned,
    /// The application calls the client.
    Call,
    /// The thread's innermost call returns.
    CallReturned,
    /// The host calls `libxl_ctx_free`.
    Free,
    /// That returns.
    Freed,
    /// A case remarks on what it does.
    Remark { text: String },
}

/// All of one run of a case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The threads' names.
    pub threads: Vec<String>,
    /// Each client's rule, which tells its release: 4.2.0 and 4.2.1 are the serialized ones.
    #[serde(default)]
    pub clients: Vec<Rule>,
    /// In the order in which they were taken. [`Step::at`] does not decrease.
    pub steps: Vec<Step>,
    /// What was wrong.
    pub violations: Vec<Violation>,
}

impl Record {
    /// How a case ended that had this record, and this result by itself: each violation fails it.
    ///
    /// # Errors
    /// The violations, a line each and the clause first, and what the case says.
    pub fn conclude(&self, result: anyhow::Result<()>) -> anyhow::Result<()> {
        if self.violations.is_empty() {
            return result;
        }
        let mut wrong: Vec<_> = self.violations.iter().map(ToString::to_string).collect();
        wrong.extend(result.err().map(|error| format!("{error:#}")));
        anyhow::bail!(wrong.join("\n"))
    }
}
