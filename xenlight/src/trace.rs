/// One step at the boundary between libxl and its event loop, for diagnosis: what libxl asked, or was told.
///
/// Handles are what `for_app_registration` holds; they name a registration for ever. Codes are what the hook
/// returns: 0, or why it refused (R3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trace {
    /// fd_register returns; the handle is 0 if it refused.
    FdRegister {
        /// The registration.
        handle: u64,
        /// The fd.
        fd: i32,
        /// poll(2)'s bits.
        events: i16,
        /// What it returns.
        code: i32,
    },
    /// fd_modify returns.
    FdModify {
        /// The registration.
        handle: u64,
        /// The fd.
        fd: i32,
        /// poll(2)'s bits.
        events: i16,
        /// What it returns.
        code: i32,
    },
    /// fd_deregister returns.
    FdDeregister {
        /// The registration.
        handle: u64,
        /// The fd.
        fd: i32,
    },
    /// timeout_register returns; the handle is 0 if it refused.
    TimeoutRegister {
        /// The registration.
        handle: u64,
        /// Seconds and microseconds of the wall clock.
        deadline: (i64, i64),
        /// What it returns.
        code: i32,
    },
    /// timeout_modify returns.
    TimeoutModify {
        /// The registration.
        handle: u64,
        /// Seconds and microseconds of the wall clock; both 0 to cancel (R13).
        deadline: (i64, i64),
        /// What it returns.
        code: i32,
    },
    /// timeout_deregister returns (4.2.0 and 4.2.1).
    TimeoutDeregister {
        /// The registration.
        handle: u64,
    },
    /// `libxl_osevent_occurred_fd` is about to be called.
    FdOccurrence {
        /// The fd.
        fd: i32,
        /// What was asked.
        events: i16,
        /// What was observed.
        revents: i16,
    },
    /// `libxl_osevent_occurred_timeout` is about to be called.
    TimeoutOccurrence,
    /// An occurrence has returned, on the thread that made it.
    OccurrenceReturned,
}

/// Obeys R15: it is called from inside hooks.
pub(crate) type Tracer = Box<dyn Fn(Trace) + Send + Sync>;
