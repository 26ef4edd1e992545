//! The number of a domain.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

/// The number of a domain. Xen reuses it when the domain is gone.
///
/// It is a separate type, so that it cannot be confused with the number of a device. It is displayed and parsed as a decimal
/// number. Any `u32` is accepted; a number that no domain can have (32752 and above) results in
/// `xenlight::Error::NoSuchDomain` when it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainId(u32);

impl DomainId {
    /// Domain 0, which manages the host.
    pub const DOM0: Self = Self(0);

    /// Creates an id from a number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for DomainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u32> for DomainId {
    fn from(number: u32) -> Self {
        Self(number)
    }
}

impl From<DomainId> for u32 {
    fn from(id: DomainId) -> Self {
        id.0
    }
}

impl FromStr for DomainId {
    type Err = ParseIntError;

    fn from_str(number: &str) -> Result<Self, ParseIntError> {
        number.parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shown_and_read_as_its_number() {
        assert_eq!(format!("{:>4}", DomainId::new(17)), "  17");
        assert_eq!("17".parse(), Ok(DomainId::new(17)));
        assert!("-1".parse::<DomainId>().is_err());
    }
}
