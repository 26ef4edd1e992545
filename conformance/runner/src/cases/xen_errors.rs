//! Why a real Xen makes no domain of it: libxl's words, on the operations that people meet. On one loop, since the loop has no part in it.

use crate::case::DomainCase;
use crate::cases::device::no_child_is_left;
use crate::cases::save_file::{STREAM, header};
use crate::cases::xen::boot_answering;
use crate::eventually::eventually;
use crate::hosts::{Adapter, Mode};
use crate::stage::Stage;
use crate::tiers::program::run;
use crate::tiers::xen::{Dom0, Image, Type};
use anyhow::{Context, ensure};
use futures_lite::future::block_on;
use serde_json::{Value, json};
use std::fs::File;
use std::io::ErrorKind;
use std::path::PathBuf;
use xenlight::{DomainConfig, Error};

pub(crate) static CREATE: DomainCase = DomainCase {
    name: "xen-errors-of-create",
    claim: "A missing kernel, a junk one, too much memory, a missing disk and a doubled name are each told, and leave no domain",
    clauses: &["E12"],
    types: &[Type::Pv, Type::Pvh],
    adapters: &[Adapter::Glib],
    modes: Mode::ALL,
    run: create,
};

pub(crate) static SIDE_BY_SIDE: DomainCase = DomainCase {
    name: "xen-errors-side-by-side",
    claim: "Two threads make domains that fail for different reasons, on one ctx, and none has the other's words",
    clauses: &["E12", "O8"],
    types: &[Type::Pv, Type::Pvh],
    adapters: &[Adapter::Glib],
    modes: Mode::ALL,
    run: side_by_side,
};

pub(crate) static SAVE: DomainCase = DomainCase {
    name: "xen-errors-of-save",
    claim: "A disk that is full during a save is told, also at libxl's first bytes, and so is an abort at once; the domain goes on when it is resumed",
    clauses: &["E14"],
    // What the Linux of a PV domain takes to save would be long.
    types: &[Type::Pvh],
    adapters: &[Adapter::Glib],
    modes: Mode::ALL,
    run: save,
};

pub(crate) static RESTORE: DomainCase = DomainCase {
    name: "xen-errors-of-restore",
    claim: "A save file whose stream is junk is refused where libxl would end the process, else told by its helper's words",
    clauses: &["E12", "E14"],
    types: &[Type::Pv, Type::Pvh],
    adapters: &[Adapter::Glib],
    modes: Mode::ALL,
    run: restore,
};

pub(crate) static DESTROYED_TWICE: DomainCase = DomainCase {
    name: "xen-destroyed-twice",
    claim: "A second destroy of a domain is told that another is at work, or that the domain is gone; the first succeeds",
    clauses: &["E13"],
    types: &[Type::Pv, Type::Pvh],
    adapters: &[Adapter::Glib],
    modes: Mode::ALL,
    run: destroyed_twice,
};

/// The configuration of a domain without a system, changed.
fn changed(dom0: &Dom0, name: &str, change: impl FnOnce(&mut Value)) -> anyhow::Result<DomainConfig> {
    let mut config = serde_json::from_str(&dom0.config(Image::Idle, name)?.to_json())?;
    change(&mut config);
    Ok(DomainConfig::from_json(&config.to_string())?)
}

fn create(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let before = ctx.domains()?.len();
    let name = dom0.name("bad");
    let junk = stage.folder.join("junk");
    std::fs::write(&junk, [7; 5000])?;
    let with_kernel = |kernel: &str| changed(dom0, &name, |config| config["b_info"]["kernel"] = kernel.into());
    let disk =
        json!([{ "pdev_path": "/nonexistent.img", "vdev": "xvda", "backend": "phy", "format": "raw", "readwrite": 1 }]);
    let too_much = changed(dom0, &name, |config| {
        config["b_info"]["max_memkb"] = (100_000 << 10).into();
        config["b_info"]["target_memkb"] = (100_000 << 10).into();
    })?;
    let twin = dom0.name("twin");
    let domid = block_on(ctx.create(&dom0.config(Image::Idle, &twin)?))?;
    for (what, config, word) in [
        ("a missing kernel", with_kernel("/nonexistent")?, "No such file"),
        ("a junk kernel", with_kernel(junk.to_str().context("a path of ours")?)?, "kernel"),
        ("too much memory", too_much, "mem"),
        ("a missing disk", changed(dom0, &name, |config| config["disks"] = disk)?, "nonexistent.img"),
        ("a doubled name", dom0.config(Image::Idle, &twin)?, "already exists"),
    ] {
        let error = block_on(ctx.create(&config)).err().with_context(|| format!("{what} was taken"))?;
        println!("{what}: {error}");
        ensure!(error.words().iter().any(|line| line.text.contains(word) && line.certain), "{what}: {error:?}");
        ensure!(error.to_string().contains("; libxl said: "), "{what}: {error}");
    }
    block_on(ctx.destroy(domid))?;
    // A page of a PVH domain can be somebody's still when its destruction is over, and Xen lists it until it is not.
    eventually("Xen lists no domain more than before", || ctx.domains().is_ok_and(|domains| domains.len() == before))
        .with_context(|| format!("failed creations left domains: {:?}", ctx.domains()))?;
    no_child_is_left()?;
    opened.close()
}

