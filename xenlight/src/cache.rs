//! What domains get, and use, of the caches and the memory bandwidth that processors share.

use crate::ctx::Ctx;
use crate::error::{Error, numbered};
use crate::question::Question;
use crate::set::Given;
use crate::structs::take_array;
use crate::task::Task;
use core::ffi::{c_int, c_uint};
use core::ptr;
use std::collections::BTreeSet;
use xenlight_sys::Release;
use xenlight_types::{CatInfo, CbmKind, CmtKind, DomainId, PsrInfo};

/// The only architecture that has this.
const X86: &str = "x86_64";

/// # Caches and memory bandwidth
///
/// For processors that can measure or share out what their cores share. Others answer with [`Error::Libxl`], and Arm's with
/// [`Error::OtherArchitecture`]. Sockets count from 0.
impl Ctx {
    /// Begins to measure what a domain uses. Xen 4.5 and later.
    ///
    /// # Errors
    /// [`Error::Libxl`] if the processor cannot, or measures as many domains as it can already; [`Error::NoSuchDomain`],
    /// [`Error::Unsupported`], [`Error::Closed`].
    pub fn monitor_cache(&self, domid: DomainId) -> Result<(), Error> {
        self.ask(Task::on("measure what a domain uses of the caches", domid), |question| {
            let attach = question.later_on(X86, question.hosted.library().psr_cmt_attach(), Release::V4_5)?;
            // SAFETY: the ctx lives during `ask`.
            question.succeeded(unsafe { attach(question.ctx, domid.get()) })
        })
    }

    /// Ends measuring what a domain uses. Xen 4.5 and later.
    ///
    /// # Errors
    /// Those of [`monitor_cache`](Self::monitor_cache).
    pub fn stop_monitoring_cache(&self, domid: DomainId) -> Result<(), Error> {
        self.ask(Task::on("end measuring what a domain uses of the caches", domid), |question| {
            let detach = question.later_on(X86, question.hosted.library().psr_cmt_detach(), Release::V4_5)?;
            // SAFETY: the ctx lives during `ask`.
            question.succeeded(unsafe { detach(question.ctx, domid.get()) })
        })
    }

    /// Whether a domain is measured. False also where that cannot be told. Xen 4.5 and later.
    ///
    /// # Errors
    /// [`Error::NoSuchDomain`], [`Error::Unsupported`], [`Error::Closed`].
    pub fn is_cache_monitored(&self, domid: DomainId) -> Result<bool, Error> {
        self.ask(Task::on("ask whether a domain's use of the caches is measured", domid), |question| {
            let attached =
                question.later_on(X86, question.hosted.library().psr_cmt_domain_attached(), Release::V4_5)?;
            // SAFETY: the ctx lives during `ask`.
            Ok(unsafe { attached(question.ctx, domid.get()) } > 0)
        })
    }

    /// How many domains can be measured at a time. Xen 4.5 and later.
    ///
    /// # Errors
    /// [`Error::Libxl`] if the processors cannot measure; [`Error::Unsupported`], [`Error::Closed`].
    pub fn cache_monitors(&self) -> Result<u32, Error> {
        self.ask(Task::without("ask how many domains can be measured"), |question| {
            let get = question.later_on(X86, question.hosted.library().psr_cmt_get_total_rmid(), Release::V4_5)?;
            let mut count = 0;
            // SAFETY: the ctx lives during `ask`; the number is written during the call.
            question.succeeded(unsafe { get(question.ctx, &mut count) })?;
            Ok(count)
        })
    }

    /// The size of the L3 cache of a socket. Xen 4.5 and later.
    ///
    /// # Errors
    /// [`Error::Libxl`] if there is no such socket, or its size cannot be told; [`Error::Unsupported`], [`Error::Closed`].
    pub fn l3_cache_kib(&self, socket: u32) -> Result<u32, Error> {
        self.ask(Task::without("ask for the size of a cache"), |question| {
            let get = question.later_on(X86, question.hosted.library().psr_cmt_get_l3_cache_size(), Release::V4_5)?;
            let mut kib = 0;
            // SAFETY: the ctx lives during `ask`; the number is written during the call.
            question.succeeded(unsafe { get(question.ctx, socket, &mut kib) })?;
            Ok(kib)
        })
    }

    /// What was measured for a domain on a socket, in bytes: what it occupies of the L3 cache, or what it has transferred. Xen 4.6 and
    /// later.
    ///
    /// # Errors
    /// [`Error::Libxl`] if it is not measured; [`Error::NoSuchDomain`], [`Error::Unsupported`], [`Error::Closed`].
    pub fn cache_sample(&self, domid: DomainId, kind: &CmtKind, socket: u32) -> Result<u64, Error> {
        let kind = numbered("kind", kind.number(), kind)?;
        self.ask(Task::on("read what a domain uses of the caches", domid), |question| {
            let get = question.later_on(X86, question.hosted.library().psr_cmt_get_sample(), Release::V4_6)?;
            let mut sample = 0;
            // SAFETY: the ctx lives during `ask`; the number is written during the call, NULL is not.
            let rc = unsafe { get(question.ctx, domid.get(), kind, socket.into(), &mut sample, ptr::null_mut()) };
            question.succeeded(rc)?;
            Ok(sample)
        })
    }

