//! Domains: which there are, what state they are in, and the calls that lead them through their life.

use crate::config;
use crate::contain::say;
#[cfg(doc)]
use crate::contract::*;
use crate::ctx::Ctx;
use crate::domain_info::DomainInfo;
use crate::error::Error;
use crate::hosted::Hosted;
use crate::inventory;
use crate::operation::{self, Action, Operation, Request};
use crate::question::{self, Question};
use crate::retrieval::{self, Rest};
use crate::structs::Typed;
use crate::task::Task;
use core::ffi::c_int;
use osevent_core::Registry;
use std::ffi::CString;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use xenlight_sys::by_release::DomainControl;
use xenlight_sys::domain::AsyncopHow;
use xenlight_sys::{Ctx as RawCtx, Library, codes};
use xenlight_types::{DomainConfig, DomainId, VersionInfo};

/// The version of the running hypervisor, which can differ from that of the library. Displayed as `4.17.7`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct XenVersion {
    /// The major version number.
    pub major: u32,
    /// The minor version number.
    pub minor: u32,
    /// The rest of the version, such as `.7` or `-rc3`.
    pub extra: String,
}

impl fmt::Display for XenVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}{}", self.major, self.minor, self.extra)
    }
}

/// # Queries
///
/// Queries return their answer at once. They may be called on any thread and inside callbacks. Each may wait for libxl's lock
/// while another thread works under it ([O12]).
impl Ctx {
    /// All domains, including domain 0, in the order of their numbers.
    ///
    /// # Errors
    /// [`Error::Libxl`] with `ERROR_FAIL` if Xen refused; [`Error::Closed`]; [`Error::Format`].
    pub fn domains(&self) -> Result<Vec<DomainInfo>, Error> {
        self.ask(Task::without("list the domains"), inventory::all)
    }

    /// The state of one domain.
    ///
    /// # Errors
    /// [`Error::NoSuchDomain`], and those of [`domains`](Self::domains).
    pub fn info(&self, domid: DomainId) -> Result<DomainInfo, Error> {
        self.ask(Task::on("ask for a domain's state", domid), |question| {
            let (hosted, ctx) = (question.hosted, question.ctx);
            // SAFETY: the ctx lives during `ask`.
            unsafe { inventory::info(hosted, ctx, domid) }?.map_err(|rc| question.error(rc))
        })
    }

    /// The domain's name. `None` if it has no name, which happens while it is being created or destroyed.
    ///
    /// # Errors
    /// [`Error::NoSuchDomain`], [`Error::XenstoredLost`] or [`Error::Closed`].
    pub fn name(&self, domid: DomainId) -> Result<Option<String>, Error> {
        name(&self.registry, Task::on("ask for a domain's name", domid), domid)
    }

    /// The domain with this name, if there is one. Queries all domains first.
    ///
    /// # Errors
    /// [`Error::Nul`], [`Error::XenstoredLost`], [`Error::Closed`], or an error of libxl.
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

    /// Checks that the loaded libxl reads the configuration correctly. [`create`](Self::create) and the other methods do this
    /// check themselves; use this to check in advance. It does not tell whether such a domain can be created;
    /// [`check_files`](crate::check_files) tells whether the files are there.
    ///
    /// # Errors
    /// [`Error::Config`] with the first place that libxl would misread; [`Error::ConfigNeeds`] with the first
    /// field that it is too old for; [`Error::Unsupported`] with Xen 4.4 and earlier, which
    /// do not read JSON; [`Error::Closed`].
    pub fn check_config(&self, config: &DomainConfig) -> Result<(), Error> {
        self.understand(config).map(drop)
    }

    /// The hypervisor's version.
    ///
    /// # Errors
    /// [`Error::Libxl`], [`Error::Closed`] or [`Error::Format`].
    pub fn xen_version(&self) -> Result<XenVersion, Error> {
        let VersionInfo { xen_version_major, xen_version_minor, xen_version_extra, .. } = self.version_info()?;
        Ok(XenVersion {
            major: xen_version_major.try_into().unwrap_or_default(),
            minor: xen_version_minor.try_into().unwrap_or_default(),
            extra: xen_version_extra.unwrap_or_default(),
        })
    }
}

