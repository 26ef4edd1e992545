use crate::Token;
#[cfg(doc)]
use crate::contract::*;
use core::fmt;

/// Libxl's `ERROR_OSEVENT_REG_FAIL`, the negative code that a failing hook may return ([R3]).
const ERROR_OSEVENT_REG_FAIL: i32 = -12;

/// The reason why a hook failed: an error of the client, or a refusal of the loop.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistrationError {
    /// The client passed a negative fd.
    NegativeFd(i32),
    /// The client passed an event bit that is not one of poll(2)'s input, priority or output ([R6]).
    UnknownInterest(i16),
    /// The client passed an invalid timeval: its microseconds are not from 0 to 999,999 ([R11]).
    InvalidDeadline {
        /// `tv_sec`
        secs: i64,
        /// `tv_usec`
        micros: i64,
    },
    /// This registry never returned this handle. It is invalid or belongs to another registry.
    UnknownHandle(u64),
    /// The registration has been deregistered already, or its timeout has occurred.
    Ended(Token),
    /// An fd hook was called with the handle of a timeout, or a timeout hook with that of an fd, or the fd is not the registered
    /// one.
    Mismatched(Token),
    /// The client has been freed; nothing can be registered any more.
    Closed,
    /// The process has used all 2^63 [tokens](crate::Token). None is used twice.
    TokensSpent,
    /// The hook was called on a thread that is not inside [`Registry::enter`](crate::Registry::enter), which serialized clients
    /// need ([O2]). Some code calls the client without entering.
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
    /// The operating system refused, with this errno.
    Os(i32),
    /// This process was forked, without exec, from the process that created the loop ([X7]).
    Forked,
    /// This loop does not support the given function.
    Unsupported(&'static str),
}

impl RegistrationError {
    /// The code that the hook has to return. It is never 0: it is a positive number (an errno, if the loop gave one) or
    /// `ERROR_OSEVENT_REG_FAIL` ([R3]). libxl usually makes it the result of the operation.
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
