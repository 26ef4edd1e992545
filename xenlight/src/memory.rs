//! The memory of domains.

use crate::config;
use crate::ctx::Ctx;
use crate::error::{Error, fits};
use crate::operation::{self, Operation};
use crate::task::Task;
use core::ffi::c_int;
use xenlight_sys::by_release::{MemoryTarget, NeedMemory, SetMaximumMemory, SetMemoryTarget, WaitForFreeMemory};
use xenlight_types::{DomainConfig, DomainId};

/// # Memory
///
/// All numbers are in KiB. A domain has a target, to which its kernel's balloon driver grows or shrinks it, and a limit, which the hypervisor
/// enforces.
impl Ctx {
    /// The memory that a domain should have.
    ///
    /// # Errors
    /// [`Error::Libxl`], [`Error::NoSuchDomain`] or [`Error::Closed`].
    pub fn memory_target_kib(&self, domid: DomainId) -> Result<u64, Error> {
        self.ask(Task::on("ask for a domain's memory target", domid), |question| {
            let (mut short, mut long) = (0, 0);
            let rc = match question.hosted.library().get_memory_target() {
                // SAFETY: the ctx lives during `ask`; the number is written during the call.
                MemoryTarget::Bits32(get) => unsafe { get(question.ctx, domid.get(), &mut short) },
                // SAFETY: likewise.
                MemoryTarget::Bits64(get) => unsafe { get(question.ctx, domid.get(), &mut long) },
            };
            question.succeeded(rc)?;
            Ok(long.max(u64::from(short)))
        })
    }

    /// Sets the memory that a domain should have, which its balloon driver then gives back or takes; that takes time, and a domain without such a
    /// driver does nothing. `enforce` has the hypervisor give the domain no more than that: use it unless the limit is set apart.
    ///
    /// Domain 0 can be shrunk, too: that is how memory becomes free for domains.
    ///
    /// # Errors
    /// [`Error::Libxl`] if it is less than the domain's minimum or more than its limit; [`Error::OutOfRange`],
    /// [`Error::NoSuchDomain`], [`Error::Closed`].
    pub fn set_memory_target_kib(&self, domid: DomainId, target: u64, enforce: bool) -> Result<(), Error> {
        const RELATIVE: c_int = 0;
        self.ask(Task::on("set a domain's memory target", domid), |question| {
            let enforce = c_int::from(enforce);
            let rc = match question.hosted.library().set_memory_target() {
                SetMemoryTarget::Bits32(set) => {
                    let target = fits("memory target in KiB", target)?;
                    // SAFETY: the ctx lives during `ask`.
                    unsafe { set(question.ctx, domid.get(), target, RELATIVE, enforce) }
                }
                SetMemoryTarget::Bits64(set) => {
                    let target = fits("memory target in KiB", target)?;
                    // SAFETY: the ctx lives during `ask`.
                    unsafe { set(question.ctx, domid.get(), target, RELATIVE, enforce) }
                }
            };
            question.succeeded(rc)
        })
    }

    /// Sets the memory that a domain may have at most. It must not be less than its target.
    ///
    /// # Errors
    /// [`Error::Libxl`], [`Error::OutOfRange`], [`Error::NoSuchDomain`] or [`Error::Closed`].
    pub fn set_max_memory_kib(&self, domid: DomainId, limit: u64) -> Result<(), Error> {
        self.ask(Task::on("set a domain's memory limit", domid), |question| {
            let rc = match question.hosted.library().domain_setmaxmem() {
                SetMaximumMemory::Bits32(set) => {
                    let limit = fits("memory limit in KiB", limit)?;
                    // SAFETY: the ctx lives during `ask`.
                    unsafe { set(question.ctx, domid.get(), limit) }
                }
                // SAFETY: likewise.
                SetMaximumMemory::Bits64(set) => unsafe { set(question.ctx, domid.get(), limit) },
            };
            question.succeeded(rc)
        })
    }

