//! Configurations of domains that are followed are kept, until another program changes something.

use crate::case::{Case, DomainCase};
use crate::cases::xen::end;
use crate::hosts::{Adapter, Mode};
use crate::stage::Stage;
use crate::tiers::devices::LoopDevice;
use crate::tiers::libxl::{FIVE, Pretend};
use crate::tiers::xen::{Image, Type};
use crate::tiers::{Machine, Tier};
use anyhow::{Context, ensure};
use futures_lite::future::block_on;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use xenlight::types::{Disk, DiskBackend, DiskFormat, Nic, SchedulerParams, ShutdownAction};
use xenlight::{Ctx, DomainConfig, DomainId, DomainInfo};

pub(crate) static KEPT: DomainCase = DomainCase {
    name: "config-kept",
    claim: "The configuration of a domain that is followed is kept, and after each change by another program it is as libxl tells it",
    clauses: &["O10"],
    types: &[Type::Pv, Type::Pvh],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: kept,
};

pub(crate) static KEPT_ON_XEN: DomainCase = DomainCase {
    name: "xen-config-kept",
    // What is tried is the machine, on which each change takes long.
    types: &[Type::Pv],
    adapters: &[Adapter::Glib],
    modes: &[Mode::Thread],
    ..KEPT
};

pub(crate) static NEVER_STALE: Case = Case {
    name: "config-never-stale",
    claim: "While a domain's name, libxl's file about it and who has its number change all the time, each configuration has what was changed before it was asked for",
    clauses: &["O10"],
    tiers: &[Tier::Libxl],
    // What is tried is this side of the loop.
    adapters: &[Adapter::Glib],
    modes: Mode::ALL,
    run: never_stale,
};

pub(crate) static ASKED: Case = Case {
    name: "config-asked-for",
    claim: "Where the domains are followed, a configuration that is asked for has none of them read again",
    clauses: &["O10"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: asked_for,
};

/// Looks at a domain's configuration as a program does that follows the domains.
pub(crate) struct Looking<'a> {
    ctx: &'a Ctx,
    domid: DomainId,
    /// libxl's files.
    files: Files,
    last: DomainConfig,
}

impl<'a> Looking<'a> {
    /// Nobody follows the domains yet.
    pub(crate) fn begin(stage: &Stage, ctx: &'a Ctx, domid: DomainId) -> anyhow::Result<Self> {
        let files = Files::of(&stage.machine, &ctx.info(domid)?)?;
        Ok(Self { ctx, domid, files, last: block_on(ctx.config(domid))? })
    }

    fn look(&self) -> anyhow::Result<DomainConfig> {
        Ok(block_on(self.ctx.followed_config(self.domid))?)
    }

    fn look_as_kept(&self) -> anyhow::Result<DomainConfig> {
        let mut one = self.ctx.followed_configs_as_kept([self.domid]);
        Ok(block_on(one.pop().context("there is an operation for each domain")?)?)
    }

    /// Nothing has changed since the beginning.
    pub(crate) fn expect_first(&self) -> anyhow::Result<()> {
        ensure!(self.look()? == self.last);
        self.expect_kept("the first time")
    }

    /// Nothing was kept, or it has changed since the last time.
    pub(crate) fn expect_change(&mut self, what: &str) -> anyhow::Result<()> {
        let (now, truth) = (self.look()?, block_on(self.ctx.config(self.domid))?);
        ensure!(now == truth, "{what}: {} instead of {}", now.to_json(), truth.to_json());
        ensure!(now != self.last, "{what} has changed nothing");
        self.last = now;
        self.expect_kept(what)
    }

    /// It is told without libxl, which cannot tell it.
    fn expect_kept(&self, what: &str) -> anyhow::Result<()> {
        let shut = self.files.shut()?;
        let (now, of_libxl) = (self.look(), block_on(self.ctx.config(self.domid)));
        drop(shut);
        ensure!(of_libxl.is_err(), "libxl tells what it should not be able to");
        let now = now.with_context(|| format!("nothing is kept after: {what}"))?;
        ensure!(now == self.last, "after: {what}: {} instead of {}", now.to_json(), self.last.to_json());
        let mut as_kept = self.look_as_kept()?;
        // The only thing that may be another.
        as_kept.build_info.sched_params = now.build_info.sched_params.clone();
        ensure!(as_kept == now, "after: {what}: {} is kept", as_kept.to_json());
        Ok(())
    }

    fn expect_not_kept(&self) -> anyhow::Result<()> {
        let shut = self.files.shut()?;
        let now = self.look();
        drop(shut);
        ensure!(now.is_err(), "something is kept: {now:?}");
        Ok(())
    }
}

