//! Domains that end at once and start again.

use std::sync::Arc;

use xenlight::{Ctx, DomainConfig, DomainId, Error, ShutdownReason};

use crate::aside;
use crate::failure::JobError;
use crate::job::Job;

/// Ends the domain and starts it again with its configuration.
///
/// From the destroy on, nothing is given up if the job is cancelled: it would leave no domain.
pub(crate) async fn reset(job: Arc<Job>, ctx: Arc<Ctx>, domid: DomainId) -> Result<(), JobError> {
    let config = job.wait(ctx.config(domid)).await?;
    let checking = ctx.clone();
    let config = aside::done(move || checked(&checking, domid, config)).await??;
    ctx.destroy(domid).await?;
    let again = ctx.create(&config).await.map_err(|reason| JobError::AfterReset { is_there: false, reason })?;
    ctx.unpause(again).await.map_err(|reason| JobError::AfterReset { is_there: true, reason })
}

/// The configuration, if the domain can be made of it and may be ended now. Waits for libxl's lock.
fn checked(ctx: &Ctx, domid: DomainId, config: DomainConfig) -> Result<DomainConfig, Error> {
    ctx.check_config(&config)?;
    xenlight::check_files(&config)?;
    // Suspended in order to be elsewhere, by a migration of another program for one: it may run there. This is looked at last.
    match ctx.info(domid)?.shutdown {
        Some(ShutdownReason::Suspend) => Err(Error::StandsStill { doing: "reset a domain", domid }),
        _ => Ok(config),
    }
}