    /// The free memory that the creation of such a domain needs, with what libxl adds for page tables and devices. Compare it with
    /// [`free_memory_kib`](Self::free_memory_kib).
    ///
    /// # Errors
    /// [`Error::Libxl`], [`Error::Config`], [`Error::ConfigNeeds`], [`Error::Unsupported`] or [`Error::Closed`].
    pub fn needed_memory_kib(&self, config: &DomainConfig) -> Result<u64, Error> {
        self.ask(Task::without("ask how much memory a domain needs"), |question| {
            let (mut short, mut long) = (0, 0);
            let rc = match question.hosted.library().domain_need_memory() {
                NeedMemory::Bits32(ask) => {
                    let build_info = question.given(&config.build_info)?;
                    // SAFETY: the ctx lives during `ask`, the struct and the number during the call.
                    unsafe { ask(question.ctx, build_info.as_ptr(), &mut short) }
                }
                NeedMemory::Bits64(ask) => {
                    let build_info = question.given(&config.build_info)?;
                    // SAFETY: likewise.
                    unsafe { ask(question.ctx, build_info.as_ptr(), &mut long) }
                }
                NeedMemory::Configuration(ask) => {
                    const NO_DOMAIN: u32 = u32::MAX;
                    // SAFETY: the ctx lives during `ask`.
                    let config = unsafe { config::to_libxl(question.hosted, question.ctx, config) }?;
                    // SAFETY: likewise.
                    unsafe { ask(question.ctx, config.as_ptr(), NO_DOMAIN, &mut long) }
                }
            };
            question.succeeded(rc)?;
            Ok(long.max(u64::from(short)))
        })
    }

    /// Waits until a domain has reached its [memory target](Self::set_memory_target_kib), at most so many seconds without
    /// progress.
    ///
    /// libxl looks once in a second. It does so on a thread of its own, so nothing else waits. This cannot be aborted, and a ctx that
    /// is closed meanwhile waits for the end.
    ///
    /// # Errors
    /// [`Error::Libxl`] if the domain does not get there in time; [`Error::OutOfRange`], [`Error::Io`], and those of [all
    /// operations](Self#a-domains-life).
    pub fn wait_for_memory_target(&self, domid: DomainId, seconds: u32) -> Operation<()> {
        Operation::begun(|| {
            let seconds: c_int = fits("number of seconds", seconds.into())?;
            let task = Task::on("wait for a domain's memory target", domid);
            operation::run_apart(&self.registry, task, move |question| {
                let library = question.hosted.library();
                // SAFETY: the ctx lives during the call.
                question.succeeded(unsafe { library.wait_for_memory_target(question.ctx, domid.get(), seconds) })
            })
        })
    }

    /// Waits until the hypervisor has so much free memory, at most so many seconds. As
    /// [`wait_for_memory_target`](Self::wait_for_memory_target).
    ///
    /// # Errors
    /// [`Error::Libxl`] with `ERROR_NOMEM` if it is not free in time; those of
    /// [`wait_for_memory_target`](Self::wait_for_memory_target).
    pub fn wait_for_free_memory(&self, kib: u64, seconds: u32) -> Operation<()> {
        Operation::begun(|| {
            // libxl does not use it.
            const NO_DOMAIN: u32 = 0;
            let seconds: c_int = fits("number of seconds", seconds.into())?;
            let task = Task::without("wait for free memory");
            match self.library().sys().wait_for_free_memory() {
                WaitForFreeMemory::Bits32(wait) => {
                    let kib = fits("memory in KiB", kib)?;
                    operation::run_apart(&self.registry, task, move |question| {
                        // SAFETY: the ctx lives during the call.
                        question.succeeded(unsafe { wait(question.ctx, NO_DOMAIN, kib, seconds) })
                    })
                }
                WaitForFreeMemory::Bits64(wait) => operation::run_apart(&self.registry, task, move |question| {
                    // SAFETY: likewise.
                    question.succeeded(unsafe { wait(question.ctx, NO_DOMAIN, kib, seconds) })
                }),
            }
        })
    }
}