fn side_by_side(stage: &Stage) -> anyhow::Result<()> {
    const TIMES: usize = 5;
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let attempt = |which: &'static str, other: &'static str| {
        move || -> anyhow::Result<()> {
            for _ in 0..TIMES {
                let name = dom0.name(which);
                let kernel = format!("/nonexistent-{which}");
                let config = changed(dom0, &name, |config| config["b_info"]["kernel"] = kernel.into())?;
                let error = block_on(ctx.create(&config)).err().context("a missing kernel was taken")?;
                ensure!(error.words().iter().any(|line| line.text.contains(which)), "{which}: {error:?}");
                ensure!(error.words().iter().all(|line| !line.text.contains(other)), "{which}: {error:?}");
            }
            Ok(())
        }
    };
    std::thread::scope(|scope| {
        let threads = [scope.spawn(attempt("left", "right")), scope.spawn(attempt("right", "left"))];
        threads.into_iter().try_for_each(|thread| thread.join().expect("an attempt does not panic"))
    })?;
    no_child_is_left()?;
    opened.close()
}

fn save(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let name = dom0.name("answering");
    let domid = boot_answering(dom0, &opened, &name)?;
    let config = dom0.config(Image::Answering, &name)?;
    let is_full = |error: &Error| matches!(error, Error::Io { reason, .. } if reason.kind() == ErrorKind::StorageFull);
    // Less than the header, just the header, and less than the domain.
    for (config, size) in
        [(as_long_as(4097, &config)?, 4 << 10), (as_long_as(4096, &config)?, 4 << 10), (config.clone(), 256 << 10)]
    {
        let disk = SmallDisk::mount(stage.folder.join("small"), &format!("size={size}"))?;
        let file = File::create_new(disk.0.join("saved"))?;
        let error =
            block_on(ctx.save(domid, file, &config)).err().with_context(|| format!("4 MB went into {size} bytes"))?;
        println!("a disk of {size} bytes: {error}");
        ensure!(is_full(&error), "{error:?}");
        if ctx.info(domid)?.shutdown.is_some() {
            block_on(ctx.resume(domid))?;
        }
    }
    let save = ctx.save(domid, File::create_new(stage.folder.join("saved"))?, &config);
    save.abort()?;
    let error = block_on(save).err().context("it was saved before it was aborted")?;
    ensure!(error.is_aborted(), "{error:?}");
    if ctx.info(domid)?.shutdown.is_some() {
        block_on(ctx.resume(domid))?;
    }
    // That it answers shows that it runs.
    block_on(ctx.shutdown(domid))?;
    eventually("it has shut down", || ctx.info(domid).is_ok_and(|info| info.shutdown.is_some()))?;
    block_on(ctx.destroy(domid))?;
    no_child_is_left()?;
    opened.close()
}

/// The configuration with another command line: what `xl save` would write before the stream has then this length.
fn as_long_as(length: usize, config: &DomainConfig) -> anyhow::Result<DomainConfig> {
    let with = |line: &str| -> anyhow::Result<DomainConfig> {
        let mut config: Value = serde_json::from_str(&config.to_json())?;
        config["b_info"]["cmdline"] = line.into();
        Ok(DomainConfig::from_json(&config.to_string())?)
    };
    let missing = length.checked_sub(header(&with("")?.to_json()).len()).context("it is longer already")?;
    with(&"x".repeat(missing))
}

/// A file system in memory, which goes with this.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: PathBuf, options: &str) -> anyhow::Result<Self> {
        std::fs::create_dir(&folder)?;
        let path = folder.to_str().context("a path of ours")?;
        run("mount", &["-t", "tmpfs", "-o", options, "tmpfs", path])?;
        Ok(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Nothing is open in it any more; where that is not so, the file system goes with the machine.
        let _ = run("umount", &[&self.0.to_string_lossy()]);
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// A header as `xl save` writes it, and then nonsense.
fn restore(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let header = header(&dom0.config(Image::Idle, &dom0.name("junk"))?.to_json());
    let path = stage.folder.join("saved");
    let attempt = |stream: &[u8]| -> anyhow::Result<Error> {
        std::fs::write(&path, [&header, stream, &[7; 4096]].concat())?;
        block_on(ctx.restore(File::open(&path)?)).err().context("nonsense was restored")
    };
    let error = attempt(&[])?;
    ensure!(matches!(error, Error::SaveFile(_)), "{error:?}");
    // What libxl's helper reads is nonsense.
    let error = attempt(STREAM)?;
    println!("a junk stream: {error}");
    ensure!(error.words().iter().any(|line| line.text.contains("Invalid marker") && line.certain), "{error:?}");
    no_child_is_left()?;
    opened.close()
}

fn destroyed_twice(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let domid = block_on(ctx.create(&dom0.config(Image::Idle, &dom0.name("idle"))?))?;
    let first = ctx.destroy(domid);
    let second = block_on(ctx.destroy(domid));
    block_on(first)?;
    ensure!(
        matches!(second, Err(Error::BeingDestroyed { .. } | Error::NoSuchDomain { .. })),
        "the second ended with {second:?}"
    );
    no_child_is_left()?;
    opened.close()
}
