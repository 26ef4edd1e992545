//! What is done with a domain besides its life: names, dumps, rests, and what programs note about it.

use crate::config;
#[cfg(doc)]
use crate::contract::*;
use crate::ctx::Ctx;
use crate::error::{Error, fits};
use crate::hosted::Hosted;
use crate::operation::{self, Action, Operation};
use crate::question;
use crate::structs::Typed;
use crate::task::Task;
use crate::userdata;
use core::ffi::c_int;
use core::ptr;
use osevent_core::Registry;
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};
use uuid::Uuid;
use xenlight_sys::domain::{AsyncopHow, Uuid as RawUuid};
use xenlight_sys::{Ctx as RawCtx, Library, Release, codes};
use xenlight_types::{CreateInfo, DomainId, RemusInfo};

/// # Upkeep of a domain
impl Ctx {
    /// Gives a domain another name, which no other domain may have.
    ///
    /// # Errors
    /// [`Error::Libxl`] if the name is taken; [`Error::Config`] if it is not one that files can be named after;
    /// [`Error::NoSuchDomain`], [`Error::Nul`], [`Error::Closed`].
    pub fn rename(&self, domid: DomainId, name: &str) -> Result<(), Error> {
        rename(&self.registry, Task::on("rename a domain", domid), domid, None, name)
    }

    /// Makes room for the successor of a domain that has shut down, and keeps that domain: its name becomes
    /// `info`'s with this suffix, and xenstore has it under a new uuid, which is returned. The hypervisor still has the old uuid, and so
    /// has [`info`](Self::info).
    ///
    /// # Errors
    /// [`Error::Libxl`], [`Error::Config`], [`Error::NoSuchDomain`], [`Error::Nul`], [`Error::Io`] or [`Error::Closed`].
    pub fn preserve(&self, domid: DomainId, info: &CreateInfo, suffix: &str) -> Result<Uuid, Error> {
        // libxl would call it "(null)", and leave a transaction open where it cannot have the name.
        let Some(name) = &info.name else { return Err(Error::config("name", "it is missing: the domain's name")) };
        xenlight_types::check_name(&format!("{name}{suffix}"))?;
        let uuid = config::random_uuid().map_err(|reason| Error::Io { doing: "make up a uuid", reason })?;
        let suffix = CString::new(suffix).map_err(|_| Error::Nul("the suffix of the name"))?;
        self.ask(Task::on("preserve a domain", domid), |question| {
            let info = question.given(info)?;
            let raw = RawUuid { uuid: *uuid.as_bytes() };
            let library = question.hosted.library();
            // SAFETY: the ctx lives during `ask`, struct and suffix during the call.
            let rc = unsafe { library.domain_preserve(question.ctx, domid.get(), info.as_ptr(), suffix.as_ptr(), raw) };
            question.succeeded(rc)?;
            Ok(uuid)
        })
    }