/// What libxl has about a domain in files.
struct Files {
    config: PathBuf,
    lock: PathBuf,
}

impl Files {
    fn of(machine: &Machine, DomainInfo { domid, uuid, .. }: &DomainInfo) -> anyhow::Result<Self> {
        let folder = match machine {
            Machine::Libxl(pretend) => pretend.state_folder()?,
            Machine::Xen(_) | Machine::Pair(..) => PathBuf::from("/var/lib/xen"),
        };
        let file = |kind: &str, name: &str| folder.join(format!("userdata-{kind}.{domid}.{uuid}.{name}"));
        Ok(Self { config: file("d", "libxl-json"), lock: file("l", "domain-userdata-lock") })
    }

    /// Replaces the configuration's, as libxl does.
    fn replace(&self, config: &DomainConfig) -> anyhow::Result<()> {
        let new = self.config.with_extension("new");
        fs::write(&new, config.to_json() + "\0")?;
        Ok(fs::rename(new, &self.config)?)
    }

    /// While this is there, libxl cannot tell the configuration: what it would lock is a folder.
    fn shut(&self) -> anyhow::Result<Shut<'_>> {
        // It is left by who had it last.
        if self.lock.exists() {
            fs::remove_file(&self.lock)?;
        }
        fs::create_dir(&self.lock)?;
        Ok(Shut(&self.lock))
    }
}

struct Shut<'a>(&'a Path);

impl Drop for Shut<'_> {
    fn drop(&mut self) {
        // Else the next question fails.
        let _ = fs::remove_dir(self.0);
    }
}

fn kept(stage: &Stage) -> anyhow::Result<()> {
    const MEMORY: u64 = 8 << 10;
    let opened = stage.open()?;
    // Another program.
    let elsewhere = stage.open()?;
    let other = &elsewhere.ctx;
    let name = stage.machine.name("kept");
    let mut config = stage.machine.config(Image::Idle, &name)?;
    let build = config.build_info.clone().max_vcpus(2).avail_vcpus(0..2);
    config.build_info = build.max_memory_kib(MEMORY).target_memory_kib(MEMORY);
    let domid = block_on(other.create(&config))?;

    let mut looking = Looking::begin(stage, &opened.ctx, domid)?;
    ensure!(looking.look()? == looking.last);
    looking.expect_not_kept()?;
    let domains = opened.ctx.follow_domains()?;
    looking.expect_first()?;

    other.rename(domid, &stage.machine.name("renamed"))?;
    looking.expect_change("a new name")?;
    other.set_memory_target_kib(domid, MEMORY / 2, false)?;
    looking.expect_change("another target of its memory")?;
    block_on(other.set_online_vcpus(domid, &(0..1).collect()))?;
    looking.expect_change("one processor less")?;
    other.set_scheduling(domid, &SchedulerParams::default().weight(512))?;
    looking.expect_change("another weight")?;
    let weight = |config: DomainConfig| config.build_info.sched_params.weight;
    ensure!(weight(looking.look_as_kept()?) != Some(512), "the scheduler is asked for what is to be as it is kept");
    let mut replaced = looking.last.clone();
    replaced.on_crash = Some(ShutdownAction::Preserve);
    looking.files.replace(&replaced)?;
    looking.expect_change("another file of libxl's")?;
    ensure!(weight(looking.look_as_kept()?) == Some(512), "the scheduler was not asked with the rest");

    let (device, path) = disk_device(stage)?;
    let disk = Disk::default().vdev("xvdb").pdev_path(&path).format(DiskFormat::Raw).backend(DiskBackend::Phy);
    let disk = block_on(other.attach(domid, &disk.readwrite(true)))?;
    looking.expect_change("a new disk")?;
    block_on(other.destroy_device(domid, &disk))?;
    looking.expect_change("a disk less")?;
    device.map(LoopDevice::free).transpose()?;
    if let Machine::Libxl(_) = stage.machine {
        let nic = block_on(other.attach(domid, &Nic::default().bridge("nowhere")))?;
        looking.expect_change("a new network interface")?;
        block_on(other.destroy_device(domid, &nic))?;
        looking.expect_change("a network interface less")?;
    }
    if let Machine::Xen(dom0) = &stage.machine {
        dom0.xl(&["rename", &dom0.name("renamed"), &dom0.name("by-xl")])?;
        looking.expect_change("a name that xl has given")?;
    }

    drop(domains);
    opened.expect_idle()?;
    looking.expect_not_kept()?;
    block_on(other.destroy(domid))?;
    let gone = looking.look();
    ensure!(gone.is_err(), "{gone:?}");
    elsewhere.close()?;
    end(opened)
}

