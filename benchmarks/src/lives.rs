//! How long it takes to create domains and destroy them, against xl: on a real Xen, such as the lab's.

use crate::figures::{Pair, ms, table};
use anyhow::{Context, ensure};
use futures_lite::future::block_on;
use glib::Priority;
use osevent_conformance::hosts::Host;
use osevent_conformance_loops::GlibHost;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use xenlight::{Ctx, DomainConfig, Library};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many domains each of both creates and destroys, by turns
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    domains: u32,
    /// The domain, as a file for xl
    #[arg(long, default_value = "/lab/idle.cfg", value_name = "FILE")]
    config: PathBuf,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let host = GlibHost::start(Priority::DEFAULT)?;
    let attached = host.attach()?;
    let ctx = Ctx::open(&Library::load()?, attached.event_loop.clone())?;
    let config = xenlight::config_by_xl(&options.config)?;
    let mut created = vec![];
    let mut destroyed = vec![];
    for _ in 0..=options.domains {
        let (of_xl, of_osevent) = (by_xl(&options.config, &config)?, by_osevent(&ctx, &config)?);
        created.push((of_xl.created, of_osevent.created));
        destroyed.push((of_xl.destroyed, of_osevent.destroyed));
    }
    let whole = created.iter().zip(&destroyed).map(|(one, other)| (one.0 + other.0, one.1 + other.1)).collect();
    let mut shown = table(["of so many domains", "xl, ms", "osevent on GLib, ms", "ratio", "10th to 90th percentile"]);
    for (what, times) in [("created", created), ("destroyed", destroyed), ("both", whole)] {
        // Not counted: the first one, which loads what it needs.
        let pair = Pair::of(times[1..].iter().map(|(xl, osevent)| (xl.as_secs_f64(), osevent.as_secs_f64())).collect());
        shown.add_row([
            format!("{what}, {}", options.domains),
            ms(Duration::from_secs_f64(pair.base.median())),
            ms(Duration::from_secs_f64(pair.measured.median())),
            format!("{:.2}", pair.ratio.median()),
            format!("{:.2} to {:.2}", pair.ratio.quantile(10), pair.ratio.quantile(90)),
        ]);
    }
    println!("{shown}");
    block_on(ctx.close());
    Ok(())
}

struct Life {
    created: Duration,
    destroyed: Duration,
}

/// A process for each, as in a script.
fn by_xl(file: &Path, config: &DomainConfig) -> anyhow::Result<Life> {
    let xl = |command: &str, argument: &Path| -> anyhow::Result<Duration> {
        let began = Instant::now();
        let status = Command::new("xl").arg(command).arg(argument).stdout(Stdio::null()).status();
        ensure!(status.context("no xl")?.success(), "xl {command} has failed");
        Ok(began.elapsed())
    };
    let name = config.name();
    Ok(Life { created: xl("create", file)?, destroyed: xl("destroy", Path::new(name))? })
}

/// Created and started, as xl does.
fn by_osevent(ctx: &Ctx, config: &DomainConfig) -> anyhow::Result<Life> {
    let began = Instant::now();
    let domid = block_on(ctx.create(config))?;
    block_on(ctx.unpause(domid))?;
    let created = began.elapsed();
    let began = Instant::now();
    block_on(ctx.destroy(domid))?;
    Ok(Life { created, destroyed: began.elapsed() })
}
