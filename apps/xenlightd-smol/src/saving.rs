//! Domains into files and to other hosts, and back. The files and the connections are those of the callers, who pass them open: what somebody
//! may not open, this service does not open for him.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use xenlight::{Ctx, DomainId, DomainInfo, Error, Operation, Receiving, Sending, ShutdownReason};

use crate::aside;
use crate::failure::JobError;
use crate::job::Job;

/// Saves a domain, and ends it unless it is to be kept. If the save fails, it goes on.
pub(crate) async fn save(
    job: Arc<Job>,
    ctx: Arc<Ctx>,
    domid: DomainId,
    file: OwnedFd,
    keep: bool,
) -> Result<(), JobError> {
    // Suspended by another, such as a migration: it must not go on here, which it would after the save.
    if shutdown(&ctx, domid).await?.is_some() {
        return Err(Error::StandsStill { doing: "save a domain", domid }.into());
    }
    let config = job.wait(ctx.config(domid)).await?;
    let saving = ctx.clone();
    let saved = match begun(move || saving.save(domid, file, &config)).await {
        Ok(save) => job.wait(save).await,
        Err(error) => Err(error),
    };
    if let Err(error) = saved {
        // The reason is the save's; that the rest does not work either says nothing more.
        if let Ok(Some(ShutdownReason::Suspend)) = shutdown(&ctx, domid).await {
            let _ = ctx.resume(domid).await;
        }
        return Err(error.into());
    }
    let after = if keep { ctx.resume(domid) } else { ctx.destroy(domid) };
    match after.await {
        // It has ended already.
        Err(error) if !keep && error.is_no_such_domain() => Ok(()),
        ended => ended.map_err(|reason| JobError::AfterSave { keep, reason }),
    }
}

/// Why it stands still, if it does.
async fn shutdown(ctx: &Arc<Ctx>, domid: DomainId) -> Result<Option<ShutdownReason>, Error> {
    Ok(info(ctx, domid).await?.shutdown)
}

async fn info(ctx: &Arc<Ctx>, domid: DomainId) -> Result<DomainInfo, Error> {
    let ctx = ctx.clone();
    aside::done(move || ctx.info(domid)).await?
}

/// Restores a domain, which then runs unless it is to stay paused.
pub(crate) async fn restore(job: Arc<Job>, ctx: Arc<Ctx>, file: OwnedFd, paused: bool) -> Result<(), Error> {
    let restoring = ctx.clone();
    let domid = job.wait(begun(move || restoring.restore(file)).await?).await?;
    job.is_about(info(&ctx, domid).await?.uuid);
    if paused { Ok(()) } else { job.wait(ctx.unpause(domid)).await }
}

/// Sends a domain to another host. xenlight sees to it that it runs on one of both.
pub(crate) async fn migrate(
    job: Arc<Job>,
    ctx: Arc<Ctx>,
    domid: DomainId,
    (to, from): (OwnedFd, OwnedFd),
    live: bool,
) -> Result<(), Error> {
    job.wait(begun(move || ctx.migrate(domid, Sending::over(to, from).live(live))).await?).await
}

/// Receives a domain from another host, which then runs unless it is to stay paused.
pub(crate) async fn receive(
    job: Arc<Job>,
    ctx: Arc<Ctx>,
    (from, to): (OwnedFd, OwnedFd),
    paused: bool,
) -> Result<(), Error> {
    let receiving = ctx.clone();
    let receive = begun(move || receiving.receive(Receiving::over(from, to).paused(paused))).await?;
    let domid = job.wait(receive).await?;
    // It is received, even if it is gone already.
    if let Ok(info) = info(&ctx, domid).await {
        job.is_about(info.uuid);
    }
    Ok(())
}

/// Writes a domain's memory to a file, to which [`may_be_dumped_to`](crate::files::may_be_dumped_to) has agreed.
pub(crate) async fn dump(job: Arc<Job>, ctx: Arc<Ctx>, domid: DomainId, file: OwnedFd) -> Result<(), Error> {
    // libxl opens a path only.
    job.wait(ctx.dump_core(domid, format!("/proc/self/fd/{}", file.as_raw_fd()))).await
}

/// Beginning waits for libxl's lock, which another operation can have.
async fn begun<T: Send + 'static>(
    begin: impl FnOnce() -> Operation<T> + Send + 'static,
) -> Result<Operation<T>, Error> {
    Ok(aside::done(begin).await?)
}
