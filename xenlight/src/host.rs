//! The host: its processors, its memory, its hypervisor.

use crate::ctx::Ctx;
use crate::error::Error;
use crate::hosted::Hosted;
use crate::json::object;
use crate::lock;
use crate::structs::typed;
use crate::task::Task;
use core::ffi::c_char;
use std::ffi::CString;
use std::ptr;
use xenlight_sys::{Release, codes};
use xenlight_types::{CpuTopology, NumaInfo, PciTopology, PhysInfo, Scheduler, VersionInfo};

/// # The host
///
/// Answered at once, as [queries](#queries).
impl Ctx {
    /// The processors and the memory of the host, and what its hypervisor is capable of.
    ///
    /// # Errors
    /// [`Error::Libxl`], [`Error::Closed`] or [`Error::Format`].
    ///
    /// ```no_run
    /// # fn example(ctx: xenlight::Ctx) -> Result<(), xenlight::Error> {
    /// let host = ctx.phys_info()?;
    /// println!("{} CPUs, {} MiB free", host.nr_cpus, host.free_pages * 4 / 1024);
    /// # Ok(()) }
    /// ```
    pub fn phys_info(&self) -> Result<PhysInfo, Error> {
        self.ask(Task::without("ask for the host's resources"), |question| {
            // SAFETY: the ctx lives during `ask`, the struct during the call.
            question.filled(|library, ctx, info| unsafe { library.get_physinfo(ctx, info) })
        })
    }

    /// Everything that the hypervisor tells about its version and build; [`xen_version`](Self::xen_version) has its number.
    ///
    /// # Errors
    /// [`Error::Libxl`], [`Error::Closed`] or [`Error::Format`].
    pub fn version_info(&self) -> Result<VersionInfo, Error> {
        self.ask(Task::without("ask for Xen's version"), |question| {
            // libxl fills in the ctx's own struct, without its lock.
            let _alone = lock(&question.hosted.version);
            // SAFETY: the ctx lives during `ask`; what is returned belongs to it.
            let info = unsafe { question.hosted.library().get_version_info(question.ctx) };
            if info.is_null() {
                return Err(question.error(codes::ERROR_FAIL));
            }
            // SAFETY: not null, so it is the ctx's; this does not write to it.
            let json = unsafe { question.hosted.library().version_info_to_json(question.ctx, info.cast_mut()) };
            // SAFETY: the string is ours to free.
            typed(object("version_info", unsafe { Hosted::take_string(json) })?)
        })
    }

    /// The memory of each NUMA node, and its distances to the others.
    ///
    /// # Errors
    /// [`Error::Libxl`], [`Error::Closed`] or [`Error::Format`].
    pub fn numa_nodes(&self) -> Result<Vec<NumaInfo>, Error> {
        self.ask(Task::without("ask for the NUMA nodes"), |question| {
            // SAFETY: the ctx lives during `ask`; the count is written during the call.
            question.array(|library, ctx, count| unsafe { library.get_numainfo(ctx, count) })
        })
    }

    /// The core, the socket and the NUMA node of each CPU.
    ///
    /// # Errors
    /// [`Error::Libxl`], [`Error::Closed`] or [`Error::Format`].
    pub fn cpu_topology(&self) -> Result<Vec<CpuTopology>, Error> {
        self.ask(Task::without("ask for the topology of the CPUs"), |question| {
            // SAFETY: the ctx lives during `ask`; the count is written during the call.
            question.array(|library, ctx, count| unsafe { library.get_cpu_topology(ctx, count) })
        })
    }

    /// The NUMA node of each PCI device. Xen 4.6 and later.
    ///
    /// # Errors
    /// [`Error::Libxl`], [`Error::Unsupported`], [`Error::Closed`] or [`Error::Format`].
    pub fn pci_topology(&self) -> Result<Vec<PciTopology>, Error> {
        self.ask(Task::without("ask for the topology of the PCI devices"), |question| {
            let list = question.later(question.hosted.library().get_pci_topology(), Release::V4_6)?;
            // SAFETY: the ctx lives during `ask`; the count is written during the call.
            question.array(|_, ctx, count| unsafe { list(ctx, count) })
        })
    }

    /// How many CPUs are online. Xen 4.4 and later.
    ///
    /// # Errors
    /// [`Error::Libxl`], [`Error::Unsupported`] or [`Error::Closed`].
    pub fn online_cpus(&self) -> Result<u32, Error> {
        self.ask(Task::without("ask for the number of CPUs"), |question| {
            let count = question.later(question.hosted.library().get_online_cpus(), Release::V4_4)?;
            // SAFETY: the ctx lives during `ask`.
            question.number(unsafe { count(question.ctx) })
        })
    }

    /// The scheduler of the first CPU pool.
    ///
    /// # Errors
    /// [`Error::Libxl`] or [`Error::Closed`].
    pub fn scheduler(&self) -> Result<Scheduler, Error> {
        self.ask(Task::without("ask for the scheduler"), |question| {
            // SAFETY: the ctx lives during `ask`.
            let number = question.number(unsafe { question.hosted.library().get_scheduler(question.ctx) })?;
            let known = Scheduler::ALL.iter().find(|known| known.number() == i32::try_from(number).ok());
            Ok(known.cloned().unwrap_or_else(|| Scheduler::Other(number.to_string())))
        })
    }

