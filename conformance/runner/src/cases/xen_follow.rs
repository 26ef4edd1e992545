//! What another program does with real domains is followed.

use crate::case::DomainCase;
use crate::cases::follow::Follower;
use crate::cases::xen::end;
use crate::eventually::eventually;
use crate::hosts::{Adapter, Mode};
use crate::stage::Stage;
use crate::tiers::xen::{Dom0, Image, Type};
use anyhow::{Context, bail, ensure};
use std::path::{Path, PathBuf};
use xenlight::{Domain, DomainChange, DomainState, ShutdownReason};

/// Lists that missed what another program had made, and showed what failed creations had left:
/// <https://github.com/QubesOS/qubes-issues/issues/8840>, <https://github.com/QubesOS/qubes-issues/issues/825>.
pub(crate) static FOLLOWED: DomainCase = DomainCase {
    name: "xen-domains-followed",
    claim: "What xl does with domains is told with their names and uuids, and a creation of its that fails is never told as the end of a domain",
    clauses: &["O10"],
    types: &[Type::Pv, Type::Pvh],
    adapters: Adapter::ALL,
    // On a real Xen a domain takes long. In both modes there are the cases that follow the simulated machine.
    modes: &[Mode::Thread],
    run: followed,
};

/// A domain that xl makes, told from others by its uuid: it can have no name yet.
struct Made {
    name: String,
    uuid: String,
    file: PathBuf,
}

impl Made {
    fn new(dom0: &Dom0, folder: &Path, name: &str, kernel: &str, more: &str) -> anyhow::Result<Self> {
        // Each has a name of another length.
        let uuid = format!("{:08x}-0000-4000-8000-{:012x}", std::process::id(), name.len());
        let (file, name, kind) = (folder.join(format!("{name}.cfg")), dom0.name(name), dom0.kind.name());
        let text =
            format!("name='{name}'\nuuid='{uuid}'\ntype='{kind}'\nkernel='{kernel}'\nmemory=4\nvcpus=1\n{more}\n");
        std::fs::write(&file, text)?;
        Ok(Self { name, uuid, file })
    }

    /// Nothing of xl waits for its end.
    fn create(&self, dom0: &Dom0) -> anyhow::Result<String> {
        dom0.xl(&["create", "-e", "-p", self.file.to_str().context("a path of ours")?])
    }

    fn is(&self, domain: &Domain) -> bool {
        domain.uuid().to_string() == self.uuid
    }

    /// What is told of it, up to where this holds.
    fn until(&self, follower: &Follower, what: &str, wanted: impl Fn(&Domain) -> bool) -> anyhow::Result<Domain> {
        let mut told = Vec::new();
        loop {
            let (change, _) = follower.next().with_context(|| format!("{what}; it was told {told:?}"))?;
            match change {
                DomainChange::Appeared(now) | DomainChange::Changed { now, .. } if self.is(&now) => {
                    if wanted(&now) {
                        return Ok(now);
                    }
                    told.push((now.name, now.state));
                }
                DomainChange::Gone(gone) if self.is(&gone) => bail!("{what}: it is gone, after {told:?}"),
                DomainChange::Stale(error) => return Err(error.into()),
                _ => {}
            }
        }
    }

    fn until_gone(&self, follower: &Follower) -> anyhow::Result<Domain> {
        loop {
            match follower.next()?.0 {
                DomainChange::Gone(gone) if self.is(&gone) => return Ok(gone),
                DomainChange::Changed { now, .. } if self.is(&now) => {
                    ensure!(now.state == DomainState::Dying || now.is_living(), "{now:?}");
                }
                _ => {}
            }
        }
    }
}

fn followed(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let follower = Follower::start(opened.ctx.follow_domains()?);
    let watcher = opened.ctx.follow_domains()?;

    let idle = Made::new(dom0, &stage.folder, "idle", &dom0.kernel(Image::Idle)?, "")?;
    idle.create(dom0)?;
    let made = idle.until(&follower, "it is made", |now| now.state != DomainState::Making)?;
    ensure!(made.state == DomainState::Paused && made.name.as_ref() == Some(&idle.name), "{made:?}");
    ensure!(dom0.xl(&["domid", &idle.name])?.trim() == made.domid().to_string(), "{made:?}");
    let renamed = dom0.name("renamed");
    dom0.xl(&["rename", &idle.name, &renamed])?;
    idle.until(&follower, "it is renamed", |now| now.name.as_ref() == Some(&renamed))?;
    for (command, state) in
        [("unpause", DomainState::Running), ("pause", DomainState::Paused), ("unpause", DomainState::Running)]
    {
        dom0.xl(&[command, &renamed])?;
        watcher.refresh()?;
        idle.until(&follower, command, |now| now.state == state)?;
    }
    dom0.xl(&["destroy", &renamed])?;
    let gone = idle.until_gone(&follower)?;
    ensure!(gone.state != DomainState::Making, "its end is told as a failed creation: {gone:?}");

    let off = Made::new(dom0, &stage.folder, "poweroff", &dom0.kernel(Image::Poweroff)?, "")?;
    off.create(dom0)?;
    dom0.xl(&["unpause", &off.name])?;
    let shut_down = DomainState::Shutdown(ShutdownReason::Poweroff);
    off.until(&follower, "it is shut down", |now| now.state == shut_down)?;
    dom0.xl(&["destroy", &off.name])?;
    let gone = off.until_gone(&follower)?;
    ensure!(gone.state != DomainState::Making, "its end is told as a failed creation: {gone:?}");

    let junk = stage.folder.join("junk");
    std::fs::write(&junk, [7; 5000])?;
    let disk = "disk=['/nonexistent.img,raw,xvda,rw']";
    let mut failing = Vec::new();
    for (name, kernel, more) in [
        ("no-disk", &*dom0.kernel(Image::Idle)?, disk),
        ("no-kernel", "/nonexistent", ""),
        ("junk-kernel", junk.to_str().context("a path of ours")?, ""),
    ] {
        let bad = Made::new(dom0, &stage.folder, name, kernel, more)?;
        ensure!(bad.create(dom0).is_err(), "{name}: xl has created it");
        failing.push(bad);
    }
    watcher.refresh()?;
    eventually("the domains that failed are gone", || {
        opened.ctx.follow_domains().is_ok_and(|now| !now.list().any(|domain| failing.iter().any(|bad| bad.is(domain))))
    })?;
    drop(watcher);
    end(opened)?;
    let told = follower.rest()?;
    for bad in &failing {
        let mut before = None;
        for change in &told {
            let state = match change {
                DomainChange::Appeared(now) | DomainChange::Changed { now, .. } if bad.is(now) => now.state,
                DomainChange::Gone(gone) if bad.is(gone) => gone.state,
                _ => continue,
            };
            println!("{}: {change:?}", bad.name);
            ensure!(state == DomainState::Making, "{change:?} of a creation that failed");
            before = Some(change);
        }
        ensure!(matches!(before, None | Some(DomainChange::Gone(_))), "the last that was told is {before:?}");
    }
    Ok(())
}
