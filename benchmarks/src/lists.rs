//! How long it takes to list domains with name, state and configuration, beside xl and libvirtd: on a real Xen, such as the lab's.

use crate::figures::{Pair, table};
use crate::libvirtd::Libvirtd;
use crate::xl_file::XlFile;
use anyhow::{Context, ensure};
use futures_lite::StreamExt;
use futures_lite::future::{block_on, poll_once};
use glib::Priority;
use osevent_conformance::hosts::Host;
use osevent_conformance_loops::GlibHost;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Instant;
use xenlight::{Ctx, DomainConfig, DomainId, Domains, Library, Operation};

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

/// Those that list, by turns.
const WAYS: [&str; 5] = [
    "xl list -l",
    "libvirtd",
    "osevent on GLib",
    "osevent on GLib, which follows the domains",
    "osevent on GLib, which follows the domains, as kept",
];

/// What those that follow the domains ask for.
pub(crate) type Configs = fn(&Ctx, Vec<DomainId>) -> Vec<Operation<DomainConfig>>;

/// What each took in each round, in milliseconds.
type Rounds = Vec<[f64; WAYS.len()]>;

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let header = ["domains", "way", "xl list -l, ms", "by this, ms", "ratio", "10th to 90th percentile"];
    let mut shown = table(header);
    for (when, rounds) in list(&Libvirtd::start()?, options.domains, options.rounds, &options.config)? {
        for (at, way) in WAYS.iter().enumerate().skip(1) {
            let pair = pair(&rounds, 0, at);
            let [ratio, spread] = pair.ratio_shown();
            shown.add_row([
                format!("{}, {when}", options.domains),
                (*way).to_owned(),
                format!("{:.2}", pair.base.median()),
                format!("{:.2}", pair.measured.median()),
                ratio,
                spread,
            ]);
        }
    }
    println!("{shown}");
    Ok(())
}

/// The lists of an osevent that follows the domains, also as kept, against those of the others, each at rest and beside creations.
pub(crate) fn measure(
    libvirtd: &Libvirtd,
    count: u32,
    rounds: u32,
    config: &Path,
) -> anyhow::Result<Vec<(String, Pair)>> {
    let [others @ .., _, _] = WAYS;
    let followed = [("", others.len()), (" as kept", others.len() + 1)];
    let mut all = Vec::new();
    for (when, rounds) in list(libvirtd, count, rounds, config)? {
        for (how, measured) in followed {
            for (at, other) in others.iter().enumerate() {
                all.push((format!("listed {when}{how}, against {other}"), pair(&rounds, at, measured)));
            }
        }
    }
    Ok(all)
}

/// The first round is not counted.
fn pair(rounds: &Rounds, base: usize, measured: usize) -> Pair {
    Pair::of(rounds[1..].iter().map(|round| (round[base], round[measured])).collect())
}

fn list(libvirtd: &Libvirtd, count: u32, rounds: u32, config: &Path) -> anyhow::Result<[(&'static str, Rounds); 2]> {
    let host = GlibHost::start(Priority::DEFAULT)?;
    let attached = host.attach()?;
    let ctx = Ctx::open(&Library::load()?, attached.event_loop.clone())?;
    let xl_file = XlFile::read(config)?;
    let created = libvirtd.create_many(count, &xl_file, "listed")?;
    let other = config.with_file_name("beside.cfg");
    std::fs::write(&other, xl_file.named("beside"))?;
    let began = Instant::now();
    let mut domains = ctx.follow_domains()?;
    let follows = ms_since(began);
    println!(
        "follows the domains after {follows:.0} ms, has the first list {:.0} ms later",
        by_follower(&ctx, &mut domains, count, Ctx::followed_configs)?
    );
    let mut all = || {
        let round = |_| {
            Ok([
                by_xl(Path::new("xl"), count)?,
                by_libvirtd(libvirtd, count)?,
                by_osevent(&ctx, count)?,
                by_follower(&ctx, &mut domains, count, Ctx::followed_configs)?,
                by_follower(&ctx, &mut domains, count, Ctx::followed_configs_as_kept)?,
            ])
        };
        (0..=rounds).map(round).collect()
    };
    let listed = [("at rest", all()?), ("beside creations", beside_creations(&other, all)?)];
    drop(domains);
    created.iter().try_for_each(|domain| domain.destroy())?;
    block_on(ctx.close());
    Ok(listed)
}

/// Does it while xl creates a domain of the file and destroys it, again and again.
fn beside_creations<T>(file: &Path, act: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Relaxed) {
                for words in [["create", "-q"].as_slice(), &["destroy"]] {
                    let mut command = Command::new("xl");
                    let argument = if words[0] == "create" { file.as_os_str() } else { "beside".as_ref() };
                    // One that fails is tried again: it is only there to disturb.
                    _ = command.args(words).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
                }
            }
        });
        let done = act();
        is_over.store(true, Relaxed);
        done
    })
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

fn by_libvirtd(libvirtd: &Libvirtd, count: u32) -> anyhow::Result<f64> {
    let began = Instant::now();
    let listed = libvirtd.list()?;
    for domain in &listed {
        ensure!(domain.look()? > 0, "a domain has no configuration");
    }
    ensure!(listed.len() >= count as usize, "libvirtd lists {} domains", listed.len());
    Ok(ms_since(began))
}

fn by_osevent(ctx: &Ctx, count: u32) -> anyhow::Result<f64> {
    let began = Instant::now();
    let mut listed = 0;
    for domain in ctx.domains()?.iter().filter(|domain| domain.domid != DomainId::DOM0) {
        let asked = (ctx.name(domain.domid), ctx.config(domain.domid));
        // One that is being created or destroyed beside has none.
        listed += u32::from(asked.0.is_ok() && block_on(asked.1).is_ok());
    }
    ensure!(listed >= count, "{listed} domains are listed");
    Ok(ms_since(began))
}

/// Whose domains are followed: names and states are at hand, and the configurations that have not changed are kept.
pub(crate) fn by_follower(ctx: &Ctx, domains: &mut Domains, count: u32, configs: Configs) -> anyhow::Result<f64> {
    let began = Instant::now();
    while let Some(Some(_)) = block_on(poll_once(domains.next())) {}
    let all: Vec<_> = domains.list().filter(|domain| domain.domid() != DomainId::DOM0).collect();
    let configs = configs(ctx, all.iter().map(|domain| domain.domid()).collect());
    let mut listed = 0;
    for (domain, config) in all.iter().zip(configs) {
        // As above.
        listed += u32::from(domain.name.is_some() && block_on(config).is_ok());
    }
    ensure!(listed >= count, "{listed} domains are listed");
    Ok(ms_since(began))
}
