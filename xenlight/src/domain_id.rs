//! The number of a domain.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

/// The number by which Xen knows a domain until it is gone; then the number is used again.
///
/// A type of its own, so that it is not taken for the number of a device. Shown, and read, as the number. Any
/// number can be one; those that no domain can have (32752 and above) are told when they are used, by
/// [`Error::NoSuchDomain`](crate::Error::NoSuchDomain).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomainId(u32);

impl DomainId {
    /// Domain 0, which manages the host.
    pub const DOM0: Self = Self(0);

    /// The domain of this number.
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
