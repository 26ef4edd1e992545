use crate::Token;
#[cfg(doc)]
use crate::contract::*;
use core::fmt;

/// Libxl's `ERROR_OSEVENT_REG_FAIL`, the negative code that a failing hook may return ([R3]).
const ERROR_OSEVENT_REG_FAIL: i32 = -12;

/// Why a hook failed: what the client did wrong, or what the loop refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistrationError {
    /// The client asked for a negative fd.
    NegativeFd(i32),
    /// The client asked for a bit that is not poll(2)'s input, priority or output ([R6]).
    UnknownInterest(i16),
    /// The client's timeval is none: its microseconds are not within 0 to 999,999 ([R11]).
    InvalidDeadline {
        /// `tv_sec`
        secs: i64,
        /// `tv_usec`
        micros: i64,
    },
    /// This registry never gave out that handle: it is made up, or another registry's.
    UnknownHandle(u64),
    /// The registration has been deregistered already, or its timeout has occurred.
    Ended(Token),
    /// An fd hook was called with a timeout's handle, or the other way round, or with another fd than was registered.
    Mismatched(Token),
    /// The client has been freed; nothing can be registered any more.
    Closed,
    /// The process has given out 2^63 [tokens](crate::Token), and none is used twice.
    TokensSpent,
    /// The hook was called on a thread that did not come through
    /// [`Registry::enter`](crate::Registry::enter), which serialized clients must ([O2]): somebody
    /// calls the client around this library.
    OutsideClientCall,
    /// The loop refused.
    Loop(LoopError),
}

/// Why a loop refused a registration or could not wait.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoopError {
    /// The fd is not open.
    BadFd(i32),
    /// The token is not registered with this loop.
    UnknownToken(Token),
    /// The operating system said no; its errno.
    Os(i32),
    /// This process is a child that was forked, without exec, from the one that the loop is of ([X7]).
    Forked,
    /// This loop cannot do that at all; what it is.
    Unsupported(&'static str),
}

impl RegistrationError {
    /// The code for the hook to return: never zero, positive (an errno where the loop gave one) or
    /// `ERROR_OSEVENT_REG_FAIL` ([R3]). Libxl usually makes it the operation's result.
    pub fn code(&self) -> i32 {
        match self {
            Self::Loop(LoopError::Os(errno)) if *errno > 0 => *errno,
            _ => ERROR_OSEVENT_REG_FAIL,
        }
    }
}

impl fmt::Display for RegistrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NegativeFd(fd) => write!(f, "the client asked to watch fd {fd}, which is negative"),
            Self::UnknownInterest(events) => {
                write!(
                    f,
                    "the client asked for poll events {events:#x}; only POLLIN, POLLPRI and POLLOUT can be watched"
                )
            }
            Self::InvalidDeadline { secs, micros } => {
                write!(f, "the client's timeout {{{secs}, {micros}}} is no timeval: microseconds go from 0 to 999999")
            }
            Self::UnknownHandle(handle) => write!(f, "the client's handle {handle:#x} was never given out here"),
            Self::Ended(token) => write!(f, "registration {token} has already ended"),
            Self::Mismatched(token) => write!(f, "registration {token} is of another kind, or for another fd"),
            Self::Closed => f.write_str("the client has been freed: nothing can be registered any more"),
            Self::TokensSpent => f.write_str("this process has used up its handles for registrations: restart it"),
            Self::OutsideClientCall => f.write_str(
                "a hook ran on a thread that called the client around this library: make every call through it",
            ),
            Self::Loop(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for LoopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadFd(fd) => write!(f, "fd {fd} is not open"),
            Self::UnknownToken(token) => write!(f, "registration {token} is not known to this loop"),
            Self::Os(errno) => write!(f, "the operating system refused, errno {errno}"),
            Self::Forked => f.write_str("the loop is of the process that this one was forked from: use it there only"),
            Self::Unsupported(what) => write!(f, "this loop cannot {what}"),
        }
    }
}

// The loop's refusal is displayed as its own, so it is no source besides.
impl core::error::Error for RegistrationError {}

impl core::error::Error for LoopError {}

impl From<LoopError> for RegistrationError {
    fn from(error: LoopError) -> Self {
        Self::Loop(error)
    }
}
