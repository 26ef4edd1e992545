//! Domains that end at once and start again.

use std::sync::Arc;

use xenlight::{Ctx, DomainId, Error, ShutdownReason};

use crate::failure::JobError;
use crate::job::Job;
use crate::saving::info;

/// Ends the domain and starts it again with its configuration.
///
/// From the destroy on, nothing is given up if the job is cancelled: it would leave no domain.
pub(crate) async fn reset(job: Arc<Job>, ctx: Arc<Ctx>, domid: DomainId) -> Result<(), JobError> {
    // Suspended in order to be elsewhere, by a migration of another program for one: it may run there.
    if info(&ctx, domid).await?.shutdown == Some(ShutdownReason::Suspend) {
        return Err(Error::StandsStill { doing: "reset a domain", domid }.into());
    }
    let config = job.wait(ctx.config(domid)).await?;
    ctx.check_config(&config)?;
    ctx.destroy(domid).await?;
    let again = ctx.create(&config).await.map_err(|reason| JobError::AfterReset { is_there: false, reason })?;
    ctx.unpause(again).await.map_err(|reason| JobError::AfterReset { is_there: true, reason })
}