    /// When a domain was created, as this host's clock had it.
    ///
    /// # Errors
    /// [`Error::Libxl`] if xenstore does not have it; [`Error::NoSuchDomain`], [`Error::Closed`].
    pub fn start_time(&self, domid: DomainId) -> Result<SystemTime, Error> {
        self.ask(Task::on("ask when a domain was created", domid), |question| {
            // SAFETY: the ctx lives during `ask`.
            match unsafe { question.hosted.library().vm_get_start_time(question.ctx, domid.get()) } {
                u32::MAX => Err(question.error(codes::ERROR_FAIL)),
                seconds => Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.into())),
            }
        })
    }

    /// The domain in which the device model of this one runs, if it has one of its own.
    ///
    /// # Errors
    /// [`Error::OutOfRange`], [`Error::NoSuchDomain`] or [`Error::Closed`].
    pub fn stub_domain(&self, domid: DomainId) -> Result<Option<DomainId>, Error> {
        let number: c_int = fits("number of the domain", domid.get().into())?;
        self.ask(Task::on("ask for a stub domain", domid), |question| {
            // SAFETY: the ctx lives during `ask`.
            let stub = unsafe { question.hosted.library().get_stubdom_id(question.ctx, number) };
            Ok(u32::try_from(stub).ok().filter(|stub| *stub != 0).map(DomainId::new))
        })
    }

    /// Writes the memory of a domain to a file of the host, as for a debugger. The domain should be paused.
    ///
    /// libxl does this with its lock held, which can take minutes ([O12]): give the ctx [a thread of its
    /// own](crate::Builder::own_thread). A dump that fails leaves an incomplete file.
    ///
    /// # Errors
    /// [`Error::Libxl`] with libxl's log lines, such as for a full disk; [`Error::Nul`], and those of [all
    /// operations](Self#a-domains-life).
    pub fn dump_core(&self, domid: DomainId, file: impl AsRef<Path>) -> Operation<()> {
        let file = CString::new(file.as_ref().as_os_str().as_bytes());
        Operation::begun(|| {
            let file = file.map_err(|_| Error::Nul("the path of the file"))?;
            operation::start(&self.registry, Task::on("dump a domain's memory", domid), Dump { domid, file })
        })
    }

    /// Suspends a domain, as for a save, and leaves its state in memory. It shuts down for the reason
    /// [`Suspend`](crate::ShutdownReason::Suspend); [`resume`](Self::resume) has it go on. Xen 4.11 and later.
    ///
    /// # Errors
    /// [`Error::Libxl`] if its kernel does not take part; [`Error::Unsupported`], and those of [all
    /// operations](Self#a-domains-life).
    pub fn suspend(&self, domid: DomainId) -> Operation<()> {
        const DOING: &str = "suspend a domain";
        Operation::begun(|| {
            let library = self.library();
            let missing = || library.lacks(DOING, Release::new(4, 11));
            let suspend = library.sys().domain_suspend_only().ok_or_else(missing)?;
            operation::start(&self.registry, Task::stopping(DOING, domid), Suspend { domid, suspend })
        })
    }

    /// Replicates a domain to another host, checkpoint after checkpoint, until that fails or the other host takes over: Remus, or COLO. Over `to`
    /// goes the stream, over `back` what the other host answers. Both are closed when the operation has ended.
    ///
    /// It ends with its connection: keep a clone of the socket, and shut that down when the first bytes have arrived. libxl (4.7 to 4.22) does not
    /// survive the end of the connection before these, nor an abort: an [abort](Operation::abort) is refused, and a
    /// [close](Self::close) of the ctx waits for the end. libxl may call it a success when the other side is gone. Where a checkpoint has
    /// the domain suspended then, [`resume`](Self::resume) has it go on.
    ///
    /// # Errors
    /// [`Error::Libxl`], mostly at the end of the replication; [`Error::Config`], and those of [all operations](Self#a-domains-life).
    pub fn replicate(
        &self,
        domid: DomainId,
        info: &RemusInfo,
        to: impl Into<OwnedFd>,
        back: impl Into<OwnedFd>,
    ) -> Operation<()> {
        let (to, back) = (to.into(), back.into());
        Operation::begun(|| {
            let task = Task::stopping("replicate a domain", domid);
            // libxl fails an assertion where the one is set and the other is not.
            if info.colo == Some(true) && info.userspace_colo_proxy.is_none() {
                return Err(Error::config("userspace_colo_proxy", "it is missing: with colo, true or false"));
            }
            let info = self.ask(task, |question| question.given(info))?;
            operation::start(&self.registry, task, Replicate { domid, info, to, back })
        })
    }

    /// Notes data about a domain in a file of the host, under the name of the program that it is for. libxl deletes it with the domain. No data deletes it, too, if
    /// there is any.
    ///
    /// # Errors
    /// [`Error::Config`] for a name of libxl's own; [`Error::Libxl`] if it cannot be written; [`Error::OutOfRange`], [`Error::Nul`],
    /// [`Error::NoSuchDomain`], [`Error::Closed`].
    ///
    /// ```no_run
    /// # fn example(ctx: xenlight::Ctx, domid: xenlight::DomainId) -> Result<(), xenlight::Error> {
    /// ctx.note(domid, "my-manager", b"group=web")?;
    /// assert_eq!(ctx.noted(domid, "my-manager")?, b"group=web");
    /// # Ok(()) }
    /// ```
    pub fn note(&self, domid: DomainId, program: &str, data: &[u8]) -> Result<(), Error> {
        if program.is_empty() || program.starts_with("libxl-") || program.contains('/') {
            let problem = format!("{program:?} is libxl's own, or no name of a file");
            return Err(Error::config("program", &problem));
        }
        let program = CString::new(program).map_err(|_| Error::Nul("the program's name"))?;
        let size: c_int = fits("size of the data in bytes", data.len() as u64)?;
        self.ask(Task::on("note data about a domain", domid), |question| {
            // libxl fails to delete what is not there.
            if data.is_empty() && userdata::retrieve(question, domid, &program)?.is_empty() {
                return Ok(());
            }
            let library = question.hosted.library();
            // SAFETY: the ctx lives during `ask`, name and data, of this size, during the call.
            let rc =
                unsafe { library.userdata_store(question.ctx, domid.get(), program.as_ptr(), data.as_ptr(), size) };
            question.succeeded(rc)
        })
    }

    /// What was [noted](Self::note) about a domain for this program; nothing if nothing was.
    ///
    /// # Errors
    /// [`Error::Libxl`] if it cannot be read; [`Error::Nul`], [`Error::NoSuchDomain`], [`Error::Closed`].
    pub fn noted(&self, domid: DomainId, program: &str) -> Result<Vec<u8>, Error> {
        let program = CString::new(program).map_err(|_| Error::Nul("the program's name"))?;
        self.ask(Task::on("read data about a domain", domid), |question| userdata::retrieve(question, domid, &program))
    }
}

