//! The wire format: `struct xsd_sockmsg`, message types, error names (Xen's public/io/xs_wire.h).

use std::fmt;

/// XENSTORE_PAYLOAD_MAX, in both directions.
pub(crate) const PAYLOAD_MAX: usize = 4096;
/// XENSTORE_ABS_PATH_MAX.
pub(crate) const ABSOLUTE_PATH_MAX: usize = 3072;
/// XENSTORE_REL_PATH_MAX.
pub(crate) const RELATIVE_PATH_MAX: usize = 2048;

/// Message types.
pub(crate) mod kind {
    pub(crate) const CONTROL: u32 = 0;
    pub(crate) const DIRECTORY: u32 = 1;
    pub(crate) const READ: u32 = 2;
    pub(crate) const GET_PERMS: u32 = 3;
    pub(crate) const WATCH: u32 = 4;
    pub(crate) const UNWATCH: u32 = 5;
    pub(crate) const TRANSACTION_START: u32 = 6;
    pub(crate) const TRANSACTION_END: u32 = 7;
    pub(crate) const INTRODUCE: u32 = 8;
    pub(crate) const RELEASE: u32 = 9;
    pub(crate) const GET_DOMAIN_PATH: u32 = 10;
    pub(crate) const WRITE: u32 = 11;
    pub(crate) const MKDIR: u32 = 12;
    pub(crate) const RM: u32 = 13;
    pub(crate) const SET_PERMS: u32 = 14;
    pub(crate) const WATCH_EVENT: u32 = 15;
    pub(crate) const ERROR: u32 = 16;
    pub(crate) const IS_DOMAIN_INTRODUCED: u32 = 17;
    pub(crate) const RESUME: u32 = 18;
    pub(crate) const SET_TARGET: u32 = 19;
    pub(crate) const RESET_WATCHES: u32 = 21;
    pub(crate) const DIRECTORY_PART: u32 = 22;
}

/// Why a request is refused: the errors that this daemon sends, by their names on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A malformed path or payload.
    #[error("EINVAL: malformed path or payload")]
    Invalid,
    /// The watch is there already.
    #[error("EEXIST: this watch exists")]
    Exists,
    /// No such node, watch, transaction or domain.
    #[error("ENOENT: no such node, watch, transaction or domain")]
    NotFound,
    /// An unknown message type.
    #[error("ENOSYS: unknown message type")]
    Unknown,
    /// A transaction inside a transaction.
    #[error("EBUSY: transactions do not nest")]
    Nested,
    /// The transaction met a conflict: start it again.
    #[error("EAGAIN: a node of the transaction was changed meanwhile; start it again")]
    Conflict,
    /// The answer is longer than a payload may be.
    #[error("E2BIG: the answer exceeds 4096 bytes")]
    TooLong,
    /// The daemon has failed.
    #[error("EIO: the daemon has failed")]
    Failed,
}

impl Refusal {
    /// The name that goes over the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Invalid => "EINVAL",
            Self::Exists => "EEXIST",
            Self::NotFound => "ENOENT",
            Self::Unknown => "ENOSYS",
            Self::Nested => "EBUSY",
            Self::Conflict => "EAGAIN",
            Self::TooLong => "E2BIG",
            Self::Failed => "EIO",
        }
    }
}

/// `struct xsd_sockmsg`, in the byte order of the machine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: u32,
    pub(crate) request: u32,
    pub(crate) transaction: u32,
    pub(crate) length: u32,
}

impl Header {
    pub(crate) const SIZE: usize = 16;

    /// The header at the start of `bytes`, once it is complete.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let word = |index: usize| {
            let bytes = bytes.get(4 * index..4 * index + 4)?;
            Some(u32::from_ne_bytes(bytes.try_into().expect("a slice of four bytes")))
        };
        Some(Self { kind: word(0)?, request: word(1)?, transaction: word(2)?, length: word(3)? })
    }

    /// Appends the header to `bytes`.
    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        for word in [self.kind, self.request, self.transaction, self.length] {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, request, transaction, length } = self;
        write!(formatter, "kind {kind}, request {request}, transaction {transaction}, {length} bytes")
    }
}

/// A complete message from a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) header: Header,
    pub(crate) payload: Vec<u8>,
}

impl Message {
    /// The strings that end in a nul; what follows the last nul is left out.
    pub(crate) fn strings(&self) -> Vec<&[u8]> {
        let mut strings: Vec<_> = self.payload.split(|&byte| byte == 0).collect();
        strings.pop();
        strings
    }

    /// The payload where it is one string and its nul.
    pub(crate) fn one_string(&self) -> Result<&[u8], Refusal> {
        match self.payload.split_last() {
            Some((0, string)) if !string.contains(&0) => Ok(string),
            _ => Err(Refusal::Invalid),
        }
    }

    /// The payload where it is one string, its nul and arbitrary bytes.
    pub(crate) fn string_and_rest(&self) -> Result<(&[u8], &[u8]), Refusal> {
        let nul = self.payload.iter().position(|&byte| byte == 0).ok_or(Refusal::Invalid)?;
        Ok((&self.payload[..nul], &self.payload[nul + 1..]))
    }
}
