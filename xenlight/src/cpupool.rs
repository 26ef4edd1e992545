//! CPU pools: the processors of the host, shared out to groups of domains, each with a scheduler of its own.

use crate::ctx::Ctx;
use crate::error::{Error, numbered};
use crate::set::{Given, Written};
use crate::task::Task;
use std::collections::BTreeSet;
use std::ffi::CString;
use uuid::Uuid;
use xenlight_sys::Release;
use xenlight_sys::domain::Uuid as RawUuid;
use xenlight_types::{CpupoolInfo, DomainId, Scheduler};

/// # CPU pools
///
/// Pool 0 is there from the start, and has all CPUs. A CPU moves from one pool to another by way of
/// the [free](Self::free_cpus) ones.
impl Ctx {
    /// All CPU pools, with their CPUs, their scheduler, and how many domains each has.
    ///
    /// # Errors
    /// [`Error::Libxl`], [`Error::Closed`] or [`Error::Format`].
    pub fn cpupools(&self) -> Result<Vec<CpupoolInfo>, Error> {
        self.ask(Task::without("list the CPU pools"), |question| {
            // SAFETY: the ctx lives during `ask`; the count is written during the call.
            question.array(|library, ctx, count| unsafe { library.list_cpupool(ctx, count) })
        })
    }

    /// The CPUs that are in no pool.
    ///
    /// # Errors
    /// [`Error::Libxl`] or [`Error::Closed`].
    pub fn free_cpus(&self) -> Result<BTreeSet<u32>, Error> {
        self.ask(Task::without("ask for the free CPUs"), |question| {
            let library = question.hosted.library();
            let mut free = Written::new(library);
            // SAFETY: the ctx lives during `ask`; the set is empty, and written during the call.
            question.succeeded(unsafe { library.get_freecpus(question.ctx, free.as_mut_ptr()) })?;
            Ok(free.read())
        })
    }

    /// Creates a pool of free CPUs, and tells its number.
    ///
    /// # Errors
    /// [`Error::Libxl`] if a CPU is not free, or the hypervisor does not have this scheduler; [`Error::Io`],
    /// [`Error::Nul`], [`Error::Closed`].
    pub fn create_cpupool(&self, name: &str, scheduler: &Scheduler, cpus: &BTreeSet<u32>) -> Result<u32, Error> {
        let name = CString::new(name).map_err(|_| Error::Nul("the name of the CPU pool"))?;
        let scheduler = numbered("scheduler", scheduler.number(), scheduler)?;
        let uuid = crate::config::random_uuid().map_err(|reason| Error::Io { doing: "make up a uuid", reason })?;
        self.ask(Task::without("create a CPU pool"), |question| {
            const ANY: u32 = 0;
            let (cpus, mut uuid, mut pool) = (Given::new(cpus)?, RawUuid { uuid: *Uuid::as_bytes(&uuid) }, ANY);
            let library = question.hosted.library();
            // SAFETY: the ctx lives during `ask`, all others during the call, which only reads the set.
            let rc = unsafe {
                library.cpupool_create(question.ctx, name.as_ptr(), scheduler, cpus.copy(), &mut uuid, &mut pool)
            };
            question.succeeded(rc)?;
            Ok(pool)
        })
    }

    /// Destroys a pool that has no domain. Its CPUs are free then.
    ///
    /// # Errors
    /// [`Error::Libxl`] if it has a domain, or there is no such pool; [`Error::Closed`].
    pub fn destroy_cpupool(&self, pool: u32) -> Result<(), Error> {
        self.ask(Task::without("destroy a CPU pool"), |question| {
            // SAFETY: the ctx lives during `ask`.
            question.succeeded(unsafe { question.hosted.library().cpupool_destroy(question.ctx, pool) })
        })
    }

    /// Gives a pool another name.
    ///
    /// # Errors
    /// [`Error::Libxl`] if there is no such pool; [`Error::Nul`], [`Error::Closed`].
    pub fn rename_cpupool(&self, pool: u32, name: &str) -> Result<(), Error> {
        let name = CString::new(name).map_err(|_| Error::Nul("the name of the CPU pool"))?;
        self.ask(Task::without("rename a CPU pool"), |question| {
            let library = question.hosted.library();
            // SAFETY: the ctx lives during `ask`, the name during the call.
            question.succeeded(unsafe { library.cpupool_rename(question.ctx, name.as_ptr(), pool) })
        })
    }

    /// Adds free CPUs to a pool. Xen 4.6 and later.
    ///
    /// # Errors
    /// [`Error::Libxl`] if a CPU is not free, or there is no such pool; [`Error::Unsupported`], [`Error::Closed`].
    pub fn add_cpus(&self, pool: u32, cpus: &BTreeSet<u32>) -> Result<(), Error> {
        self.ask(Task::without("add CPUs to a pool"), |question| {
            let add = question.later(question.hosted.library().cpupool_cpuadd_cpumap(), Release::V4_6)?;
            // SAFETY: the ctx lives during `ask`, the set during the call.
            question.succeeded(unsafe { add(question.ctx, pool, Given::new(cpus)?.as_ptr()) })
        })
    }

    /// Removes CPUs from a pool. They are free then. Xen 4.6 and later.
    ///
    /// # Errors
    /// [`Error::Libxl`] if they are the last of a pool with domains, or not in it; [`Error::Unsupported`], [`Error::Closed`].
    pub fn remove_cpus(&self, pool: u32, cpus: &BTreeSet<u32>) -> Result<(), Error> {
        self.ask(Task::without("remove CPUs from a pool"), |question| {
            let remove = question.later(question.hosted.library().cpupool_cpuremove_cpumap(), Release::V4_6)?;
            // SAFETY: the ctx lives during `ask`, the set during the call.
            question.succeeded(unsafe { remove(question.ctx, pool, Given::new(cpus)?.as_ptr()) })
        })
    }

    /// Moves a domain to another pool.
    ///
    /// # Errors
    /// [`Error::Libxl`] if there is no such pool, or it has no CPU; [`Error::NoSuchDomain`], [`Error::Closed`].
    pub fn move_to_cpupool(&self, domid: DomainId, pool: u32) -> Result<(), Error> {
        self.ask(Task::on("move a domain to a CPU pool", domid), |question| {
            let library = question.hosted.library();
            // SAFETY: the ctx lives during `ask`.
            question.succeeded(unsafe { library.cpupool_movedomain(question.ctx, pool, domid.get()) })
        })
    }
}
