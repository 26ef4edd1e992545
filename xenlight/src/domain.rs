//! Domains: which there are, what state they are in, and the calls that lead them through their life.

use crate::config::Config;
use crate::contain::say;
use crate::ctx::Hosted;
use crate::operation::{self, Operation, Question};
use crate::structs::Owned;
use crate::task::Task;
use crate::{Ctx, DomainId, Error, Release, ShutdownReason};
use core::ffi::c_int;
use serde_json::{Map, Value};
use std::ffi::CString;
use std::fmt;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use uuid::Uuid;
use xenlight_sys::by_release::{DomainControl, FreeMemory, RetrieveConfiguration};
use xenlight_sys::domain::{DomainConfig, Dominfo, OPAQUE_SIZE, Opaque};
use xenlight_sys::{self as sys, codes};

/// The state of a domain at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DomainInfo {
    /// Its number, until it is gone.
    pub domid: DomainId,
    /// Its uuid; nil for domain 0.
    pub uuid: Uuid,
    /// How it is virtualized.
    pub kind: DomainKind,
    /// One of its virtual CPUs is on a physical one.
    pub running: bool,
    /// All its virtual CPUs wait for something.
    pub blocked: bool,
    /// It is paused.
    pub paused: bool,
    /// It has shut down, for this reason, and is still there.
    pub shutdown: Option<ShutdownReason>,
    /// It is being destroyed.
    pub dying: bool,
    /// What it has claimed and does not use yet, in KiB.
    pub outstanding_memory_kib: u64,
    /// What it has, in KiB.
    pub current_memory_kib: u64,
    /// What it shares with others, in KiB.
    pub shared_memory_kib: u64,
    /// What has been paged out, in KiB.
    pub paged_memory_kib: u64,
    /// What it may have, in KiB.
    pub max_memory_kib: u64,
    /// The time that its virtual CPUs have run, added up.
    pub cpu_time: Duration,
    /// The highest number of a virtual CPU; one less than their count.
    pub max_vcpu_id: u32,
    /// The virtual CPUs that are online.
    pub vcpus_online: u32,
    /// The CPU pool that it is in.
    pub cpupool: u32,
}

/// How a domain is virtualized. Shown as libxl and xl write it: `pv`, `pvh`, `hvm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DomainKind {
    /// Paravirtualized.
    Pv,
    /// By the processor's virtualization, without a device model. Xen 4.9 and earlier call it PV.
    Pvh,
    /// By the processor's virtualization, with a device model.
    Hvm,
    /// Libxl does not say.
    Unknown,
}

impl DomainKind {
    fn named(name: &str) -> Self {
        [Self::Pv, Self::Pvh, Self::Hvm].into_iter().find(|kind| kind.name() == name).unwrap_or(Self::Unknown)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Pv => "pv",
            Self::Pvh => "pvh",
            Self::Hvm => "hvm",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for DomainKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The hypervisor that runs, whatever release the library is of. As text, `4.17.7`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct XenVersion {
    /// The first number.
    pub major: u32,
    /// The second.
    pub minor: u32,
    /// What follows, such as `.7` or `-rc3`.
    pub extra: String,
}

impl fmt::Display for XenVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}{}", self.major, self.minor, self.extra)
    }
}

/// # Questions
///
/// They are answered before they return: from any thread, also inside callbacks. Each may wait for
/// libxl's lock while another thread works inside (O12).
impl Ctx {
    /// All domains, domain 0 included, in the order of their numbers.
    ///
    /// # Errors
    /// [`Error::Libxl`] with `ERROR_FAIL` where Xen refused; [`Error::Closed`]; [`Error::Format`].
    pub fn domains(&self) -> Result<Vec<DomainInfo>, Error> {
        self.ask(Task::without("list the domains"), |question| {
            let (hosted, ctx) = (question.hosted, question.ctx);
            let library = hosted.library();
            let stride = dominfo_size(library)?;
            let mut count: c_int = 0;
            // SAFETY: the ctx lives during `ask`; `count` is written during the call.
            let list = unsafe { library.list_domain(ctx, &mut count) };
            if list.is_null() {
                return Err(question.error(codes::ERROR_FAIL));
            }
            let all = (0..usize::try_from(count).unwrap_or(0)).map(|at| {
                // SAFETY: libxl returned `count` entries that are `stride` bytes apart.
                let entry = unsafe { list.byte_add(at * stride) };
                // SAFETY: an initialised entry of the list, which is freed below.
                unsafe { read(hosted, ctx, entry) }
            });
            let all = all.collect();
            // SAFETY: from `list_domain`, with its count, and not used after.
            unsafe { library.dominfo_list_free(list, count) };
            all
        })
    }

