//! The operations of a ctx whose callback has not run. What is done with one is in `operation`.

#[cfg(doc)]
use crate::contract::*;
use crate::error::Error;
use crate::lock;
use core::ffi::c_int;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use xenlight_types::DomainId;

/// The result of a request to abort an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Abort {
    /// libxl has accepted the request. The operation ends with [`Error::is_aborted`], or with its own result if that comes first.
    /// Both can take long ([E6]).
    Requested,
    /// An abort was requested before.
    AlreadyRequested,
    /// The operation has ended or is about to complete.
    Over,
}

/// An operation in progress, whatever it was asked with and will resolve to.
pub(crate) trait Pending: Send + Sync {
    /// Names it for ever, among those of its ctx.
    fn number(&self) -> u64;

    /// The domain that it destroys.
    fn destroys(&self) -> Option<DomainId>;

    /// The domain that it takes elsewhere.
    fn moves(&self) -> Option<DomainId> {
        None
    }

    /// Whether it is a part of another one here, which is aborted in its place when the ctx is closed.
    fn is_part(&self) -> bool;

    /// On the thread that is for it.
    fn abort(self: Arc<Self>) -> Result<Abort, Error>;

    /// On the calling thread, whichever that is.
    fn abort_here(&self) -> Result<Abort, Error>;
}

/// One that libxl calls back for.
pub(crate) trait Completed: Pending {
    /// On the loop's thread, outside every client call: libxl's result.
    fn finish(&self, rc: c_int);
}

#[derive(Default)]
pub(crate) struct Operations(Mutex<Numbered>);

#[derive(Default)]
struct Numbered {
    next: u64,
    pending: HashMap<u64, Arc<dyn Pending>>,
}

impl Operations {
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0).pending.is_empty()
    }

    pub(crate) fn all(&self) -> Vec<Arc<dyn Pending>> {
        lock(&self.0).pending.values().cloned().collect()
    }

    pub(crate) fn number(&self) -> u64 {
        let mut numbered = lock(&self.0);
        numbered.next += 1;
        numbered.next
    }

    /// # Errors
    /// It is the second that destroys a domain, or that takes it elsewhere.
    pub(crate) fn insert(&self, pending: Arc<dyn Pending>) -> Result<(), Error> {
        let mut numbered = lock(&self.0);
        if let Some(domid) = pending.destroys()
            && numbered.pending.values().any(|other| other.destroys() == Some(domid))
        {
            return Err(Error::BeingDestroyed { domid });
        }
        if let Some(domid) = pending.moves()
            && numbered.pending.values().any(|other| other.moves() == Some(domid))
        {
            return Err(Error::BeingMigrated { domid });
        }
        numbered.pending.insert(pending.number(), pending);
        Ok(())
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        lock(&self.0).pending.contains_key(&number)
    }

    pub(crate) fn remove(&self, number: u64) {
        let _removed = lock(&self.0).pending.remove(&number);
    }
}
