//! The record of the steps at the boundary, and of the violations.

use crate::boundary::{Rule, WallTime};
#[cfg(doc)]
use crate::contract::*;
use crate::violation::Violation;
use serde::{Deserialize, Serialize};
use std::os::fd::RawFd;

/// A step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The time since the record began, in nanoseconds of the monotonic clock.
    pub at: u64,
    /// The time in microseconds since 1970, by the wall clock, which deadlines also use ([R11]). It is read after `at`.
    #[serde(default)]
    pub wall: i64,
    /// The thread. Threads are numbered from 0 in the order of their first steps; their names are in [`Record::threads`].
    pub thread: u32,
    /// The client, numbered from 0.
    pub client: u32,
    /// What the thread did.
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
    /// The innermost hook of the thread returns.
    HookReturned { handle: u64, code: i32 },
    /// The host calls `libxl_osevent_occurred_fd`.
    FdOccurrence { value: u64, fd: RawFd, events: i16, revents: i16 },
    /// The host calls `libxl_osevent_occurred_timeout`.
    TimeoutOccurrence { value: u64 },
    /// The innermost occurrence of the thread returns.
    OccurrenceReturned,
    /// The application calls the client.
    Call,
    /// The innermost call of the thread returns.
    CallReturned,
    /// The host calls `libxl_ctx_free`.
    Free,
    /// `libxl_ctx_free` returns.
    Freed,
    /// A remark of the case.
    Remark { text: String },
}

/// The record of a run of a case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The names of the threads.
    pub threads: Vec<String>,
    /// The rule of each client. It tells the release: 4.2.0 and 4.2.1 are serialized.
    #[serde(default)]
    pub clients: Vec<Rule>,
    /// The steps in order. [`Step::at`] does not decrease.
    pub steps: Vec<Step>,
    /// The violations.
    pub violations: Vec<Violation>,
}

impl Record {
    /// Combines the result of the case itself with this record: each violation fails the case.
    ///
    /// # Errors
    /// The violations, each on a line that begins with the clause, and the error of the case.
    pub fn conclude(&self, result: anyhow::Result<()>) -> anyhow::Result<()> {
        if self.violations.is_empty() {
            return result;
        }
        let mut wrong: Vec<_> = self.violations.iter().map(ToString::to_string).collect();
        wrong.extend(result.err().map(|error| format!("{error:#}")));
        anyhow::bail!(wrong.join("\n"))
    }
}