    /// The state of one domain.
    ///
    /// # Errors
    /// [`Error::NoSuchDomain`]. Otherwise as [`domains`](Self::domains).
    pub fn info(&self, domid: DomainId) -> Result<DomainInfo, Error> {
        self.ask(Task::on("ask for a domain's state", domid), |question| {
            let (hosted, ctx) = (question.hosted, question.ctx);
            // SAFETY: the ctx lives during `ask`.
            unsafe { info(hosted, ctx, domid) }?.map_err(|rc| question.error(rc))
        })
    }

    /// The domain's name; `None` if it has none, as while it is being made or taken down.
    ///
    /// # Errors
    /// [`Error::NoSuchDomain`], [`Error::XenstoredLost`] or [`Error::Closed`].
    pub fn name(&self, domid: DomainId) -> Result<Option<String>, Error> {
        self.ask(Task::on("ask for a domain's name", domid), |question| {
            let (hosted, ctx) = (question.hosted, question.ctx);
            // SAFETY: the ctx lives during `ask`; the string is ours to free.
            let name = unsafe { hosted.take_string(hosted.library().domid_to_name(ctx, domid.get())) };
            if name.is_none() {
                hosted.link.check()?;
            }
            Ok(name)
        })
    }

    /// The domain of this name, if there is one. Asks for all domains first.
    ///
    /// # Errors
    /// [`Error::Nul`], [`Error::XenstoredLost`], [`Error::Closed`], or what libxl says.
    pub fn find(&self, name: &str) -> Result<Option<DomainId>, Error> {
        let name = CString::new(name).map_err(|_| Error::Nul("the domain's name"))?;
        self.ask(Task::without("find a domain by its name"), |question| {
            let (hosted, ctx) = (question.hosted, question.ctx);
            let mut domid = 0;
            // SAFETY: the ctx lives during `ask`; both pointers are good for the call.
            match unsafe { hosted.library().name_to_domid(ctx, name.as_ptr(), &mut domid) } {
                0 => Ok(Some(DomainId::new(domid))),
                codes::ERROR_INVAL => hosted.link.check().map(|()| None),
                rc => Err(question.error(rc)),
            }
        })
    }

    /// Whether the loaded libxl understands the configuration as it is meant. [`create`](Self::create) and
    /// the others ask for themselves; this is to know beforehand. It does not tell whether such a domain can be made.
    ///
    /// # Errors
    /// [`Error::Config`] with the first place that libxl would swallow wrongly;
    /// [`Error::Unsupported`] with Xen 4.4 and earlier, which take no JSON; [`Error::Closed`].
    pub fn check_config(&self, config: &Config) -> Result<(), Error> {
        self.understand(config).map(drop)
    }

    /// The hypervisor's free memory in KiB.
    ///
    /// # Errors
    /// [`Error::Libxl`] or [`Error::Closed`].
    pub fn free_memory_kib(&self) -> Result<u64, Error> {
        self.ask(Task::without("ask for the free memory"), |question| {
            let (hosted, ctx) = (question.hosted, question.ctx);
            let (mut short, mut long) = (0, 0);
            let rc = match hosted.library().get_free_memory() {
                // SAFETY: the ctx lives during `ask`; the number is written during the call.
                FreeMemory::Bits32(get) => unsafe { get(ctx, &mut short) },
                // SAFETY: likewise.
                FreeMemory::Bits64(get) => unsafe { get(ctx, &mut long) },
            };
            question.check(rc)?;
            Ok(long.max(u64::from(short)))
        })
    }