/// # A domain's life
///
/// Each of these methods begins an operation. It may be called on any thread and inside callbacks. The future resolves when
/// the operation has ended; the loop must run until then.
///
/// Beginning an operation can take long. It waits for libxl's lock, which another thread may hold for seconds. And libxl
/// builds a PV domain, including kernel and ramdisk, before [`create`](Ctx::create) returns ([O12]). A program whose loop must
/// not block should run libxl on [a thread of its own](crate::Builder::own_thread), which then begins the operations.
///
/// `pause`, `unpause`, `shutdown`, `reboot` and `config` are asynchronous from Xen 4.13 on. With earlier releases they block
/// until the work is done, and the returned operation has ended already (contract V).
///
/// All errors are the result of the operation. If an operation cannot be begun, it ends at once. Each operation can end
/// with [`Error::Closed`], [`Error::LoopGone`], [`Error::XenstoredLost`] or [`Error::InsideHook`]; with [`Error::Libxl`], which
/// has libxl's code and log lines; and with [`Error::NoSuchDomain`], also if the domain was destroyed meanwhile.
///
/// [`Error::Protected`]: domain 0 and the domain of xenstored cannot be ended, stopped or moved (pause, shutdown, reboot,
/// destroy, save, resume). Xen reuses the number of a domain when the domain is gone, so a call with an old number can affect
/// another domain.
impl Ctx {
    /// Creates a domain and resolves to its number. The domain is paused: [`unpause`](Self::unpause) starts it.
    ///
    /// If the configuration has no uuid, a new one is generated. [`Operation::progress`] reports the console, on which a bootloader may ask.
    ///
    /// If the creation fails, libxl destroys the unfinished domain. If this fails, too, the log has a message, and the domain
    /// can be [found](Self::find) by its name. A creation that is aborted, by [`Operation::abort`] or by closing the ctx, may
    /// leave an unfinished domain behind, which has to be destroyed: [`Error::Unfinished`] has its number.
    ///
    /// # Errors
    /// Those [above](Self#a-domains-life); [`Error::Config`] or [`Error::ConfigNeeds`] if libxl would misread the configuration,
    /// before anything is done;
    /// [`Error::Unsupported`] with Xen 4.4 and earlier, which do not read JSON.
    ///
    /// ```no_run
    /// # async fn example(ctx: xenlight::Ctx) -> Result<(), xenlight::Error> {
    /// use xenlight::DomainConfig;
    /// use xenlight::types::{Machine, Pv};
    ///
    /// let mut config = DomainConfig::new("tiny", Machine::Pv(Pv::default()));
    /// config.build_info =
    ///     config.build_info.max_vcpus(1).max_memory_kib(4096).target_memory_kib(4096).kernel("/boot/tiny");
    /// let domid = ctx.create(&config).await?;
    /// ctx.unpause(domid).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn create(&self, config: &DomainConfig) -> Operation<DomainId> {
        Operation::begun(|| {
            let config = self.understand(config)?;
            let create = Create { config, domid: NewDomain::default() };
            operation::start(&self.registry, Task::without("create a domain"), create)
        })
    }

    /// Stops the domain's virtual CPUs.
    ///
    /// # Errors
    /// See [above](Self#a-domains-life).
    pub fn pause(&self, domid: DomainId) -> Operation<()> {
        self.control(Task::stopping("pause a domain", domid), self.library().sys().domain_pause(), domid)
    }

    /// Lets the domain's virtual CPUs run. This starts a new domain.
    ///
    /// # Errors
    /// See [above](Self#a-domains-life).
    pub fn unpause(&self, domid: DomainId) -> Operation<()> {
        Operation::begun(|| unpause(&self.registry, Task::on("unpause a domain", domid), domid))
    }

    /// Asks the domain to power itself off. The operation ends when the domain has acknowledged the request, not when it is
    /// off: [`watch_death`](Self::watch_death) reports that. If the domain does not answer, the operation fails after libxl's
    /// limit of 60 s with `ERROR_TIMEDOUT`, unless it is aborted.
    ///
    /// # Errors
    /// Those [above](Self#a-domains-life); `ERROR_NOPARAVIRT` for an HVM domain without Xen drivers.
    pub fn shutdown(&self, domid: DomainId) -> Operation<()> {
        self.control(Task::stopping("shut a domain down", domid), self.library().sys().domain_shutdown(), domid)
    }

    /// Asks the domain to shut down for a reboot. The caller has to restart it: on
    /// [`ShutdownReason::Reboot`](crate::ShutdownReason::Reboot), destroy the domain and create it again. The operation ends
    /// when the domain has acknowledged the request, the same as [`shutdown`](Self::shutdown).
    ///
    /// # Errors
    /// The same as for [`shutdown`](Self::shutdown).
    pub fn reboot(&self, domid: DomainId) -> Operation<()> {
        self.control(Task::stopping("reboot a domain", domid), self.library().sys().domain_reboot(), domid)
    }

    /// Destroys the domain, without its cooperation.
    ///
    /// # Errors
    /// Those [above](Self#a-domains-life); [`Error::BeingDestroyed`] while another operation of this ctx destroys the domain.
    pub fn destroy(&self, domid: DomainId) -> Operation<()> {
        Operation::begun(|| destroy(&self.registry, Task::destroying("destroy a domain", domid), domid))
    }

    /// Resumes a domain that was suspended by a [`save`](Self::save). Afterwards create a new
    /// [watch](Self::watch_death), because the save was the only shutdown event of the old one ([E11]).
    ///
    /// # Errors
    /// See [above](Self#a-domains-life).
    pub fn resume(&self, domid: DomainId) -> Operation<()> {
        Operation::begun(|| resume(&self.registry, Task::stopping("resume a domain", domid), domid))
    }

    /// The domain's present configuration. It has no `c_info.domid`, so it can be used to create another domain.
    ///
    /// # Errors
    /// Those [above](Self#a-domains-life), and [`Error::Unsupported`] with Xen 4.4 and earlier.
    pub fn config(&self, domid: DomainId) -> Operation<DomainConfig> {
        Operation::begun(|| retrieval::begin(&self.registry, domid, None))
    }

    /// The same as [`config`](Self::config) of each of these domains, for whoever asks again and again: while somebody [follows](Self::follow_domains)
    /// the domains, a configuration is kept until something that it is made of has changed. Then its operation is over at once: this call has made one
    /// request of xenstored, and for each domain one more (with Xen 4.22 up to ten, for its limits), has read a file and made some hypercalls. `config`
    /// makes 17 requests and takes locks of the whole host, and [`followed_configs_as_kept`](Self::followed_configs_as_kept) one for all domains. Each
    /// operation that libxl is asked for has a file open until it is over.
    ///
    /// They are as up to date as that of `config`: what any program has changed before this call is in them. Nothing is kept, and libxl is asked each
    /// time, where a change would not show: with Xen 4.13 and earlier, or a release that is later than this crate; of a domain with other devices than
    /// disks, network interfaces, framebuffers, keyboards and channels; of an HVM domain with several processors; and where libxl does not have
    /// its files in `/var/lib/xen`.
    ///
    /// May be called on any thread and inside callbacks. Waits for xenstored on the calling thread, also where the ctx has a thread of its own. What is
    /// kept is some KiB for each domain, until nobody follows any more.
    ///
    /// # Errors
    /// Each operation has those of [`config`](Self::config).
    ///
    /// ```no_run
    /// # async fn example(ctx: xenlight::Ctx, domains: xenlight::Domains) -> Result<(), xenlight::Error> {
    /// let all: Vec<_> = domains.list().collect();
    /// let configs = ctx.followed_configs(all.iter().map(|domain| domain.domid()));
    /// for (domain, config) in all.iter().zip(configs) {
    ///     println!("{:?} is {} and has {} disks", domain.name, domain.state, config.await?.disks.len());
    /// }
    /// # Ok(()) }
    /// ```
    pub fn followed_configs(&self, domids: impl IntoIterator<Item = DomainId>) -> Vec<Operation<DomainConfig>> {
        retrieval::followed(&self.registry, domids, Rest::Asked)
    }

    /// [`followed_configs`](Self::followed_configs), but what nobody tells of may be out of date: in a configuration that is kept, the parameters of the
    /// scheduler (`build_info.sched_params`), and with Xen 4.22 the limits of xenstore (`build_info.xenstore_quota`), are what they were at some
    /// time since something else last changed, whoever has changed them since. So one request is made of xenstored for all domains, and for each a file is
    /// read and Xen asked whose its number is. All else is as up to date.
    ///
    /// For a list that is shown many times a second. [`Ctx::scheduling`] has the parameters of one domain.
    ///
    /// # Errors
    /// Each operation has those of [`config`](Self::config).
    pub fn followed_configs_as_kept(&self, domids: impl IntoIterator<Item = DomainId>) -> Vec<Operation<DomainConfig>> {
        retrieval::followed(&self.registry, domids, Rest::Kept)
    }

    /// [`followed_configs`](Self::followed_configs) of one domain.
    ///
    /// # Errors
    /// Those of [`config`](Self::config).
    pub fn followed_config(&self, domid: DomainId) -> Operation<DomainConfig> {
        let mut one = self.followed_configs([domid]);
        one.pop().expect("there is an operation for each domain")
    }

    fn control(&self, task: Task, form: DomainControl, domid: DomainId) -> Operation<()> {
        Operation::begun(|| control(&self.registry, task, form, domid))
    }

    /// Makes a synchronous call, inside the gate.
    pub(crate) fn ask<R>(&self, task: Task, call: impl FnOnce(&Question<'_>) -> Result<R, Error>) -> Result<R, Error> {
        question::ask(&self.registry, task, call)
    }

    /// As libxl's own.
    pub(crate) fn understand(&self, config: &DomainConfig) -> Result<Typed<DomainConfig>, Error> {
        self.ask(Task::without("read a configuration"), |question| {
            // SAFETY: the ctx lives during `ask`.
            unsafe { config::to_libxl(question.hosted, question.ctx, config) }
        })
    }
}

