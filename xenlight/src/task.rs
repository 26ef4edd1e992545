//! What is done with a domain: whether the domain is there, and whether it may be done to it.
//!
//! Libxl is not asked about some things, because it does not guard against them:
//!
//! - Xen's domids have 16 bits, libxl's have 32, and several releases cut one to the other: in
//!   `xc_domain_pause(65536)` and `libxl_domain_shutdown(65536)` that is domain 0.
//! - `libxl_domain_destroy(0)` removes domain 0 from xenstore before Xen refuses; pausing domain 0 stops the host.
//! - For a domain that is not there each function has its own answer, which differs by release.

use crate::domain_info::DOMINFO;
use crate::error::Error;
use crate::hosted::Hosted;
use crate::structs::Struct;
use crate::words::Listener;
use core::ffi::c_int;
use std::ptr;
use std::sync::Arc;
use xenlight_sys::{Ctx as RawCtx, Release, codes};
use xenlight_types::DomainId;

/// Xen's `DOMID_FIRST_RESERVED`: no domain has this number or a higher one.
const FIRST_RESERVED: DomainId = DomainId::new(0x7ff0);

/// One thing that is asked of libxl.
#[derive(Clone, Copy)]
pub(crate) struct Task {
    /// As in "cannot …".
    pub(crate) doing: &'static str,
    pub(crate) domid: Option<DomainId>,
    harm: Harm,
    /// Of an operation that a close waits for.
    is_part: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Harm {
    None,
    /// The domain would not go on running.
    Stops,
    /// The domain is destroyed.
    Destroys,
}

impl Task {
    /// Makes a domain, or is about none.
    pub(crate) const fn without(doing: &'static str) -> Self {
        Self { doing, domid: None, harm: Harm::None, is_part: false }
    }

    /// Leaves the domain running.
    pub(crate) const fn on(doing: &'static str, domid: DomainId) -> Self {
        Self { doing, domid: Some(domid), harm: Harm::None, is_part: false }
    }

    /// Ends the domain, stops it, or takes it elsewhere.
    pub(crate) const fn stopping(doing: &'static str, domid: DomainId) -> Self {
        Self { doing, domid: Some(domid), harm: Harm::Stops, is_part: false }
    }

    pub(crate) const fn destroying(doing: &'static str, domid: DomainId) -> Self {
        Self { doing, domid: Some(domid), harm: Harm::Destroys, is_part: false }
    }

    /// The same as a part of an operation that is in the ctx's table of them, so that a close waits for it. It is done also while the ctx is
    /// being closed, and the close does not abort it.
    pub(crate) const fn part(self) -> Self {
        Self { is_part: true, ..self }
    }

    pub(crate) fn is_part(&self) -> bool {
        self.is_part
    }

    /// Whether the ctx does it.
    pub(crate) fn check_open(&self, hosted: &Hosted) -> Result<(), Error> {
        if self.is_part { Ok(()) } else { hosted.closing.check_open() }
    }

    /// Whether it could be completed.
    pub(crate) fn check_ready(&self, hosted: &Hosted) -> Result<(), Error> {
        // Where the host's loop is gone, a part is completed when the ctx is closed.
        if self.is_part { hosted.link.check() } else { hosted.check_ready() }
    }

    /// The domain that it destroys.
    pub(crate) fn destroys(&self) -> Option<DomainId> {
        self.domid.filter(|_| self.harm == Harm::Destroys)
    }

    pub(crate) fn listener(&self) -> Arc<Listener> {
        Listener::new(self.domid)
    }

    /// What can be told without libxl.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.domid {
            Some(domid) if domid >= FIRST_RESERVED => Err(self.no_such_domain(domid)),
            Some(DomainId::DOM0) if self.harm != Harm::None => {
                Err(self.protected(DomainId::DOM0, "is the one that this host runs in"))
            }
            _ => Ok(()),
        }
    }

    /// [`check`](Self::check), and whether the domain is there. Takes none of libxl's locks.
    pub(crate) fn check_with(&self, hosted: &Hosted, ctx: *mut RawCtx) -> Result<(), Error> {
        self.check()?;
        let Some(domid) = self.domid else { return Ok(()) };
        if self.is_missing(hosted, ctx) {
            return Err(self.no_such_domain(domid));
        }
        if self.harm != Harm::None && serves_the_host(hosted, ctx, domid)? {
            return Err(self.protected(domid, "is xenstored's, without which the host cannot be managed"));
        }
        Ok(())
    }

    /// Whether its domain is gone. Not if that cannot be told. Takes none of libxl's locks.
    pub(crate) fn is_missing(&self, hosted: &Hosted, ctx: *mut RawCtx) -> bool {
        let Some(domid) = self.domid else { return false };
        // SAFETY: the caller is inside the gate, so the ctx is alive; null asks for nothing but the result.
        says_missing(hosted, unsafe { hosted.library().domain_info(ctx, ptr::null_mut(), domid.get()) })
    }

    /// The error for what libxl returned: an abort is one, whatever became of the domain; a failure on a domain that is gone is that.
    pub(crate) fn error(&self, hosted: &Hosted, ctx: *mut RawCtx, rc: c_int, listener: &Listener) -> Error {
        match self.domid {
            Some(domid) if rc != codes::ERROR_ABORTED && self.is_missing(hosted, ctx) => self.no_such_domain(domid),
            _ => hosted.error(self.doing, rc, listener.words()),
        }
    }

    pub(crate) fn no_such_domain(&self, domid: DomainId) -> Error {
        Error::NoSuchDomain { doing: self.doing, domid }
    }

    fn protected(&self, domid: DomainId, role: &'static str) -> Error {
        Error::Protected { doing: self.doing, domid, role }
    }
}

/// Whether this result of `libxl_domain_info` says that there is no such domain.
pub(crate) fn says_missing(hosted: &Hosted, rc: c_int) -> bool {
    // 4.5 and earlier have no code of its own for it.
    rc == codes::ERROR_DOMAIN_NOTFOUND || hosted.library().release() < Release::V4_6 && rc == codes::ERROR_INVAL
}

/// Whether Xen has marked it as xenstored's own domain; 4.7 and later.
fn serves_the_host(hosted: &Hosted, ctx: *mut RawCtx, domid: DomainId) -> Result<bool, Error> {
    let info = Struct::new(hosted.whole_library(), DOMINFO.0, DOMINFO.1)?;
    // SAFETY: the caller is inside the gate, so the ctx is alive; `info` is initialised, and written during the call.
    if unsafe { hosted.library().domain_info(ctx, info.as_ptr(), domid.get()) } != 0 {
        return Ok(false);
    }
    // SAFETY: the ctx is alive.
    let info = unsafe { info.json(ctx) }?;
    Ok(info.get("never_stop") == Some(&serde_json::Value::Bool(true)))
}