    /// The hypervisor's version.
    ///
    /// # Errors
    /// [`Error::Libxl`], [`Error::Closed`] or [`Error::Format`].
    pub fn xen_version(&self) -> Result<XenVersion, Error> {
        self.ask(Task::without("ask for Xen's version"), |question| {
            let (hosted, ctx) = (question.hosted, question.ctx);
            // SAFETY: the ctx lives during `ask`, and what is returned belongs to it.
            let info = unsafe { hosted.library().get_version_info(ctx) };
            if info.is_null() {
                return Err(question.error(codes::ERROR_FAIL));
            }
            // SAFETY: not null, so it is the ctx's; this does not write to it.
            let json = unsafe { hosted.library().version_info_to_json(ctx, info.cast_mut()) };
            // SAFETY: the string is ours to free.
            let version = object("libxl's version info", unsafe { hosted.take_string(json) })?;
            Ok(XenVersion {
                major: number(&version, "xen_version_major"),
                minor: number(&version, "xen_version_minor"),
                extra: text(&version, "xen_version_extra").to_owned(),
            })
        })
    }
}

/// # A domain's life
///
/// Each of these begins an operation, from any thread, also inside callbacks. The future resolves
/// when it has ended; the loop must run until then.
///
/// Beginning is not always quick: it waits for libxl's lock, which another thread may hold for
/// seconds, and libxl builds a PV domain, kernel and ramdisk included, before
/// [`create`](Ctx::create) returns (O12). A program whose loop must not stop meanwhile gives libxl [a thread of its
/// own](crate::Builder::own_thread), which begins the operations then.
///
/// `pause`, `unpause`, `shutdown`, `reboot` and `config` are operations from Xen 4.13 on. With
/// earlier ones they do their work before they return, and what they return is over (contract V).
///
/// What went wrong is the operation's result, also where it could not even be begun; that one is over at once. Each of them can end
/// with [`Error::Closed`], [`Error::LoopGone`], [`Error::XenstoredLost`], [`Error::InsideHook`]; [`Error::Libxl`], with what libxl
/// returned and what it said of it; and [`Error::NoSuchDomain`], also where the domain went away meanwhile.
///
/// [`Error::Protected`]: what would end, stop or move domain 0 or xenstored's domain (pause, shutdown, reboot, destroy,
/// save, resume) is refused. A domain's number is used again when the domain is gone: what is asked of a domain that may be
/// gone can meet another.
impl Ctx {
    /// Makes a domain, paused: [`unpause`](Self::unpause) lets it begin. Resolves to its number.
    ///
    /// A uuid that the configuration does not have is made up.
    ///
    /// Of a create that fails, libxl destroys what there is so far. If that fails, too, the log says
    /// so, and the domain can be [found](Self::find) by its name. One that is aborted, by
    /// [`Operation::abort`] or by closing the ctx, may leave a domain behind, which is to be
    /// destroyed: [`Error::Unfinished`] has its number.
    ///
    /// # Errors
    /// As [above](Self#a-domains-life), and [`Error::Config`] where the configuration is not what libxl would
    /// understand, before anything is done; [`Error::Unsupported`] with Xen 4.4 and earlier,
    /// which take no JSON.
    ///
    /// ```no_run
    /// # async fn example(ctx: xenlight::Ctx) -> Result<(), xenlight::Error> {
    /// let config = xenlight::Config::from_json(
    ///     r#"{"c_info": {"type": "pv", "name": "tiny"},
    ///         "b_info": {"max_vcpus": 1, "max_memkb": 4096, "target_memkb": 4096,
    ///                    "kernel": "/boot/tiny", "type.pv": {}}}"#,
    /// )?;
    /// let domid = ctx.create(&config).await?;
    /// ctx.unpause(domid).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn create(&self, config: &Config) -> Operation<DomainId> {
        Operation::begun(|| {
            let config = self.understand(config)?;
            operation::start(
                &self.registry,
                Task::without("create a domain"),
                (config, AtomicU32::new(NO_DOMAIN)),
                |library, ctx, (config, domid), how| {
                    // SAFETY: the ctx is alive; configuration and domid live until the operation has ended (E9).
                    unsafe { library.domain_create_new(ctx, config.as_ptr(), domid.as_ptr(), how, ptr::null()) }
                },
                |(_, domid), result| created(domid, result),
            )
        })
    }

    /// Stops the domain's virtual CPUs.
    ///
    /// # Errors
    /// As [above](Self#a-domains-life).
    pub fn pause(&self, domid: DomainId) -> Operation<()> {
        self.control(Task::stopping("pause a domain", domid), self.library().sys().domain_pause(), domid)
    }

    /// Lets the domain's virtual CPUs run; a new domain begins.
    ///
    /// # Errors
    /// As [above](Self#a-domains-life).
    pub fn unpause(&self, domid: DomainId) -> Operation<()> {
        self.control(Task::on("unpause a domain", domid), self.library().sys().domain_unpause(), domid)
    }

    /// Asks the domain to power itself off. The operation ends when the domain has taken note, not when
    /// it is off: [`watch_death`](Self::watch_death) tells that. One that does not listen lets it run
    /// into libxl's limit of 60 s, `ERROR_TIMEDOUT`, unless it is aborted.
    ///
    /// # Errors
    /// As [above](Self#a-domains-life); `ERROR_NOPARAVIRT` for an HVM domain without drivers of Xen's.
    pub fn shutdown(&self, domid: DomainId) -> Operation<()> {
        self.control(Task::stopping("shut a domain down", domid), self.library().sys().domain_shutdown(), domid)
    }

    /// Asks the domain to shut down in order to be started again, which is left to the caller: on
    /// [`ShutdownReason::Reboot`], destroy it and create it anew. The operation ends as that of [`shutdown`](Self::shutdown).
    ///
    /// # Errors
    /// As for [`shutdown`](Self::shutdown).
    pub fn reboot(&self, domid: DomainId) -> Operation<()> {
        self.control(Task::stopping("reboot a domain", domid), self.library().sys().domain_reboot(), domid)
    }

    /// Destroys the domain, whatever it does.
    ///
    /// # Errors
    /// As [above](Self#a-domains-life); [`Error::BeingDestroyed`] while another destroy of the domain, on this ctx, is at work.
    pub fn destroy(&self, domid: DomainId) -> Operation<()> {
        self.start(Task::destroying("destroy a domain", domid), move |library, ctx, how| {
            // SAFETY: the ctx is alive.
            unsafe { library.domain_destroy(ctx, domid.get(), how) }
        })
    }

    /// Lets a domain that was suspended by a [`save`](Self::save) run on. Then
    /// [watch it](Self::watch_death) anew, since the save was its one shutdown event (E11).
    ///
    /// # Errors
    /// As [above](Self#a-domains-life).
    pub fn resume(&self, domid: DomainId) -> Operation<()> {
        const SUSPEND_CANCEL: c_int = 1;
        self.start(Task::stopping("resume a domain", domid), move |library, ctx, how| {
            // SAFETY: the ctx is alive.
            unsafe { library.domain_resume(ctx, domid.get(), SUSPEND_CANCEL, how) }
        })
    }

    /// The domain's present configuration, such as to make another like it: without `c_info.domid`.
    ///
    /// # Errors
    /// As [above](Self#a-domains-life), and [`Error::Unsupported`] with Xen 4.4 and earlier.
    pub fn config(&self, domid: DomainId) -> Operation<Config> {
        const DOING: &str = "retrieve a domain's configuration";
        let task = Task::on(DOING, domid);
        let config = Owned::<DomainConfig>::new(self.library());
        let registry = Arc::downgrade(&self.registry);
        Operation::begun(|| match self.library().sys().retrieve_domain_configuration() {
            RetrieveConfiguration::Missing => {
                Err(Error::Unsupported { what: DOING, needs: Release::V4_5, loaded: self.library().release() })
            }
            RetrieveConfiguration::Blocking(retrieve) => operation::run(&self.registry, task, move |question| {
                // SAFETY: the ctx lives during the call; the configuration is initialised, and written by it.
                question.check(unsafe { retrieve(question.ctx, domid.get(), config.as_ptr()) })?;
                Config::from_libxl(question.hosted, question.ctx, &config)
            }),
            RetrieveConfiguration::Asynchronous(retrieve) => operation::start(
                &self.registry,
                task,
                config,
                // SAFETY: the ctx is alive; the configuration is initialised, and lives until the operation has ended (E9).
                move |_, ctx, config, how| unsafe { retrieve(ctx, domid.get(), config.as_ptr(), how) },
                // On the loop's thread, outside libxl.
                move |config, result| {
                    result?;
                    let registry = registry.upgrade().ok_or(Error::Closed)?;
                    let call = registry.enter()?;
                    let hosted = registry.client();
                    Config::from_libxl(hosted, hosted.raw(&call), config)
                },
            ),
        })
    }

    fn control(&self, task: Task, form: DomainControl, domid: DomainId) -> Operation<()> {
        match form {
            DomainControl::Blocking(control) => Operation::begun(|| {
                operation::run(&self.registry, task, move |question| {
                    // SAFETY: the ctx lives during the call.
                    question.check(unsafe { control(question.ctx, domid.get()) })
                })
            }),
            DomainControl::Asynchronous(control) => self.start(task, move |_, ctx, how| {
                // SAFETY: the ctx is alive.
                unsafe { control(ctx, domid.get(), how) }
            }),
        }
    }

    /// Begins an operation that was given no pointers.
    fn start(
        &self,
        task: Task,
        initiate: impl FnOnce(&sys::Library, *mut sys::Ctx, *const sys::domain::AsyncopHow) -> c_int + Send + 'static,
    ) -> Operation<()> {
        Operation::begun(|| {
            operation::start(
                &self.registry,
                task,
                (),
                |library, ctx, (), how| initiate(library, ctx, how),
                |(), result| result,
            )
        })
    }

    /// Makes a synchronous call, inside the gate.
    pub(crate) fn ask<R>(&self, task: Task, call: impl FnOnce(&Question<'_>) -> Result<R, Error>) -> Result<R, Error> {
        operation::ask(&self.registry, task, call)
    }

    /// As libxl's own.
    pub(crate) fn understand(&self, config: &Config) -> Result<Owned<DomainConfig>, Error> {
        self.ask(Task::without("read a configuration"), |question| {
            config.to_libxl(self.library(), question.hosted, question.ctx)
        })
    }
}

