//! How domains and their virtual CPUs share the processors.

use crate::ctx::Ctx;
use crate::error::Error;
use crate::task::Task;
use xenlight_sys::Release;
use xenlight_types::{Credit2Params, CreditParams, DomainId, SchedulerParams, VcpuSchedulerParams};

/// # Scheduling
///
/// Which parameters count depends on the [scheduler](Self::scheduler) of the domain's CPU pool. What is not set is left as it is.
impl Ctx {
    /// The scheduling parameters of a domain.
    ///
    /// # Errors
    /// [`Error::Libxl`], [`Error::NoSuchDomain`], [`Error::Closed`] or [`Error::Format`].
    pub fn scheduling(&self, domid: DomainId) -> Result<SchedulerParams, Error> {
        self.ask(Task::on("ask for a domain's scheduling", domid), |question| {
            question.filled(|library, ctx, params| {
                // SAFETY: the ctx lives during `ask`, the struct during the call.
                unsafe { library.domain_sched_params_get(ctx, domid.get(), params) }
            })
        })
    }

    /// Changes the scheduling parameters of a domain.
    ///
    /// # Errors
    /// [`Error::Libxl`] if a value is out of the scheduler's range; [`Error::NoSuchDomain`], [`Error::Config`],
    /// [`Error::ConfigNeeds`], [`Error::Closed`].
    ///
    /// ```no_run
    /// use xenlight::types::SchedulerParams;
    ///
    /// # fn example(ctx: xenlight::Ctx, domid: xenlight::DomainId) -> Result<(), xenlight::Error> {
    /// // Twice the share of other domains, but half a CPU at most.
    /// ctx.set_scheduling(domid, &SchedulerParams::default().weight(512).cap(50))?;
    /// # Ok(()) }
    /// ```
    pub fn set_scheduling(&self, domid: DomainId, params: &SchedulerParams) -> Result<(), Error> {
        self.ask(Task::on("set a domain's scheduling", domid), |question| {
            let params = question.given(params)?;
            let library = question.hosted.library();
            // SAFETY: the ctx lives during `ask`, the struct during the call.
            question.succeeded(unsafe { library.domain_sched_params_set(question.ctx, domid.get(), params.as_ptr()) })
        })
    }

    /// The scheduling parameters of each virtual CPU of a domain, for the scheduler RTDS. Xen 4.7 and later.
    ///
    /// # Errors
    /// [`Error::Libxl`] with another scheduler; [`Error::NoSuchDomain`], [`Error::Unsupported`], [`Error::Closed`],
    /// [`Error::Format`].
    pub fn vcpu_scheduling(&self, domid: DomainId) -> Result<VcpuSchedulerParams, Error> {
        self.ask(Task::on("ask for the scheduling of virtual CPUs", domid), |question| {
            let get = question.later(question.hosted.library().vcpu_sched_params_get_all(), Release::V4_7)?;
            // SAFETY: the ctx lives during `ask`, the struct during the call.
            question.filled(|_, ctx, params| unsafe { get(ctx, domid.get(), params) })
        })
    }

    /// Changes the scheduling parameters of virtual CPUs of a domain, for the scheduler RTDS. Xen 4.7 and later.
    ///
    /// # Errors
    /// Those of [`vcpu_scheduling`](Self::vcpu_scheduling), [`Error::Config`], [`Error::ConfigNeeds`].
    pub fn set_vcpu_scheduling(&self, domid: DomainId, params: &VcpuSchedulerParams) -> Result<(), Error> {
        self.ask(Task::on("set the scheduling of virtual CPUs", domid), |question| {
            let set = question.later(question.hosted.library().vcpu_sched_params_set(), Release::V4_7)?;
            let params = question.given(params)?;
            // SAFETY: the ctx lives during `ask`, the struct during the call.
            question.succeeded(unsafe { set(question.ctx, domid.get(), params.as_ptr()) })
        })
    }

    /// The settings of the scheduler credit in a CPU pool.
    ///
    /// # Errors
    /// [`Error::Libxl`] with another scheduler, or without such a pool; [`Error::Closed`], [`Error::Format`].
    pub fn credit_params(&self, pool: u32) -> Result<CreditParams, Error> {
        self.ask(Task::without("ask for the settings of the scheduler credit"), |question| {
            question.filled(|library, ctx, params| {
                // SAFETY: the ctx lives during `ask`, the struct during the call.
                unsafe { library.sched_credit_params_get(ctx, pool, params) }
            })
        })
    }

    /// Changes the settings of the scheduler credit in a CPU pool. All have to be set: start from
    /// [`credit_params`](Self::credit_params).
    ///
    /// # Errors
    /// Those of [`credit_params`](Self::credit_params); [`Error::Libxl`] also for a value that is out of range.
    pub fn set_credit_params(&self, pool: u32, params: &CreditParams) -> Result<(), Error> {
        self.ask(Task::without("change the settings of the scheduler credit"), |question| {
            let params = question.given(params)?;
            let library = question.hosted.library();
            // SAFETY: the ctx lives during `ask`, the struct during the call.
            question.succeeded(unsafe { library.sched_credit_params_set(question.ctx, pool, params.as_ptr()) })
        })
    }

    /// The settings of the scheduler credit2 in a CPU pool. Xen 4.8 and later.
    ///
    /// # Errors
    /// [`Error::Libxl`] with another scheduler, or without such a pool; [`Error::Unsupported`], [`Error::Closed`],
    /// [`Error::Format`].
    pub fn credit2_params(&self, pool: u32) -> Result<Credit2Params, Error> {
        self.ask(Task::without("ask for the settings of the scheduler credit2"), |question| {
            let get = question.later(question.hosted.library().sched_credit2_params_get(), Release::V4_8)?;
            // SAFETY: the ctx lives during `ask`, the struct during the call.
            question.filled(|_, ctx, params| unsafe { get(ctx, pool, params) })
        })
    }

    /// Changes the settings of the scheduler credit2 in a CPU pool. Xen 4.8 and later.
    ///
    /// # Errors
    /// Those of [`credit2_params`](Self::credit2_params); [`Error::Libxl`] also for a value that is out of range.
    pub fn set_credit2_params(&self, pool: u32, params: &Credit2Params) -> Result<(), Error> {
        self.ask(Task::without("change the settings of the scheduler credit2"), |question| {
            let set = question.later(question.hosted.library().sched_credit2_params_set(), Release::V4_8)?;
            let params = question.given(params)?;
            // SAFETY: the ctx lives during `ask`, the struct during the call.
            question.succeeded(unsafe { set(question.ctx, pool, params.as_ptr()) })
        })
    }
}
