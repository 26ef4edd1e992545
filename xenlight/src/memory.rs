//! The memory of domains.

use crate::config;
use crate::ctx::Ctx;
use crate::error::{Error, fits};
use crate::inventory;
use crate::operation::{self, Operation};
use crate::question::Question;
use crate::task::Task;
use core::ffi::c_int;
use std::time::Duration;
use xenlight_sys::Release;
use xenlight_sys::by_release::{FreeMemory, MemoryTarget, NeedMemory, SetMaximumMemory, SetMemoryTarget};
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
        self.ask(Task::on("ask for a domain's memory target", domid), |question| target_kib(question, domid))
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
            let release = question.hosted.library().release();
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
            // 4.6 and earlier return 1 when they succeed, and when they fail: then the target is what it was.
            if release < Release::V4_7 && rc == 1 && target_kib(question, domid)?.abs_diff(target) <= MOST_VIDEO_KIB {
                return Ok(());
            }
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
            let release = question.hosted.library().release();
            let build_info = || question.given(&config::harmless(&config.build_info, release)?);
            let mut kib = Kib::default();
            let rc = match question.hosted.library().domain_need_memory() {
                NeedMemory::Bits32(ask) => {
                    let build_info = build_info()?;
                    // SAFETY: the ctx lives during `ask`, the struct and the number during the call.
                    unsafe { ask(question.ctx, build_info.as_ptr(), &mut kib.short) }
                }
                NeedMemory::Bits64(ask) => {
                    let build_info = build_info()?;
                    // SAFETY: likewise.
                    unsafe { ask(question.ctx, build_info.as_ptr(), &mut kib.long) }
                }
                NeedMemory::Configuration(ask) => {
                    const NO_DOMAIN: u32 = u32::MAX;
                    // SAFETY: the ctx lives during `ask`.
                    let config = unsafe { config::to_libxl(question.hosted, question.ctx, config) }?;
                    // SAFETY: likewise.
                    unsafe { ask(question.ctx, config.as_ptr(), NO_DOMAIN, &mut kib.long) }
                }
            };
            question.succeeded(rc)?;
            Ok(kib.written())
        })
    }

    /// The hypervisor's free memory in KiB.
    ///
    /// # Errors
    /// [`Error::Libxl`] or [`Error::Closed`].
    pub fn free_memory_kib(&self) -> Result<u64, Error> {
        self.ask(Task::without("ask for the free memory"), free_kib)
    }

    /// Waits until a domain has no more memory than its [target](Self::set_memory_target_kib), at most so many seconds. It looks
    /// twice in a second, on a thread of its own: nothing else waits.
    ///
    /// # Errors
    /// [`Error::TimedOut`] if the domain does not get there in time; [`Error::Io`] without a thread, and those of [all
    /// operations](Self#a-domains-life).
    pub fn wait_for_memory_target(&self, domid: DomainId, seconds: u32) -> Operation<()> {
        let task = Task::on("wait for a domain's memory target", domid);
        self.wait(task, seconds, move |question| {
            // SAFETY: the ctx lives while the question does.
            let info = unsafe { inventory::info(question.hosted, question.ctx, domid) }?;
            let info = info.map_err(|rc| question.error(rc))?;
            Ok(info.current_memory_kib + info.outstanding_memory_kib <= target_kib(question, domid)?)
        })
    }

    /// Waits until the hypervisor has so much free memory, at most so many seconds. As
    /// [`wait_for_memory_target`](Self::wait_for_memory_target).
    ///
    /// # Errors
    /// Those of [`wait_for_memory_target`](Self::wait_for_memory_target).
    pub fn wait_for_free_memory(&self, kib: u64, seconds: u32) -> Operation<()> {
        let task = Task::without("wait for free memory");
        self.wait(task, seconds, move |question| Ok(free_kib(question)? >= kib))
    }

    fn wait(
        &self,
        task: Task,
        seconds: u32,
        is_so: impl FnMut(&Question<'_>) -> Result<bool, Error> + Send + 'static,
    ) -> Operation<()> {
        let limit = Duration::from_secs(seconds.into());
        Operation::begun(|| operation::wait(&self.registry, task, limit, is_so))
    }
}

/// libxl up to 4.5 takes the video memory off a target; no device model has more.
const MOST_VIDEO_KIB: u64 = 256 << 10;

/// What a function writes that has 32 bits for it in early releases, and 64 in later ones.
#[derive(Default)]
struct Kib {
    short: u32,
    long: u64,
}

impl Kib {
    fn written(self) -> u64 {
        self.long.max(self.short.into())
    }
}

fn target_kib(question: &Question<'_>, domid: DomainId) -> Result<u64, Error> {
    let mut kib = Kib::default();
    let rc = match question.hosted.library().get_memory_target() {
        // SAFETY: the ctx lives while the question does; the number is written during the call.
        MemoryTarget::Bits32(get) => unsafe { get(question.ctx, domid.get(), &mut kib.short) },
        // SAFETY: likewise.
        MemoryTarget::Bits64(get) => unsafe { get(question.ctx, domid.get(), &mut kib.long) },
    };
    question.succeeded(rc)?;
    Ok(kib.written())
}

fn free_kib(question: &Question<'_>) -> Result<u64, Error> {
    let mut kib = Kib::default();
    let rc = match question.hosted.library().get_free_memory() {
        // SAFETY: the ctx lives while the question does; the number is written during the call.
        FreeMemory::Bits32(get) => unsafe { get(question.ctx, &mut kib.short) },
        // SAFETY: likewise.
        FreeMemory::Bits64(get) => unsafe { get(question.ctx, &mut kib.long) },
    };
    question.check(rc)?;
    Ok(kib.written())
}