/// What a domid is before libxl has written it: `INVALID_DOMID`.
pub(crate) const NO_DOMAIN: u32 = u32::MAX;

/// The result of a create or restore that had `domid` to write to.
pub(crate) fn created(domid: &AtomicU32, result: Result<(), Error>) -> Result<DomainId, Error> {
    // Relaxed: libxl wrote it before its callback, and the delivery of that came through a lock.
    outcome(DomainId::new(domid.load(Ordering::Relaxed)), result)
}

/// Of failures, only an abort leaves a domain (libxl.h, at `libxl_domain_create_new`).
fn outcome(domid: DomainId, result: Result<(), Error>) -> Result<DomainId, Error> {
    match result {
        Ok(()) => Ok(domid),
        Err(error) if error.is_aborted() && domid.get() != NO_DOMAIN => {
            // Nobody may be left to read the error, as when a ctx is closed.
            say!(Warn, "an aborted creation left domain {domid} behind, half made: destroy it");
            Err(Error::Unfinished { domid, reason: Box::new(error) })
        }
        Err(error) => Err(error),
    }
}

/// The distance of the entries in a list of `Dominfo`: as much as its `_init` clears.
fn dominfo_size(library: &sys::Library) -> Result<usize, Error> {
    const POISON: u8 = 0xa5;
    let probe = Opaque::<Dominfo>::zeroed();
    let bytes = probe.as_ptr().cast::<u8>();
    // SAFETY: `probe` has this many bytes.
    unsafe { ptr::write_bytes(bytes, POISON, OPAQUE_SIZE) };
    // SAFETY: far larger than any release needs; nothing hangs on a fresh one, so it needs no disposal.
    unsafe { library.dominfo_init(probe.as_ptr()) };
    // SAFETY: initialised above, nobody writes to it any more.
    let bytes = unsafe { std::slice::from_raw_parts(bytes, OPAQUE_SIZE) };
    let size = bytes.iter().rposition(|byte| *byte != POISON).map_or(0, |last| last + 1);
    // It begins with a uuid and a domid, and ends where a u64 can begin.
    if size < size_of::<sys::domain::Vminfo>() || size % align_of::<u64>() != 0 || size == OPAQUE_SIZE {
        return Err(Error::Format { what: "libxl's dominfo", problem: format!("it seems to have {size} bytes") });
    }
    Ok(size)
}