pub(crate) fn unpause(registry: &Arc<Registry<Hosted>>, task: Task, domid: DomainId) -> Result<Operation<()>, Error> {
    control(registry, task, registry.client().library().domain_unpause(), domid)
}

pub(crate) fn destroy(registry: &Arc<Registry<Hosted>>, task: Task, domid: DomainId) -> Result<Operation<()>, Error> {
    operation::start(registry, task, Destroy(domid))
}

/// `None` if it has none.
pub(crate) fn name(registry: &Registry<Hosted>, task: Task, domid: DomainId) -> Result<Option<String>, Error> {
    question::ask(registry, task, |question| {
        let (hosted, ctx) = (question.hosted, question.ctx);
        // SAFETY: the ctx lives during `ask`; the string is ours to free.
        let name = unsafe { Hosted::take_string(hosted.library().domid_to_name(ctx, domid.get())) };
        if name.is_none() {
            hosted.link.check()?;
        }
        Ok(name)
    })
}

pub(crate) fn resume(registry: &Arc<Registry<Hosted>>, task: Task, domid: DomainId) -> Result<Operation<()>, Error> {
    operation::start(registry, task, Resume(domid))
}

fn control(
    registry: &Arc<Registry<Hosted>>,
    task: Task,
    form: DomainControl,
    domid: DomainId,
) -> Result<Operation<()>, Error> {
    match form {
        DomainControl::Blocking(control) => operation::run(registry, task, move |question| {
            // SAFETY: the ctx lives during the call.
            question.check(unsafe { control(question.ctx, domid.get()) })
        }),
        DomainControl::Asynchronous(control) => operation::start(registry, task, Control { control, domid }),
    }
}

