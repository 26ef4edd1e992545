//! What becomes of a domain that has ended, or is ended in order to start again.
//!
//! libxl leaves it as it is. For a domain that xl made, a process of xl's does what its configuration says. For one that this program
//! made, this does.

use super::editing::waiting;
use super::work::{Steps, elsewhere};
use super::xen::Xen;
use super::{Config, Failure, State, Work};
use crate::i18n::gettext;
use xenlight::types::ShutdownAction;
use xenlight::{DomainConfig, DomainId, Error, ShutdownReason};

/// How the names of domains end that a migration has, at its source and at its target. If it does not take them back, the domain may run on the
/// other host.
const OF_MIGRATIONS: [&str; 2] = ["--migratedaway", "--incoming"];

impl Xen {
    /// Does what the configuration of a domain says about its end, if this program made it and it has ended.
    pub(crate) fn after_end(&self, domid: u32, state: State) -> Option<Work> {
        let domid = DomainId::new(domid);
        let has_ended = matches!(state, State::PoweredOff | State::Rebooting | State::Crashed | State::Stopped);
        if !has_ended || !self.disown(domid) {
            return None;
        }
        let xen = self.clone();
        Some(Work::steps(move |steps| async move {
            let ctx = xen.ctx().clone();
            let config = steps.run(&ctx, move |ctx| ctx.config(domid)).await?;
            let waiting = waiting(&ctx, domid).await?;
            match action(&config, state) {
                ShutdownAction::Restart => {
                    // Better not at all than to be gone. If it cannot be as it is to be, it is as before.
                    if let Err(failure) = xen.check(next(&config, waiting.as_ref())).await
                        && xen.check(config.clone().into()).await.is_err()
                    {
                        return Err(failure);
                    }
                    xen.again(&steps, domid, config, waiting).await
                }
                ShutdownAction::Destroy => Ok(steps.run(&ctx, move |ctx| ctx.destroy(domid)).await?),
                _ => Ok(()),
            }
        }))
    }

    /// Ends a domain at once and starts it again; once it is being ended, it cannot be aborted. No version of Xen has a reset button for a domain: it refuses that trigger.
    pub(super) fn reset(&self, domid: DomainId) -> Work {
        let xen = self.clone();
        Work::steps(move |steps| async move {
            let ctx = xen.ctx().clone();
            let config = steps.run(&ctx, move |ctx| ctx.config(domid)).await?;
            let waiting = waiting(&ctx, domid).await?;
            // What would keep it from being created is told while it is still there.
            xen.check(next(&config, waiting.as_ref())).await?;
            xen.is_here_only(domid).await?;
            xen.again(&steps, domid, config, waiting).await
        })
    }

    /// Fails if a domain may go on elsewhere, or is about to: started again, it would run twice, with one disk.
    async fn is_here_only(&self, domid: DomainId) -> Result<(), Failure> {
        let ctx = self.ctx().clone();
        let asked = elsewhere(move || Ok::<_, Error>((ctx.info(domid)?, ctx.name(domid)?.unwrap_or_default())));
        let (info, name) = asked.await?;
        let why = if self.is_leaving(domid) {
            gettext("It is being saved or migrated.")
        } else if OF_MIGRATIONS.iter().any(|end| name.ends_with(end)) {
            gettext(
                "A migration has left it, and it may run on the other host. Look there: if it does, destroy this one; if not, rename it first.",
            )
        } else if info.shutdown == Some(ShutdownReason::Suspend) {
            gettext("It is suspended, as by a save or a migration, and may go on elsewhere.")
        } else {
            return Ok(());
        };
        Err(Failure::new(why))
    }

    /// Destroys a domain and starts it again, with the configuration that has waited for that, if there is one. It cannot be aborted.
    async fn again(
        &self,
        steps: &Steps,
        domid: DomainId,
        config: DomainConfig,
        waiting: Option<Config>,
    ) -> Result<(), Failure> {
        let ctx = self.ctx();
        steps.settle()?;
        self.disown(domid);
        steps.run(ctx, move |ctx| ctx.destroy(domid)).await?;
        let mut refused = None;
        if let Some(waiting) = waiting {
            match steps.run(ctx, move |ctx| ctx.create(&waiting.0)).await {
                Ok(domid) => return self.start(steps, ctx, domid).await,
                Err(error) => refused = Some(error),
            }
        }
        // Better as before than not at all. The reason is that of the new one.
        let domid = steps.run(ctx, move |ctx| ctx.create(&config)).await?;
        self.start(steps, ctx, domid).await?;
        refused.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// What it is to be started with.
fn next(config: &DomainConfig, waiting: Option<&Config>) -> Config {
    waiting.cloned().unwrap_or_else(|| config.clone().into())
}

/// Of those that are not offered here, such as a dump of its memory, the domain stays as it is, for its user to decide.
fn action(config: &DomainConfig, state: State) -> ShutdownAction {
    let action = match state {
        State::PoweredOff => &config.on_poweroff,
        State::Rebooting => &config.on_reboot,
        State::Crashed => &config.on_crash,
        _ => &config.on_watchdog,
    };
    action.clone().unwrap_or(ShutdownAction::Destroy)
}