/// # Safety
/// `info` is initialised and alive, and so is the ctx.
unsafe fn read(hosted: &Hosted, ctx: *mut sys::Ctx, info: *mut Dominfo) -> Result<DomainInfo, Error> {
    // SAFETY: the caller's promise.
    let json = unsafe { hosted.library().dominfo_to_json(ctx, info) };
    // SAFETY: the string is ours to free.
    let info = object("libxl's dominfo", unsafe { hosted.take_string(json) })?;
    Ok(domain_info(&info, hosted.library().release()))
}

/// The state of a domain, or libxl's result where it does not tell.
///
/// # Safety
/// The ctx is alive.
pub(crate) unsafe fn info(
    hosted: &Hosted,
    ctx: *mut sys::Ctx,
    domid: DomainId,
) -> Result<Result<DomainInfo, c_int>, Error> {
    let info = Owned::<Dominfo>::new(hosted.whole_library());
    // SAFETY: the caller's promise; `info` is initialised, and written during the call.
    match unsafe { hosted.library().domain_info(ctx, info.as_ptr(), domid.get()) } {
        // SAFETY: filled in by libxl, and alive.
        0 => unsafe { read(hosted, ctx, info.as_ptr()) }.map(Ok),
        rc => Ok(Err(rc)),
    }
}