/// Where libxl writes the number of a domain that it makes, for as long as the operation lasts ([E9]).
pub(crate) struct NewDomain(AtomicU32);

impl NewDomain {
    /// Before libxl has written it: `INVALID_DOMID`.
    const NONE: u32 = u32::MAX;

    pub(crate) fn as_ptr(&self) -> *mut u32 {
        self.0.as_ptr()
    }

    /// The result of what had this to write to.
    pub(crate) fn created(&self, result: Result<(), Error>) -> Result<DomainId, Error> {
        // Relaxed: libxl wrote it before its callback, and the delivery of that came through a lock.
        outcome(DomainId::new(self.0.load(Ordering::Relaxed)), result)
    }
}

impl Default for NewDomain {
    fn default() -> Self {
        Self(AtomicU32::new(Self::NONE))
    }
}

struct Create {
    config: Typed<DomainConfig>,
    domid: NewDomain,
}

impl Request for Create {
    type Output = DomainId;

    fn initiate(&self, library: &Library, ctx: *mut RawCtx, how: *const AsyncopHow) -> c_int {
        // SAFETY: `how` is this request's.
        let console = unsafe { operation::console_how::<Self>(how) };
        // SAFETY: the ctx is alive; configuration and domid live until the operation has ended (E9).
        unsafe { library.domain_create_new(ctx, self.config.as_ptr(), self.domid.as_ptr(), how, &console) }
    }

