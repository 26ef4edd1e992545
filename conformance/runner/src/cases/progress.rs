//! What operations report while they last, on a real Xen.

use crate::case::DomainCase;
use crate::cases::xen::{boot_answering, end};
use crate::hosts::{Adapter, Mode};
use crate::stage::Stage;
use crate::tiers::console::Console;
use crate::tiers::devices::{self, LoopDevice};
use crate::tiers::xen::{Image, Type};
use anyhow::{Context, ensure};
use futures_lite::StreamExt;
use futures_lite::future::{block_on, zip};
use osevent_conformance::outcome::Skip;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use xenlight::types::{Disk, DiskBackend, DiskFormat};
use xenlight::{Ctx, DomainConfig, DomainId, Error, Operation, Progress, Release};

pub(crate) static PROGRESS: DomainCase = DomainCase {
    name: "xen-progress",
    claim: "A creation and a restore report the domain's console, a save rising percentages up to 100, and a save that is aborted half-way none beyond",
    clauses: &["E1", "E6", "E9", "E12"],
    types: &[Type::Pv, Type::Pvh],
    // Loops differ in what xen-saved-and-restored shows, and this takes long.
    adapters: &[Adapter::Glib],
    modes: Mode::ALL,
    run: progress,
};

pub(crate) static BOOTLOADER: DomainCase = DomainCase {
    name: "xen-bootloader",
    claim: "A creation reports the console on which its bootloader asks, and goes on when it has the answer",
    clauses: &["E1", "E9", "S2"],
    types: &[Type::Pv],
    adapters: &[Adapter::Glib],
    modes: Mode::ALL,
    run: bootloader,
};

fn progress(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let name = dom0.name("answering");
    let config = dom0.config(Image::Answering, &name)?;
    let domid = boot_answering(dom0, &opened, &name)?;
    aborted_half_way(ctx, domid, &config)?;
    block_on(ctx.resume(domid))?;

    let path = stage.folder.join("saved");
    let (saved, told) = block_on(watched(ctx.save(domid, File::create_new(&path)?, &config)));
    saved?;
    let percents = percents(&told)?;
    let rises = percents.is_sorted_by(|one, next| one < next);
    ensure!(rises && percents.len() > 1 && percents.last() == Some(&100), "a save has reported {percents:?}");
    block_on(ctx.destroy(domid))?;

    let restored = created(block_on(watched(ctx.restore(File::open(&path)?))))?;
    block_on(ctx.destroy(restored))?;
    std::fs::remove_file(path)?;
    let again = created(block_on(watched(ctx.create(&config))))?;
    block_on(ctx.destroy(again))?;
    end(opened)
}

/// The result of an operation, and what it has reported.
pub(crate) async fn watched<T>(operation: Operation<T>) -> (Result<T, Error>, Vec<Progress>) {
    let reports = operation.progress();
    zip(operation, reports.collect()).await
}

pub(crate) fn percents(told: &[Progress]) -> anyhow::Result<Vec<u8>> {
    let percent = |progress: &Progress| match progress {
        Progress::Step { what, percent } if !what.is_empty() => Some(*percent),
        _ => None,
    };
    told.iter().map(|progress| percent(progress).with_context(|| format!("a save has reported {progress:?}"))).collect()
}

/// The domain, whose console was reported, once.
fn created((domid, told): (Result<DomainId, Error>, Vec<Progress>)) -> anyhow::Result<DomainId> {
    let domid = domid?;
    ensure!(told == [Progress::Console(domid)], "the creation of domain {domid} has reported {told:?}");
    Ok(domid)
}

/// Into a pipe of which half of the domain is read.
fn aborted_half_way(ctx: &Ctx, domid: DomainId, config: &DomainConfig) -> anyhow::Result<()> {
    let half = config.build_info.max_memory_kib.context("it has a size")? * 1024 / 2;
    let (from, to) = std::io::pipe()?;
    let save = ctx.save(domid, to, config);
    let read = std::io::copy(&mut (&from).take(half), &mut std::io::sink())?;
    ensure!(read == half, "the stream ended after {read} bytes");
    save.abort()?;
    let (saved, told) = block_on(watched(save));
    ensure!(saved.as_ref().is_err_and(Error::is_aborted), "an aborted save ended with {saved:?}");
    // How many are told depends on how soon libxl notices the abort.
    let percents = percents(&told)?;
    let rises = percents.is_sorted_by(|one, next| one < next);
    ensure!(rises && percents.iter().all(|percent| *percent < 100), "an aborted save has reported {percents:?}");
    Ok(())
}

/// Asks, and boots the kernel that libxl has named, by the file that libxl removes when it has read it.
const ASKS: &str = r#"#!/bin/sh
for argument; do
    case $argument in
    --kernel=*) kernel=${argument#*=} ;;
    --output=*) output=${argument#*=} ;;
    --output-directory=*) folder=${argument#*=} ;;
    esac
done
echo "which kernel?"
read -r answer
[ "$answer" = this ] || exit 1
cp "$kernel" "$folder/kernel"
printf 'kernel %s\0' "$folder/kernel" >"$output"
"#;

fn bootloader(stage: &Stage) -> anyhow::Result<()> {
    const SINCE: Release = Release::new(4, 10);
    if stage.library.release() < SINCE {
        return Err(Skip(format!("libxl has a bootloader elsewhere before {SINCE}")).into());
    }
    devices::check()?;
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let script = stage.folder.join("bootloader");
    File::options().write(true).create_new(true).mode(0o755).open(&script)?.write_all(ASKS.as_bytes())?;
    // libxl wants one to boot from.
    let disk = stage.folder.join(dom0.name("disk"));
    std::fs::write(&disk, [0; 4096])?;
    let device = LoopDevice::on(&disk)?;
    let mut config = dom0.config(Image::Idle, &dom0.name("bootloader"))?;
    config.build_info = config.build_info.bootloader(script.to_str().context("the folder's path is no UTF-8")?);
    config.disks =
        vec![Disk::default().vdev("xvda").pdev_path(&*device.path).format(DiskFormat::Raw).backend(DiskBackend::Phy)];

    let create = ctx.create(&config);
    let mut reports = create.progress();
    let console = block_on(reports.next());
    let Some(Progress::Console(domid)) = console else { anyhow::bail!("{console:?} instead of a console") };
    // It waits for the answer, so it is not complete.
    ensure!(ctx.info(domid)?.paused, "it runs");
    let mut console = Console::of(domid);
    console.expect("which kernel?")?;
    console.tell("this")?;
    let created = block_on(create)?;
    ensure!(created == domid, "domain {created} was created, not {domid}");
    let rest: Vec<_> = block_on(reports.collect());
    ensure!(rest.is_empty(), "the console was reported again: {rest:?}");
    block_on(ctx.destroy(domid))?;
    devices::expect_no_backends(domid)?;
    device.free()?;
    end(opened)
}
