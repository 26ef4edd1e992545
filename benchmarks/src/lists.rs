//! How long it takes to list domains with name, state and configuration, beside xl and libvirtd: on a real Xen, such as the lab's.

use crate::figures::{Pair, table};
use crate::libvirtd::Libvirtd;
use crate::xl_file::XlFile;
use anyhow::{Context, ensure};
use futures_lite::future::block_on;
use glib::Priority;
use osevent_conformance::hosts::Host;
use osevent_conformance_loops::GlibHost;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Instant;
use xenlight::{Ctx, DomainId, Library};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many domains there are
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    domains: u32,
    /// How often each lists them, by turns
    #[arg(long, default_value_t = 11, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// The domain, as a file for xl with its name in a line of its own
    #[arg(long, default_value = "/lab/idle.cfg", value_name = "FILE")]
    config: PathBuf,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let libvirtd = Libvirtd::start()?;
    let host = GlibHost::start(Priority::DEFAULT)?;
    let attached = host.attach()?;
    let ctx = Ctx::open(&Library::load()?, attached.event_loop.clone())?;
    let xl_file = XlFile::read(&options.config)?;
    let domains = (0..options.domains)
        .map(|number| libvirtd.create(&libvirtd.xml_of_xl(&xl_file.named(&format!("listed-{number}")))?))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let other = options.config.with_file_name("beside.cfg");
    std::fs::write(&other, xl_file.named("beside"))?;

    let xl = Path::new("xl");
    let header = ["domains", "way", "xl list -l, ms", "by this, ms", "ratio", "10th to 90th percentile"];
    let mut shown = table(header);
    for beside in [false, true] {
        let is_over = AtomicBool::new(!beside);
        let rounds = thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Relaxed) {
                    for words in [["create", "-q"].as_slice(), &["destroy"]] {
                        let mut command = Command::new(xl);
                        let argument = if words[0] == "create" { other.as_os_str() } else { "beside".as_ref() };
                        // One that fails is tried again: it is only there to disturb.
                        _ = command.args(words).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
                    }
                }
            });
            let rounds = (0..=options.rounds)
                .map(|_| {
                    Ok([by_xl(xl, options.domains)?, by_libvirtd(&libvirtd, options)?, by_osevent(&ctx, options)?])
                })
                .collect::<anyhow::Result<Vec<_>>>();
            is_over.store(true, Relaxed);
            rounds
        })?;
        for (at, way) in [(1, "libvirtd"), (2, "osevent on GLib")] {
            // The first one is not counted.
            let pair = Pair::of(rounds[1..].iter().map(|round| (round[0], round[at])).collect());
            let [ratio, spread] = pair.ratio_shown();
            shown.add_row([
                format!("{}{}", options.domains, if beside { ", beside creations" } else { "" }),
                way.to_owned(),
                format!("{:.2}", pair.base.median()),
                format!("{:.2}", pair.measured.median()),
                ratio,
                spread,
            ]);
        }
    }
    println!("{shown}");
    domains.iter().try_for_each(|domain| domain.destroy())?;
    block_on(ctx.close());
    Ok(())
}

/// With its start, and all that it writes. In milliseconds, as all.
pub(crate) fn by_xl(xl: &Path, domains: u32) -> anyhow::Result<f64> {
    let began = Instant::now();
    let output = Command::new(xl).args(["list", "-l"]).output().context("no xl")?;
    let took = ms_since(began);
    let listed: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).context("xl lists nothing")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(listed.len() >= domains as usize, "xl lists {} domains: {said}", listed.len());
    Ok(took)
}

fn ms_since(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e3
}

fn by_libvirtd(libvirtd: &Libvirtd, options: &Options) -> anyhow::Result<f64> {
    let began = Instant::now();
    let listed = libvirtd.list()?;
    for domain in &listed {
        ensure!(domain.look()? > 0, "a domain has no configuration");
    }
    ensure!(listed.len() >= options.domains as usize, "libvirtd lists {} domains", listed.len());
    Ok(ms_since(began))
}

fn by_osevent(ctx: &Ctx, options: &Options) -> anyhow::Result<f64> {
    let began = Instant::now();
    let mut count = 0;
    for domain in ctx.domains()?.iter().filter(|domain| domain.domid != DomainId::DOM0) {
        let asked = (ctx.name(domain.domid), ctx.config(domain.domid));
        // One that is being created or destroyed beside has none.
        count += u32::from(asked.0.is_ok() && block_on(asked.1).is_ok());
    }
    ensure!(count >= options.domains, "{count} domains are listed");
    Ok(ms_since(began))
}