    fn finish(&self, result: Result<(), Error>) -> Result<DomainId, Error> {
        self.domid.created(result)
    }
}

struct Destroy(DomainId);

impl Action for Destroy {
    fn initiate(&self, library: &Library, ctx: *mut RawCtx, how: *const AsyncopHow) -> c_int {
        // SAFETY: the ctx is alive.
        unsafe { library.domain_destroy(ctx, self.0.get(), how) }
    }
}

struct Resume(DomainId);

impl Action for Resume {
    fn initiate(&self, library: &Library, ctx: *mut RawCtx, how: *const AsyncopHow) -> c_int {
        const SUSPEND_CANCEL: c_int = 1;
        // SAFETY: the ctx is alive.
        unsafe { library.domain_resume(ctx, self.0.get(), SUSPEND_CANCEL, how) }
    }
}

/// Pause, unpause, shutdown or reboot, from 4.13 on.
struct Control {
    control: unsafe extern "C" fn(*mut RawCtx, u32, *const AsyncopHow) -> c_int,
    domid: DomainId,
}

impl Action for Control {
    fn initiate(&self, _: &Library, ctx: *mut RawCtx, how: *const AsyncopHow) -> c_int {
        // SAFETY: the ctx is alive.
        unsafe { (self.control)(ctx, self.domid.get(), how) }
    }
}

/// Of failures, only an abort leaves a domain (libxl.h, at `libxl_domain_create_new`).
fn outcome(domid: DomainId, result: Result<(), Error>) -> Result<DomainId, Error> {
    match result {
        Ok(()) => Ok(domid),
        Err(error) if error.is_aborted() && domid.get() != NewDomain::NONE => {
            // Nobody may be left to read the error, as when a ctx is closed.
            say!(Warn, "an aborted creation left domain {domid} behind, half made: destroy it");
            Err(Error::Unfinished { domid, reason: Box::new(error) })
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use crate::words::Words;

    #[test]
    fn an_aborted_create_names_the_domain_that_it_left() {
        let failed = |rc| Err(Error::Libxl { doing: "test", code: Code(rc), words: Words::default(), refusal: None });
        const FIVE: DomainId = DomainId::new(5);
        let unfinished = outcome(FIVE, failed(codes::ERROR_ABORTED)).expect_err("it failed");
        assert!(matches!(unfinished, Error::Unfinished { domid: FIVE, .. }) && unfinished.is_aborted());
        let without = outcome(NewDomain::NONE.into(), failed(codes::ERROR_ABORTED)).expect_err("it failed");
        assert!(matches!(without, Error::Libxl { .. }));
        assert!(matches!(outcome(FIVE, failed(codes::ERROR_FAIL)), Err(Error::Libxl { .. })));
    }
}