/// What is false, zero or nil is not in the JSON.
fn domain_info(info: &Map<String, Value>, release: Release) -> DomainInfo {
    let flag = |key| info.get(key) == Some(&Value::Bool(true));
    let shutdown = flag("shutdown").then(|| match text(info, "shutdown_reason") {
        "poweroff" => ShutdownReason::Poweroff,
        // There it is number 0, which is left out.
        "" if release < Release::V4_4 => ShutdownReason::Poweroff,
        "reboot" => ShutdownReason::Reboot,
        "suspend" => ShutdownReason::Suspend,
        "crash" => ShutdownReason::Crash,
        "watchdog" => ShutdownReason::Watchdog,
        "soft_reset" => ShutdownReason::SoftReset,
        _ => ShutdownReason::Other(u8::MAX),
    });
    DomainInfo {
        domid: DomainId::new(number(info, "domid")),
        uuid: text(info, "uuid").parse().unwrap_or_default(),
        kind: DomainKind::named(text(info, "domain_type")),
        running: flag("running"),
        blocked: flag("blocked"),
        paused: flag("paused"),
        shutdown,
        dying: flag("dying"),
        outstanding_memory_kib: number(info, "outstanding_memkb"),
        current_memory_kib: number(info, "current_memkb"),
        shared_memory_kib: number(info, "shared_memkb"),
        paged_memory_kib: number(info, "paged_memkb"),
        max_memory_kib: number(info, "max_memkb"),
        cpu_time: Duration::from_nanos(number(info, "cpu_time")),
        max_vcpu_id: number(info, "vcpu_max_id"),
        vcpus_online: number(info, "vcpu_online"),
        cpupool: number(info, "cpupool"),
    }
}

