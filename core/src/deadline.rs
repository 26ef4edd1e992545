use crate::RegistrationError;
#[cfg(doc)]
use crate::contract::*;

/// A point in time of the wall clock, in microseconds since 1970. libxl's timeouts use this clock, that of gettimeofday(2)
/// ([R11]).
///
/// The core has no clock. A loop converts each deadline once, when it is registered, to a clock that does not step ([R12]).
/// Deadlines are ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(i64);

impl Deadline {
    /// `{0,0}`: as soon as possible.
    pub const ASAP: Self = Self(0);

    /// Converts a `struct timeval`. Times before 1970 become [`ASAP`](Self::ASAP). Times that do not fit into 63 bits of
    /// microseconds become the latest deadline, 292,000 years ahead.
    ///
    /// # Errors
    /// [`RegistrationError::InvalidDeadline`] if `micros` is not from 0 to 999,999.
    pub const fn from_timeval(secs: i64, micros: i64) -> Result<Self, RegistrationError> {
        if micros < 0 || micros > 999_999 {
            return Err(RegistrationError::InvalidDeadline { secs, micros });
        }
        if secs <= 0 {
            return Ok(if secs < 0 { Self::ASAP } else { Self(micros) });
        }
        Ok(Self(secs.saturating_mul(1_000_000).saturating_add(micros)))
    }

    /// Converts microseconds since 1970. Negative values become [`ASAP`](Self::ASAP).
    pub const fn from_micros(micros: i64) -> Self {
        Self(if micros < 0 { 0 } else { micros })
    }

    /// Microseconds since 1970, never negative.
    pub const fn as_micros(self) -> i64 {
        self.0
    }
}
