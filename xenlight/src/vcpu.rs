//! The virtual CPUs of domains: which are online, and where they run.

use crate::ctx::Ctx;
use crate::error::Error;
use crate::operation::{self, Action, Operation};
use crate::set::Given;
use crate::task::Task;
use core::ffi::c_int;
use core::ptr;
use std::collections::BTreeSet;
use xenlight_sys::by_release::{VcpuAffinity, VcpuOnline};
use xenlight_sys::domain::{AsyncopHow, Bitmap};
use xenlight_sys::{Ctx as RawCtx, Library, Release, codes};
use xenlight_types::{DomainId, VcpuInfo};

/// # Virtual CPUs
impl Ctx {
    /// The virtual CPUs of a domain: their state, their time, and where they may run.
    ///
    /// # Errors
    /// [`Error::Libxl`], [`Error::NoSuchDomain`], [`Error::Closed`] or [`Error::Format`].
    pub fn vcpus(&self, domid: DomainId) -> Result<Vec<VcpuInfo>, Error> {
        self.ask(Task::on("list the virtual CPUs of a domain", domid), |question| {
            let mut cpus = 0;
            question.array(|library, ctx, count| {
                // SAFETY: the ctx lives during `ask`; both numbers are written during the call.
                unsafe { library.list_vcpu(ctx, domid.get(), count, &mut cpus) }
            })
        })
    }

    /// Sets the CPUs on which a virtual CPU may run (`hard`) and on which it should (`soft`; Xen 4.5 and later). `None` leaves a set
    /// as it is.
    ///
    /// # Errors
    /// [`Error::Libxl`] if there is no such virtual CPU, or none of the CPUs is in the domain's pool; [`Error::NoSuchDomain`],
    /// [`Error::Unsupported`], [`Error::Closed`].
    ///
    /// ```no_run
    /// # fn example(ctx: xenlight::Ctx, domid: xenlight::DomainId) -> Result<(), xenlight::Error> {
    /// // The first virtual CPU runs on CPUs 2 and 3 only.
    /// ctx.set_vcpu_affinity(domid, 0, Some(&[2, 3].into()), None)?;
    /// # Ok(()) }
    /// ```
    pub fn set_vcpu_affinity(
        &self,
        domid: DomainId,
        vcpu: u32,
        hard: Option<&BTreeSet<u32>>,
        soft: Option<&BTreeSet<u32>>,
    ) -> Result<(), Error> {
        self.ask(Task::on("set the affinity of a virtual CPU", domid), |question| {
            if hard.is_none() && soft.is_none() {
                return Ok(());
            }
            let library = question.hosted.library();
            let rc = match (library.set_vcpuaffinity(), hard) {
                (VcpuAffinity::Hard(set), Some(hard)) if soft.is_none() => {
                    // SAFETY: the ctx lives during `ask`.
                    let cpus = question.number(unsafe { library.get_max_cpus(question.ctx) })?;
                    // It reads that many, whatever the size.
                    let hard = Given::at_least(hard, cpus)?;
                    // SAFETY: the ctx lives during `ask`, the set during the call.
                    unsafe { set(question.ctx, domid.get(), vcpu, hard.as_ptr()) }
                }
                (VcpuAffinity::Hard(_), _) => return question.later(None, Release::V4_5),
                (VcpuAffinity::HardAndSoft(set), hard) => {
                    let (hard, soft) = (hard.map(Given::new).transpose()?, soft.map(Given::new).transpose()?);
                    // SAFETY: the ctx lives during `ask`, the sets during the call; NULL leaves a set as it is.
                    unsafe { set(question.ctx, domid.get(), vcpu, pointer(&hard), pointer(&soft)) }
                }
            };
            question.succeeded(rc)
        })
    }

    /// [`set_vcpu_affinity`](Self::set_vcpu_affinity) for a virtual CPU that its domain has bound to a CPU for the time being. Xen 4.7 and
    /// later.
    ///
    /// # Errors
    /// Those of [`set_vcpu_affinity`](Self::set_vcpu_affinity).
    pub fn force_vcpu_affinity(
        &self,
        domid: DomainId,
        vcpu: u32,
        hard: Option<&BTreeSet<u32>>,
        soft: Option<&BTreeSet<u32>>,
    ) -> Result<(), Error> {
        self.ask(Task::on("force the affinity of a virtual CPU", domid), |question| {
            let force = question.later(question.hosted.library().set_vcpuaffinity_force(), Release::V4_7)?;
            let (hard, soft) = (hard.map(Given::new).transpose()?, soft.map(Given::new).transpose()?);
            // SAFETY: the ctx lives during `ask`, the sets during the call; NULL leaves a set as it is.
            question.succeeded(unsafe { force(question.ctx, domid.get(), vcpu, pointer(&hard), pointer(&soft)) })
        })
    }

    /// Sets which of its virtual CPUs a domain uses: those in `online`, counted from 0. The domain has to cooperate, by its
    /// kernel (PV, PVH) or by its device model's firmware tables (HVM).
    ///
    /// # Errors
    /// [`Error::Libxl`] if the domain has fewer virtual CPUs, or its device model does not answer; those of [all
    /// operations](Self#a-domains-life).
    pub fn set_online_vcpus(&self, domid: DomainId, online: &BTreeSet<u32>) -> Operation<()> {
        let task = Task::on("set the online virtual CPUs of a domain", domid);
        let set = match Given::new(online) {
            Ok(set) => set,
            Err(error) => return Operation::ready(Err(error)),
        };
        Operation::begun(|| match self.library().sys().set_vcpuonline() {
            VcpuOnline::Blocking(put) => operation::run(&self.registry, task, move |question| {
                // SAFETY: the ctx lives during the call, as does the set.
                question.succeeded(unsafe { put(question.ctx, domid.get(), set.as_ptr()) })
            }),
            VcpuOnline::Asynchronous(put) => operation::start(&self.registry, task, Online { domid, set, put }),
        })
    }
}

/// NULL leaves a set as it is.
fn pointer(set: &Option<Given>) -> *mut Bitmap {
    set.as_ref().map_or(ptr::null_mut(), Given::as_ptr)
}

struct Online {
    domid: DomainId,
    set: Given,
    put: unsafe extern "C" fn(*mut RawCtx, u32, *mut Bitmap, *const AsyncopHow) -> c_int,
}

impl Action for Online {
    fn initiate(&self, _: &Library, ctx: *mut RawCtx, how: *const AsyncopHow) -> c_int {
        // SAFETY: the ctx is alive; the set lives until the operation has ended (E9).
        match unsafe { (self.put)(ctx, self.domid.get(), self.set.as_ptr(), how) } {
            rc if rc > 0 => codes::ERROR_FAIL,
            rc => rc,
        }
    }
}