/// Fails if it is not called `before`, where that is given.
pub(crate) fn rename(
    registry: &Registry<Hosted>,
    task: Task,
    domid: DomainId,
    before: Option<&str>,
    name: &str,
) -> Result<(), Error> {
    // The same as in a configuration: libxl and xenconsoled make names of files of it.
    xenlight_types::check_name(name)?;
    let to_c = |name| CString::new(name).map_err(|_| Error::Nul("the domain's name"));
    let (before, name) = (before.map(to_c).transpose()?, to_c(name)?);
    question::ask(registry, task, |question| {
        let library = question.hosted.library();
        // NULL stands for whatever name it has.
        let before = before.as_ref().map_or(ptr::null(), |before| before.as_ptr());
        // SAFETY: the ctx lives during `ask`, the names during the call.
        question.succeeded(unsafe { library.domain_rename(question.ctx, domid.get(), before, name.as_ptr()) })
    })
}

struct Replicate {
    domid: DomainId,
    info: Typed<RemusInfo>,
    to: OwnedFd,
    back: OwnedFd,
}

impl Action for Replicate {
    /// libxl stops the program that writes the stream, and then answers it, if it is between two checkpoints. An answer that cannot be
    /// written ends the operation while it is being aborted: an assertion fails, or a function is called that is not set.
    const ABORTABLE: bool = false;

    fn initiate(&self, library: &Library, ctx: *mut RawCtx, how: *const AsyncopHow) -> c_int {
        let (to, back) = (self.to.as_raw_fd(), self.back.as_raw_fd());
        // SAFETY: the ctx is alive; struct and fds live until the operation has ended (E9).
        unsafe { library.domain_remus_start(ctx, self.info.as_ptr(), self.domid.get(), to, back, how) }
    }
}

struct Dump {
    domid: DomainId,
    file: CString,
}

impl Action for Dump {
    fn initiate(&self, library: &Library, ctx: *mut RawCtx, how: *const AsyncopHow) -> c_int {
        // SAFETY: the ctx is alive; the path lives until the operation has ended (E9).
        unsafe { library.domain_core_dump(ctx, self.domid.get(), self.file.as_ptr(), how) }
    }
}

struct Suspend {
    domid: DomainId,
    suspend: unsafe extern "C" fn(*mut RawCtx, u32, *const AsyncopHow) -> c_int,
}

impl Action for Suspend {
    fn initiate(&self, _: &Library, ctx: *mut RawCtx, how: *const AsyncopHow) -> c_int {
        // SAFETY: the ctx is alive.
        unsafe { (self.suspend)(ctx, self.domid.get(), how) }
    }
}