    /// What each socket can share out of its cache of a level, 2 or 3. Xen 4.10 and later.
    ///
    /// # Errors
    /// [`Error::Config`] for another level, for which libxl would end the process; [`Error::Libxl`] if the processors cannot;
    /// [`Error::Unsupported`], [`Error::Closed`], [`Error::Format`].
    pub fn cache_sharing(&self, level: u32) -> Result<Vec<CatInfo>, Error> {
        if !(2..=3).contains(&level) {
            return Err(Error::config("level", &format!("there is no cache of level {level} to share out: 2 or 3")));
        }
        self.ask(Task::without("ask what processors can share out"), |question| {
            let get = question.later_on(X86, question.hosted.library().psr_cat_get_info(), Release::new(4, 10))?;
            let (mut count, mut list) = (0, ptr::null_mut());
            // SAFETY: the ctx lives during `ask`; count and address are written during the call.
            question.succeeded(unsafe { get(question.ctx, &mut list, &mut count, level) })?;
            // SAFETY: the ctx lives during `ask`; libxl returned the array with its length, ours to free.
            unsafe { take_array(question.hosted, question.ctx, list, c_int::try_from(count).unwrap_or(0)) }
        })
    }

    /// How each socket can slow the access to memory for domains. Xen 4.11 and later.
    ///
    /// # Errors
    /// [`Error::Libxl`] if the processors cannot; [`Error::Unsupported`], [`Error::Closed`], [`Error::Format`].
    pub fn bandwidth_sharing(&self) -> Result<Vec<PsrInfo>, Error> {
        const MBA: c_uint = 2;
        const NO_CACHE: c_uint = 0;
        self.ask(Task::without("ask how access to memory can be slowed"), |question| {
            let get = question.later_on(X86, question.hosted.library().psr_get_hw_info(), Release::new(4, 11))?;
            let (mut count, mut list) = (0, ptr::null_mut());
            // SAFETY: the ctx lives during `ask`; count and address are written during the call.
            question.succeeded(unsafe { get(question.ctx, MBA, NO_CACHE, &mut count, &mut list) })?;
            for at in 0..count as usize {
                // libxl has filled in this variant, and does not say so.
                // SAFETY: within the array, which is ours.
                unsafe { (*list.add(at)).kind = MBA };
            }
            // SAFETY: the ctx lives during `ask`; libxl returned the array with its length, ours to free.
            unsafe { take_array(question.hosted, question.ctx, list, c_int::try_from(count).unwrap_or(0)) }
        })
    }

    /// What a domain gets on a socket: a mask of a cache's parts, or the throttling of the bandwidth in percent. Xen 4.11 and later.
    ///
    /// # Errors
    /// [`Error::Libxl`] if the processors cannot; [`Error::NoSuchDomain`], [`Error::Unsupported`], [`Error::Closed`].
    pub fn cache_share(&self, domid: DomainId, kind: &CbmKind, socket: u32) -> Result<u64, Error> {
        let kind = numbered("kind", kind.number(), kind)?;
        self.ask(Task::on("ask what a domain gets of a cache", domid), |question| {
            let get = question.later_on(X86, question.hosted.library().psr_get_val(), Release::new(4, 11))?;
            let mut value = 0;
            // SAFETY: the ctx lives during `ask`; the number is written during the call.
            question.succeeded(unsafe { get(question.ctx, domid.get(), kind, socket, &mut value) })?;
            Ok(value)
        })
    }

    /// Sets what a domain gets on these sockets, as [`cache_share`](Self::cache_share) tells it. libxl passes over sockets that there are
    /// not. Xen 4.11 and later.
    ///
    /// # Errors
    /// [`Error::Libxl`] if the processors cannot, or the value is none of theirs; [`Error::NoSuchDomain`],
    /// [`Error::Unsupported`], [`Error::Closed`].
    pub fn set_cache_share(
        &self,
        domid: DomainId,
        kind: &CbmKind,
        sockets: &BTreeSet<u32>,
        value: u64,
    ) -> Result<(), Error> {
        let kind = numbered("kind", kind.number(), kind)?;
        self.ask(Task::on("set what a domain gets of a cache", domid), |question: &Question<'_>| {
            let set = question.later_on(X86, question.hosted.library().psr_set_val(), Release::new(4, 11))?;
            let sockets = Given::new(sockets)?;
            // SAFETY: the ctx lives during `ask`, the set during the call.
            question.succeeded(unsafe { set(question.ctx, domid.get(), kind, sockets.as_ptr(), value) })
        })
    }
}