/// What a disk can be on.
fn disk_device(stage: &Stage) -> anyhow::Result<(Option<LoopDevice>, String)> {
    // Found by this name if the case cannot remove what is on it.
    let file = stage.folder.join(stage.machine.name("disk"));
    fs::write(&file, [0; 4096])?;
    match stage.machine {
        Machine::Libxl(_) => Ok((None, file.to_str().context("the temporary folder's path is no UTF-8")?.to_owned())),
        Machine::Xen(_) | Machine::Pair(..) => {
            let device = LoopDevice::on(&file)?;
            let path = device.path.clone();
            Ok((Some(device), path))
        }
    }
}

const CHANGES: u32 = 200;

/// All that libxl makes a domain's configuration of.
pub(crate) fn keep_configuration(pretend: &Pretend, info: &DomainInfo) -> anyhow::Result<()> {
    for (node, kib) in [("target", "4096"), ("static-max", "4096"), ("videoram", "0")] {
        pretend.store.write(&format!("/local/domain/{}/memory/{node}", info.domid), kib.as_bytes())?;
    }
    pretend.keep_configuration(info)
}

fn never_stale(stage: &Stage) -> anyhow::Result<()> {
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let info = ctx.info(FIVE)?;
    keep_configuration(pretend, &info)?;
    let files = Files::of(&stage.machine, &info)?;
    let mut config = block_on(ctx.config(FIVE))?;
    let [even, odd] = ["even", "odd"].map(|line| {
        config.build_info = config.build_info.clone().cmdline(line);
        config.clone()
    });
    let domains = ctx.follow_domains()?;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        // Others have it kept again at any moment, also between a change and the question about it.
        let asking = [(); 2].map(|()| {
            scope.spawn(|| {
                let mut asked = 0;
                // Relaxed: it tells when to end, no more.
                while !is_over.load(Ordering::Relaxed) {
                    block_on(ctx.followed_config(FIVE))?;
                    asked += 1;
                }
                anyhow::Ok(asked)
            })
        });
        let changed = (0..CHANGES).try_for_each(|number| {
            let expected = match number % 3 {
                0 => {
                    // Is as it was, for whoever was asking meanwhile.
                    let (first, last) = if number % 2 == 0 { (&odd, &even) } else { (&even, &odd) };
                    files.replace(first)?;
                    files.replace(last)?;
                    last.build_info.cmdline.clone()
                }
                _ => {
                    let name = format!("five-{number}");
                    pretend.store.write(&format!("/local/domain/{FIVE}/name"), name.as_bytes())?;
                    Some(name)
                }
            };
            let now = block_on(ctx.followed_config(FIVE))?;
            let found = if number % 3 == 0 { now.build_info.cmdline } else { now.create_info.name };
            ensure!(found == expected, "{found:?} instead of {expected:?}, after change {number}");
            Ok(())
        });
        is_over.store(true, Ordering::Relaxed);
        for asking in asking {
            let asked = asking.join().map_err(|_| anyhow::anyhow!("who asks has panicked"))??;
            ensure!(asked > 0 || changed.is_err(), "nobody has asked meanwhile");
        }
        changed
    })?;

    // Another domain gets the number: the one with what was kept, and one without.
    let mut looking = Looking::begin(stage, ctx, FIVE)?;
    looking.expect_first()?;
    for round in 1..=16 {
        pretend.replace(FIVE, [round; 16])?;
        let info = ctx.info(FIVE)?;
        pretend.keep_configuration(&info)?;
        looking.files = Files::of(&stage.machine, &info)?;
        let (now, truth) = (looking.look()?, block_on(ctx.config(FIVE))?);
        ensure!(now == truth, "{} instead of {}", now.to_json(), truth.to_json());
        ensure!(now.create_info.uuid == Some(info.uuid), "{now:?}");
    }
    drop(domains);
    opened.close()
}

fn asked_for(stage: &Stage) -> anyhow::Result<()> {
    const TIMES: u64 = 50;
    let pretend = stage.machine.pretend()?;
    let opened = stage.open()?;
    keep_configuration(pretend, &opened.ctx.info(FIVE)?)?;
    let hypercalls = || -> anyhow::Result<u64> {
        let before = pretend.hypercalls();
        for _ in 0..TIMES {
            block_on(opened.ctx.config(FIVE))?;
        }
        Ok(pretend.hypercalls() - before)
    };
    let alone = hypercalls()?;
    let domains = opened.ctx.follow_domains()?;
    let followed = hypercalls()?;
    // A reading takes several. There are a few readings for the beginning.
    ensure!(followed < alone + TIMES, "{followed} hypercalls instead of {alone}");
    drop(domains);
    opened.close()
}
