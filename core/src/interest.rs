use crate::RegistrationError;
#[cfg(doc)]
use crate::contract::*;

/// What the client asked to be told of an fd: poll(2)'s input, priority and output bits ([R6]).
///
/// Empty is legal: the registration stays and makes no occurrence ([R5]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Interest(u16);

/// What was observed of an fd: poll(2)'s bits, error, hang-up and invalid included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Readiness(u16);

impl Interest {
    /// No occurrence at all ([R5]).
    pub const NONE: Self = Self(0);
    /// `POLLIN`
    pub const IN: Self = Self(0x01);
    /// `POLLPRI`
    pub const PRI: Self = Self(0x02);
    /// `POLLOUT`
    pub const OUT: Self = Self(0x04);
    const ALL: u16 = 0x07;

    /// From the client's `short events`. `POLLERR`, `POLLHUP` and `POLLNVAL` may be named; they are implied.
    ///
    /// # Errors
    /// [`RegistrationError::UnknownInterest`] for any bit that the contract does not have ([R6]).
    pub const fn from_poll(events: i16) -> Result<Self, RegistrationError> {
        let bits = events as u16;
        if bits & !(Self::ALL | Readiness::IMPLIED) != 0 {
            return Err(RegistrationError::UnknownInterest(events));
        }
        Ok(Self(bits & Self::ALL))
    }

    /// As poll(2)'s `events`.
    pub const fn to_poll(self) -> i16 {
        self.0 as i16
    }

    /// Whether nothing is asked.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What either asks.
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

    /// From poll(2)'s `revents`; bits beyond those six are left out.
    pub const fn from_poll(revents: i16) -> Self {
        Self(revents as u16 & (Interest::ALL | Self::IMPLIED))
    }

    /// As poll(2)'s `revents`.
    pub const fn to_poll(self) -> i16 {
        self.0 as i16
    }

    /// Whether nothing was observed.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What poll(2) would report to somebody who asked for `interest`: nothing for an empty one
    /// ([R5]), otherwise the asked bits and the implied ones ([R6]).
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