/// JSON of libxl's as an object.
pub(crate) fn object(what: &'static str, json: Option<String>) -> Result<Map<String, Value>, Error> {
    let problem = match json.as_deref().map(serde_json::from_str) {
        Some(Ok(Value::Object(object))) => return Ok(object),
        Some(Ok(_)) => "it is no JSON object".to_owned(),
        Some(Err(error)) => error.to_string(),
        None => "libxl made no JSON of it".to_owned(),
    };
    Err(Error::Format { what, problem })
}

fn number<N: TryFrom<u64> + Default>(object: &Map<String, Value>, key: &str) -> N {
    object.get(key).and_then(Value::as_u64).and_then(|number| number.try_into().ok()).unwrap_or_default()
}

fn text<'a>(object: &'a Map<String, Value>, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, release: Release) -> DomainInfo {
        domain_info(&object("a test", Some(json.to_owned())).expect("an object"), release)
    }

    #[test]
    fn what_libxl_leaves_out_is_zero() {
        let info = read("{}", Release::V4_13);
        assert_eq!((info.domid, info.uuid, info.cpu_time), (DomainId::DOM0, Uuid::nil(), Duration::ZERO));
        assert!(!info.running && !info.paused && info.shutdown.is_none());
    }

    #[test]
    fn numbers_keep_their_units() {
        let json = r#"{"domid": 7, "uuid": "8f0e9a5c-1111-2222-3333-444455556666", "max_memkb": 18446744073709551615,
                       "cpu_time": 1500000000, "vcpu_max_id": 1, "domain_type": "pvh", "blocked": true}"#;
        let info = read(json, Release::V4_13);
        assert_eq!((info.domid, info.max_memory_kib, info.max_vcpu_id), (DomainId::new(7), u64::MAX, 1));
        assert_eq!(info.cpu_time, Duration::from_millis(1500));
        assert_eq!(info.uuid.to_string(), "8f0e9a5c-1111-2222-3333-444455556666");
        assert_eq!((info.kind, info.kind.to_string().as_str()), (DomainKind::Pvh, "pvh"));
        assert!(info.blocked && !info.running);
    }

    #[test]
    fn a_reason_counts_for_domains_that_have_shut_down() {
        let down = |reason, release| read(&format!(r#"{{"shutdown": true{reason}}}"#), release).shutdown;
        assert_eq!(down(r#", "shutdown_reason": "crash""#, Release::V4_13), Some(ShutdownReason::Crash));
        assert_eq!(down("", Release::V4_13), Some(ShutdownReason::Other(u8::MAX)));
        assert_eq!(down("", Release::V4_3), Some(ShutdownReason::Poweroff));
        assert_eq!(read(r#"{"shutdown_reason": "poweroff"}"#, Release::V4_13).shutdown, None);
    }

    #[test]
    fn an_aborted_create_names_the_domain_that_it_left() {
        let failed = |rc| {
            Err(Error::Libxl { doing: "test", code: crate::Code(rc), words: crate::Words::default(), refusal: None })
        };
        const FIVE: DomainId = DomainId::new(5);
        let unfinished = outcome(FIVE, failed(codes::ERROR_ABORTED)).expect_err("it failed");
        assert!(matches!(unfinished, Error::Unfinished { domid: FIVE, .. }) && unfinished.is_aborted());
        let without = outcome(NO_DOMAIN.into(), failed(codes::ERROR_ABORTED)).expect_err("it failed");
        assert!(matches!(without, Error::Libxl { .. }));
        assert!(matches!(outcome(FIVE, failed(codes::ERROR_FAIL)), Err(Error::Libxl { .. })));
    }
}
