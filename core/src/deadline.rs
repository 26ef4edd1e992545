use crate::RegistrationError;
#[cfg(doc)]
use crate::contract::*;

/// An absolute point of the wall clock, in microseconds since 1970: gettimeofday(2)'s clock, by
/// which libxl stamps its timeouts ([R11]).
///
/// The core has no clock. A loop converts a deadline once, when it takes it, to a clock that does
/// not step ([R12]). Ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(i64);

impl Deadline {
    /// `{0,0}`: as soon as possible.
    pub const ASAP: Self = Self(0);

    /// From a `struct timeval`. Seconds before 1970 are the past; those beyond microseconds in 63
    /// bits become the latest deadline there is, 292,000 years ahead.
    ///
    /// # Errors
    /// [`RegistrationError::InvalidDeadline`] when `micros` is not within 0 to 999,999.
    pub const fn from_timeval(secs: i64, micros: i64) -> Result<Self, RegistrationError> {
        if micros < 0 || micros > 999_999 {
            return Err(RegistrationError::InvalidDeadline { secs, micros });
        }
        if secs <= 0 {
            return Ok(if secs < 0 { Self::ASAP } else { Self(micros) });
        }
        Ok(Self(secs.saturating_mul(1_000_000).saturating_add(micros)))
    }

    /// From microseconds since 1970; negative ones are [`ASAP`](Self::ASAP).
    pub const fn from_micros(micros: i64) -> Self {
        Self(if micros < 0 { 0 } else { micros })
    }

    /// Microseconds since 1970, never negative.
    pub const fn as_micros(self) -> i64 {
        self.0
    }
}
