use crate::RegistrationError;
#[cfg(doc)]
use crate::contract::*;

/// The events of an fd that the client asks for: poll(2)'s input, priority and output bits ([R6]).
///
/// It may be empty: the registration then remains and makes no occurrence ([R5]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Interest(u16);

/// The observed events of an fd: poll(2)'s bits, including error, hang-up and invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Readiness(u16);

impl Interest {
    /// The empty interest: no occurrences ([R5]).
    pub const NONE: Self = Self(0);
    /// `POLLIN`
    pub const IN: Self = Self(0x01);
    /// `POLLPRI`
    pub const PRI: Self = Self(0x02);
    /// `POLLOUT`
    pub const OUT: Self = Self(0x04);
    const ALL: u16 = 0x07;

    /// Converts the client's `short events`. `POLLERR`, `POLLHUP` and `POLLNVAL` are accepted and have no effect, because they
    /// are always implied.
    ///
    /// # Errors
    /// [`RegistrationError::UnknownInterest`] for any other bit ([R6]).
    pub const fn from_poll(events: i16) -> Result<Self, RegistrationError> {
        let bits = events as u16;
        if bits & !(Self::ALL | Readiness::IMPLIED) != 0 {
            return Err(RegistrationError::UnknownInterest(events));
        }
        Ok(Self(bits & Self::ALL))
    }

    /// Converts to poll(2)'s `events`.
    pub const fn to_poll(self) -> i16 {
        self.0 as i16
    }

    /// Whether no event is asked for.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The events of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn bits(self) -> u16 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u16) -> Self {
        Self(bits & Self::ALL)
    }
}

impl Readiness {
    /// `POLLIN`
    pub const IN: Self = Self(0x01);
    /// `POLLPRI`
    pub const PRI: Self = Self(0x02);
    /// `POLLOUT`
    pub const OUT: Self = Self(0x04);
    /// `POLLERR`
    pub const ERR: Self = Self(0x08);
    /// `POLLHUP`
    pub const HUP: Self = Self(0x10);
    /// `POLLNVAL`
    pub const NVAL: Self = Self(0x20);
    const IMPLIED: u16 = 0x38;

    /// Converts poll(2)'s `revents`. Bits other than these six are dropped.
    pub const fn from_poll(revents: i16) -> Self {
        Self(revents as u16 & (Interest::ALL | Self::IMPLIED))
    }

    /// Converts to poll(2)'s `revents`.
    pub const fn to_poll(self) -> i16 {
        self.0 as i16
    }

    /// Whether no event was observed.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The events that poll(2) would report for `interest`: none for an empty interest ([R5]), otherwise the bits of the
    /// interest and the implied bits ([R6]).
    #[must_use]
    pub const fn for_interest(self, interest: Interest) -> Self {
        if interest.is_empty() {
            return Self(0);
        }
        Self(self.0 & (interest.0 | Self::IMPLIED))
    }

    /// The same, plus the whole interest where an error, a hang-up or an invalid fd shows: 4.2.0
    /// and 4.2.1 look at nothing else and would spin ([O4]).
    #[must_use]
    pub(crate) const fn with_interest_on_error(self, interest: Interest) -> Self {
        if self.0 & Self::IMPLIED != 0 { Self(self.0 | interest.0) } else { self }
    }
}

impl core::ops::BitOr for Interest {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl core::ops::BitOr for Readiness {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
