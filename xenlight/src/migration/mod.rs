//! Live migration, in the protocol of `xl migrate` and `xl migrate-receive`.

pub(crate) mod course;
mod end;
pub(crate) mod peer;
pub(crate) mod relay;
pub(crate) mod source;
mod stream;
mod target;
mod write_signals;

#[cfg(doc)]
use crate::contract::*;
use crate::ctx::Ctx;
use crate::error::Error;
#[cfg(doc)]
use crate::migration_state::MigrationState;
use crate::operation::Operation;
use crate::save_file::Mode;
use source::Source;
use std::os::fd::OwnedFd;
use xenlight_types::{DomainConfig, DomainId};

/// How to send a domain, for [`Ctx::migrate`].
#[derive(Debug)]
#[must_use = "nothing is sent before `migrate`"]
pub struct Sending {
    to: OwnedFd,
    from: OwnedFd,
    config: Option<DomainConfig>,
    live: bool,
}

impl Sending {
    /// Over a connection: what is written to `to` comes to the target, and what the target says is read from `from`. Two pipes will do, or
    /// two fds of one socket, or the standard input and output of an ssh.
    pub fn over(to: impl Into<OwnedFd>, from: impl Into<OwnedFd>) -> Self {
        Self { to: to.into(), from: from.into(), config: None, live: true }
    }

    /// Sets the configuration that the target makes the domain from. The default is the [present one](Ctx::config).
    pub fn config(mut self, config: DomainConfig) -> Self {
        self.config = Some(config);
        self
    }

    /// Sets whether the domain goes on running until most of its memory is sent, which is the default.
    pub fn live(mut self, live: bool) -> Self {
        self.live = live;
        self
    }
}

/// How to receive a domain, for [`Ctx::receive`].
#[derive(Debug)]
#[must_use = "nothing is received before `receive`"]
pub struct Receiving {
    from: OwnedFd,
    to: OwnedFd,
    paused: bool,
}

impl Receiving {
    /// Over a connection: what the source says is read from `from`, and what is written to `to` comes to the source.
    pub fn over(from: impl Into<OwnedFd>, to: impl Into<OwnedFd>) -> Self {
        Self { from: from.into(), to: to.into(), paused: false }
    }

    /// Sets whether the domain stays paused at the end: [`unpause`](Ctx::unpause) it then. By default it runs.
    pub fn paused(mut self, paused: bool) -> Self {
        self.paused = paused;
        self
    }
}

/// # Migration
///
/// One side [sends](Ctx::migrate) a domain, the other one [receives](Ctx::receive) it; each side may also be `xl`, as `xl migrate` and
/// `xl migrate-receive`. Both run on a thread of their own, and go on if the future is dropped. [`abort`](Operation::abort) and a close
/// of the ctx end them early: the source resumes the domain, the target destroys its copy.
///
/// At every moment the domain runs once at most, whatever fails. The error is [`Error::Migration`], which says where it is then, and what
/// remains to be done. There is one moment at which neither side can know: after the source has permitted the target to
/// start the domain, and before the target has reported that it has. If the connection breaks then, the source keeps the domain
/// suspended, and it is up to you ([`MigrationState::Unknown`]). From that moment on an abort waits for the report for up to 10 s.
/// Before, it waits for up to 60 s for a domain that has been asked to suspend.
///
/// During a migration the domain has the name `NAME--incoming` at the target, and in the end `NAME--migratedaway` at the source.
impl Ctx {
    /// Sends the domain to another host, where it goes on running, and destroys it here. The connection is closed at the end.
    ///
    /// Its disks are not sent: the target needs the same ones at the same places. Set the connection up first, with something at its
    /// other end that receives: `xl migrate-receive`, or [`receive`](Self::receive). A [watch](Self::watch_death) reports the
    /// suspension as a shutdown ([E11]).
    ///
    /// # Errors
    /// Those of [all operations](#a-domains-life), [`Error::StandsStill`] or [`Error::BeingMigrated`] if the migration cannot be begun;
    /// otherwise [`Error::Migration`].
    ///
    /// ```no_run
    /// # async fn example(ctx: xenlight::Ctx, domid: xenlight::DomainId) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::process::{Command, Stdio};
    /// use xenlight::{Error, MigrationState, Sending};
    ///
    /// let mut ssh = Command::new("ssh")
    ///     .args(["other-host", "xl", "migrate-receive"])
    ///     .stdin(Stdio::piped())
    ///     .stdout(Stdio::piped())
    ///     .spawn()?;
    /// let (to, from) = (ssh.stdin.take().expect("piped"), ssh.stdout.take().expect("piped"));
    /// match ctx.migrate(domid, Sending::over(to, from)).await {
    ///     Err(Error::Migration { state: MigrationState::AtSource, reason, .. }) => println!("it stays here: {reason}"),
    ///     result => result?,
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn migrate(&self, domid: DomainId, sending: Sending) -> Operation<()> {
        let Sending { to, from, config, live } = sending;
        Operation::begun(|| {
            const DOING: &str = "migrate a domain";
            // Suspended by another: resumed here, it could run twice.
            if self.info(domid)?.shutdown.is_some() {
                return Err(Error::StandsStill { doing: DOING, domid });
            }
            let name = self.name(domid)?.unwrap_or_default();
            let config = match config {
                Some(config) => {
                    self.check_config(&config)?;
                    Operation::ready(Ok(config))
                }
                None => self.config(domid),
            };
            let source = Source { domid, name, mode: if live { Mode::Live } else { Mode::Stopped } };
            course::start(&self.registry, DOING, Some(domid), move |registry, course| {
                source.migrate(registry, course, config, (to, from))
            })
        })
    }

    /// Receives a domain from another host, and resolves to its number once it runs here. The connection is closed at the end.
    ///
    /// # Errors
    /// Those of [all operations](#a-domains-life), if the migration cannot be begun; otherwise [`Error::Migration`].
    ///
    /// ```no_run
    /// # async fn example(ctx: xenlight::Ctx) -> Result<(), Box<dyn std::error::Error>> {
    /// use std::net::TcpListener;
    /// use xenlight::Receiving;
    ///
    /// let (from, _) = TcpListener::bind("192.0.2.1:8002")?.accept()?;
    /// let to = from.try_clone()?;
    /// let domid = ctx.receive(Receiving::over(from, to)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn receive(&self, receiving: Receiving) -> Operation<DomainId> {
        let Receiving { from, to, paused } = receiving;
        Operation::begun(|| {
            course::start(&self.registry, "receive a domain", None, move |registry, course| {
                target::receive(registry, course, (from, to), paused)
            })
        })
    }
}
