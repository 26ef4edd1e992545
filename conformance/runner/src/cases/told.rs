//! What xenstored tells of the domains, where another thread than the loop's takes it.

use crate::case::Case;
use crate::cases::kept::keep_configuration;
use crate::hosts::{Adapter, Mode};
use crate::stage::{Opened, Stage};
use crate::tiers::Tier;
use crate::tiers::libxl::{FIVE, Pretend};
use anyhow::{Context, ensure};
use futures_lite::StreamExt;
use futures_lite::future::{block_on, poll_once};
use osevent_core::{EventLoop, FdSource, Interest, Readiness};
use xenlight::{DomainChange, Domains};

pub(crate) static TAKEN: Case = Case {
    name: "told-to-another-thread",
    claim: "Where another thread has taken what was told, the domains are read for it once, and not again for the fd that was ready before",
    clauses: &["O10"],
    tiers: &[Tier::Libxl],
    // What is tried is this side of the loop.
    adapters: &[Adapter::Glib],
    modes: Mode::ALL,
    run: taken,
};

pub(crate) static XENSTORED_FAILS: Case = Case {
    name: "told-before-xenstored-fails",
    claim: "What a thread was told before xenstored has failed to answer it reaches all who follow the domains",
    run: xenstored_fails,
    ..TAKEN
};

/// The domains are followed, and the loop serves none of the fds for that: the case makes their occurrences.
struct Followed<'a> {
    pretend: &'a Pretend,
    opened: &'a Opened,
    domains: Domains,
    bell: FdSource,
    told: FdSource,
}

impl<'a> Followed<'a> {
    fn begin(stage: &'a Stage, opened: &'a Opened) -> anyhow::Result<Self> {
        let pretend = stage.machine.pretend()?;
        keep_configuration(pretend, &opened.ctx.info(FIVE)?)?;
        let (domains, held) = opened.recorder.hold(|| opened.ctx.follow_domains());
        let [bell, told, _link] = held.try_into().ok().context("three fds are watched")?;
        let mut followed = Self { pretend, opened, domains: domains?, bell, told };
        followed.expect_name("the beginning", None)?;
        // What is watched for configurations is watched from now on.
        block_on(opened.ctx.followed_config(FIVE))?;
        followed.expect_name("the first configuration", None)?;
        Ok(followed)
    }

    fn rename(&self, name: &str) -> anyhow::Result<()> {
        Ok(self.pretend.store.write(&format!("/local/domain/{FIVE}/name"), name.as_bytes())?)
    }

    /// The loop is called to read the domains, and does: then the domain is told to have this name, or nothing is told.
    fn expect_name(&mut self, what: &str, name: Option<&str>) -> anyhow::Result<()> {
        ensure!(self.is_readable(&self.bell), "{what}: nobody has called for a reading");
        ensure!(self.bell.ready(Readiness::IN) && !self.is_readable(&self.bell), "{what}: the loop was not asked");
        let change = block_on(poll_once(self.domains.next()));
        let told = match &change {
            Some(Some(DomainChange::Changed { now, .. })) if now.domid() == FIVE => now.name.as_deref(),
            None => None,
            other => anyhow::bail!("{what}: {other:?}"),
        };
        ensure!(told == name, "{what}: {told:?} instead of {name:?}");
        Ok(())
    }

    fn is_readable(&self, source: &FdSource) -> bool {
        self.opened.recorder.confirm(source.fd(), Interest::IN, Readiness::IN) == Readiness::IN
    }
}

fn taken(stage: &Stage) -> anyhow::Result<()> {
    let opened = stage.open()?;
    let mut followed = Followed::begin(stage, &opened)?;
    followed.rename("five")?;
    let config = block_on(opened.ctx.followed_config(FIVE))?;
    ensure!(config.create_info.name.as_deref() == Some("five"), "{:?}", config.create_info.name);
    ensure!(!followed.is_readable(&followed.told), "it was not taken");

    // A loop has seen it ready before, and comes to it now.
    let before = followed.pretend.hypercalls();
    ensure!(followed.told.ready(Readiness::IN), "the loop was not asked");
    ensure!(followed.pretend.hypercalls() == before, "the domains were read");
    followed.expect_name("a new name", Some("five"))?;
    ensure!(followed.pretend.hypercalls() > before, "readings are not counted");
    drop(followed);
    opened.close()
}

fn xenstored_fails(stage: &Stage) -> anyhow::Result<()> {
    /// So much is told that xenstored is asked whether there is more.
    const MANY: u32 = 64;
    let opened = stage.open()?;
    let mut followed = Followed::begin(stage, &opened)?;
    for number in 1..=MANY {
        followed.rename(&format!("five-{number}"))?;
    }
    // It answers that once.
    followed.pretend.store.fail_read("/", 1)?;
    let last = format!("five-{MANY}");
    let config = block_on(opened.ctx.followed_config(FIVE))?;
    ensure!(config.create_info.name.as_ref() == Some(&last), "{:?}", config.create_info.name);
    ensure!(followed.pretend.store.failed_reads() == 1, "xenstored has not failed");
    followed.expect_name("a new name", Some(&last))?;
    drop(followed);
    opened.close()
}