    /// Changes parameters of the hypervisor while it runs, in the form of its command line. Xen 4.10 and later.
    ///
    /// # Errors
    /// [`Error::Libxl`] if there is no such parameter, or it cannot be changed; [`Error::Nul`], [`Error::Unsupported`],
    /// [`Error::Closed`].
    pub fn set_xen_parameters(&self, parameters: &str) -> Result<(), Error> {
        let parameters = CString::new(parameters).map_err(|_| Error::Nul("the parameters"))?;
        self.ask(Task::without("set Xen's parameters"), |question| {
            let set = question.later(question.hosted.library().set_parameters(), Release::new(4, 10))?;
            // SAFETY: the ctx lives during `ask`; the text is read during the call.
            question.succeeded(unsafe { set(question.ctx, parameters.as_ptr().cast_mut()) })
        })
    }

    /// Presses debug keys: the hypervisor writes what they stand for to its [log](Self::xen_log). `h` lists them.
    ///
    /// # Errors
    /// [`Error::Libxl`], [`Error::Nul`] or [`Error::Closed`].
    pub fn send_debug_keys(&self, keys: &str) -> Result<(), Error> {
        let keys = CString::new(keys).map_err(|_| Error::Nul("the keys"))?;
        self.ask(Task::without("send debug keys"), |question| {
            // SAFETY: the ctx lives during `ask`; the text is read during the call.
            let rc = unsafe { question.hosted.library().send_debug_keys(question.ctx, keys.as_ptr().cast_mut()) };
            question.succeeded(rc)
        })
    }

    /// The log of the hypervisor, as far as it is still there (16 KiB, unless the host was booted with another size).
    /// `clear` empties it.
    ///
    /// # Errors
    /// [`Error::Libxl`] or [`Error::Closed`].
    pub fn xen_log(&self, clear: bool) -> Result<String, Error> {
        /// The size of the reader's buffer.
        const CHUNK: usize = 16 << 10;
        self.ask(Task::without("read Xen's log"), |question| {
            let library = question.hosted.library();
            // SAFETY: the ctx lives during `ask`.
            let reader = unsafe { library.xen_console_read_start(question.ctx, i32::from(clear)) };
            if reader.is_null() {
                return Err(question.error(codes::ERROR_FAIL));
            }
            let mut log = Vec::new();
            let rc = loop {
                let mut part: *mut c_char = ptr::null_mut();
                // SAFETY: ctx and reader are alive; the address is written during the call.
                match unsafe { library.xen_console_read_line(question.ctx, reader, &mut part) } {
                    1 if !part.is_null() => {
                        // SAFETY: the reader's buffer, until its next call. A full one has no NUL behind it up to 4.19.0.
                        let length = unsafe { libc::strnlen(part, CHUNK) };
                        // SAFETY: so many bytes of it are text.
                        log.extend(unsafe { core::slice::from_raw_parts(part.cast::<u8>(), length) });
                    }
                    rc => break rc,
                }
            };
            // SAFETY: from `xen_console_read_start`, and not used after.
            unsafe { library.xen_console_read_finish(question.ctx, reader) };
            question.check(rc)?;
            Ok(String::from_utf8_lossy(&log).into_owned())
        })
    }

    /// What the hypervisor writes to its log, as it grows.
    pub fn follow_xen_log(&self) -> XenLog {
        XenLog { seen: String::new() }
    }
}

/// The log of the hypervisor as it grows. Xen tells nobody when there is more: ask from time to time.
#[derive(Clone, Debug, Default)]
pub struct XenLog {
    seen: String,
}

impl XenLog {
    /// What has been written since the last call; at first, all that is there. Everything again where the log was cleared, or
    /// so much was written that the end of what was read before is lost.
    ///
    /// # Errors
    /// Those of [`Ctx::xen_log`].
    pub fn read(&mut self, ctx: &Ctx) -> Result<String, Error> {
        let log = ctx.xen_log(false)?;
        let new = after(&self.seen, &log).to_owned();
        self.seen = log;
        Ok(new)
    }
}

/// What `log` has after the end of `seen`, of which the beginning may have been dropped meanwhile.
fn after<'a>(seen: &str, log: &'a str) -> &'a str {
    // Lines can be repeated: so much has to be the same that it is the same place.
    const ENOUGH: usize = 512;
    if let Some(new) = log.strip_prefix(seen) {
        return new;
    }
    let from = seen.len().saturating_sub(ENOUGH);
    let from = (from..seen.len()).find(|at| seen.is_char_boundary(*at)).unwrap_or(seen.len());
    let tail = &seen[from..];
    if tail.is_empty() {
        return log;
    }
    log.rfind(tail).map_or(log, |at| &log[at + tail.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_grows_is_told_once() {
        assert_eq!(after("", "a\n"), "a\n");
        assert_eq!(after("a\n", "a\nb\n"), "b\n");
        assert_eq!(after("a\n", "a\n"), "");
        // The beginning was dropped.
        let seen = "x".repeat(100) + &"y".repeat(1000) + "\n";
        let log = "y".repeat(900) + "\nz\n";
        assert_eq!(after(&seen, &log), "z\n");
        // Cleared, or too much.
        assert_eq!(after("old\n", "new\n"), "new\n");
    }
}
