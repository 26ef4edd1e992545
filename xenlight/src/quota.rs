//! The limits of what domains may store in xenstore.

use crate::ctx::Ctx;
use crate::error::Error;
use crate::task::Task;
use xenlight_sys::Release;
use xenlight_types::{DomainId, XenstoreQuotas};

const SINCE: Release = Release::new(4, 22);

/// # Limits of xenstore
///
/// Xen 4.22 and later; a xenstored that cannot tell or set them answers with [`Error::Libxl`].
impl Ctx {
    /// The limits of domains that have none of their own.
    ///
    /// # Errors
    /// [`Error::Libxl`], [`Error::Unsupported`], [`Error::Closed`] or [`Error::Format`].
    pub fn xenstore_quotas(&self) -> Result<XenstoreQuotas, Error> {
        self.ask(Task::without("ask for the limits of xenstore"), |question| {
            let get = question.later(question.hosted.library().xs_quota_global_get(), SINCE)?;
            // SAFETY: the ctx lives during `ask`, the struct during the call.
            question.filled(|_, ctx, quotas| unsafe { get(ctx, quotas) })
        })
    }

    /// Changes limits of domains that have none of their own.
    ///
    /// # Errors
    /// [`Error::Libxl`], [`Error::Unsupported`], [`Error::Config`] or [`Error::Closed`].
    pub fn set_xenstore_quotas(&self, quotas: &XenstoreQuotas) -> Result<(), Error> {
        self.ask(Task::without("set the limits of xenstore"), |question| {
            let set = question.later(question.hosted.library().xs_quota_global_set(), SINCE)?;
            let quotas = question.given(quotas)?;
            // SAFETY: the ctx lives during `ask`, the struct during the call.
            question.succeeded(unsafe { set(question.ctx, quotas.as_ptr()) })
        })
    }

    /// The limits of a domain.
    ///
    /// # Errors
    /// [`Error::Libxl`], [`Error::NoSuchDomain`], [`Error::Unsupported`], [`Error::Closed`] or [`Error::Format`].
    pub fn domain_quotas(&self, domid: DomainId) -> Result<XenstoreQuotas, Error> {
        self.ask(Task::on("ask for a domain's limits of xenstore", domid), |question| {
            let get = question.later(question.hosted.library().xs_quota_domain_get(), SINCE)?;
            // SAFETY: the ctx lives during `ask`, the struct during the call.
            question.filled(|_, ctx, quotas| unsafe { get(ctx, domid.get(), quotas) })
        })
    }

    /// Changes limits of a domain.
    ///
    /// # Errors
    /// [`Error::Libxl`], [`Error::NoSuchDomain`], [`Error::Unsupported`], [`Error::Config`] or [`Error::Closed`].
    pub fn set_domain_quotas(&self, domid: DomainId, quotas: &XenstoreQuotas) -> Result<(), Error> {
        self.ask(Task::on("set a domain's limits of xenstore", domid), |question| {
            let set = question.later(question.hosted.library().xs_quota_domain_set(), SINCE)?;
            let quotas = question.given(quotas)?;
            // SAFETY: the ctx lives during `ask`, the struct during the call.
            question.succeeded(unsafe { set(question.ctx, domid.get(), quotas.as_ptr()) })
        })
    }
}
