//! How long it takes to create domains and destroy them, against xl: on a real Xen, such as the lab's.

use crate::figures::{Pair, table};
use crate::libvirtd::Libvirtd;
use crate::said;
use crate::xl_file::XlFile;
use anyhow::{Context, ensure};
use futures_lite::future::block_on;
use glib::Priority;
use osevent_conformance::hosts::Host;
use osevent_conformance_loops::GlibHost;
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use xenlight::{Ctx, DomainConfig, Library};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many domains each way creates and destroys, by turns with the others
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    domains: u32,
    /// How many of them live at the same time
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    together: u32,
    /// Also by libvirtd, which is started: `lab --libvirt` gives dom0 one
    #[arg(long)]
    libvirtd: bool,
    /// At last, writes what libxl says during one life by osevent, with the time of each line
    #[arg(long, value_name = "FILE")]
    said: Option<PathBuf>,
    /// The domain, as a file for xl with its name in a line of its own
    #[arg(long, default_value = "/lab/idle.cfg", value_name = "FILE")]
    config: PathBuf,
}

/// One of those that live at the same time, for each way.
struct Domain {
    file: PathBuf,
    config: DomainConfig,
    xml: Option<CString>,
}

struct Life {
    created: Duration,
    destroyed: Duration,
}

type Way<'a> = Box<dyn Fn(&[Domain]) -> anyhow::Result<Life> + 'a>;

type Part = fn(&Life) -> Duration;

/// All of a life.
pub(crate) const WHOLE: &str = "created and destroyed";

/// The parts of a life, with all of it at last.
const PARTS: [(&str, Part); 3] = [
    ("created", |life| life.created),
    ("destroyed", |life| life.destroyed),
    (WHOLE, |life| life.created + life.destroyed),
];

/// What a pool has.
const CTXS: usize = 4;

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let host = GlibHost::start(Priority::DEFAULT)?;
    let attached = host.attach()?;
    let library = Library::load()?;
    let ctxs =
        (0..CTXS).map(|_| Ok(Ctx::open(&library, attached.event_loop.clone())?)).collect::<anyhow::Result<Vec<_>>>()?;
    let libvirtd = options.libvirtd.then(Libvirtd::start).transpose()?;
    let domains = prepared(options.together, &options.config, libvirtd.as_ref())?;

    let mut ways: Vec<(&str, Way<'_>)> = vec![
        ("xl, one after the other", Box::new(|domains| by_xl(domains, false))),
        ("osevent on GLib, one after the other", Box::new(|domains| one_by_one(&ctxs[0], domains))),
    ];
    if options.together > 1 {
        ways.push(("xl, all at once", Box::new(|domains| by_xl(domains, true))));
        ways.push(("osevent on GLib, all at once", Box::new(|domains| at_once(&ctxs[..1], domains))));
        ways.push(("osevent on GLib, all at once on 4 ctxs", Box::new(|domains| at_once(&ctxs, domains))));
    }
    if let Some(libvirtd) = &libvirtd {
        ways.push(("libvirtd, one after the other", Box::new(|domains| by_libvirtd(libvirtd, domains))));
        if options.together > 1 {
            ways.push(("libvirtd, a thread for each", Box::new(|domains| by_threads_of_libvirtd(libvirtd, domains))));
        }
    }
    let rounds = options.domains.div_ceil(options.together);
    let lives = by_turns(rounds, &ways, &domains)?;

    let header = ["what", "of so many domains", "xl, ms", "by this, ms", "ratio", "10th to 90th percentile"];
    let mut shown = table(header);
    for (at, (way, _)) in ways.iter().enumerate().skip(1) {
        for (what, part) in PARTS {
            let pair = paired(&lives, part, 0, at);
            let [ratio, spread] = pair.ratio_shown();
            shown.add_row([
                (*way).to_owned(),
                format!("{what}, {} in {rounds} rounds", options.together),
                format!("{:.2}", pair.base.median()),
                format!("{:.2}", pair.measured.median()),
                ratio,
                spread,
            ]);
        }
    }
    println!("{shown}");
    drop(ways);
    if let Some(file) = &options.said {
        said::written(file, || one_by_one(&ctxs[0], &domains[..1]))?;
    }
    ctxs.into_iter().for_each(|ctx| block_on(ctx.close()));
    Ok(())
}

/// Of so many lives, one at a time, what each part takes osevent on GLib against the others.
pub(crate) fn one_at_a_time(libvirtd: &Libvirtd, count: u32, config: &Path) -> anyhow::Result<Vec<(String, Pair)>> {
    let host = GlibHost::start(Priority::DEFAULT)?;
    let attached = host.attach()?;
    let ctx = Ctx::open(&Library::load()?, attached.event_loop.clone())?;
    let domains = prepared(1, config, Some(libvirtd))?;
    let ways: [(&str, Way<'_>); 3] = [
        ("xl", Box::new(|domains| by_xl(domains, false))),
        ("libvirtd", Box::new(|domains| by_libvirtd(libvirtd, domains))),
        ("osevent on GLib", Box::new(|domains| one_by_one(&ctx, domains))),
    ];
    let lives = by_turns(count, &ways, &domains)?;
    let [others @ .., _] = &ways;
    let against = |(what, part)| {
        let lives = &lives;
        let against = move |(at, (other, _)): (usize, &(&str, _))| {
            (format!("{what}, against {other}"), paired(lives, part, at, others.len()))
        };
        others.iter().enumerate().map(against)
    };
    let measured = PARTS.into_iter().flat_map(against).collect();
    drop(ways);
    block_on(ctx.close());
    Ok(measured)
}

/// So many rounds of all ways, and one before.
fn by_turns(rounds: u32, ways: &[(&str, Way<'_>)], domains: &[Domain]) -> anyhow::Result<Vec<Vec<Life>>> {
    let round = |_| ways.iter().map(|(what, way)| way(domains).with_context(|| (*what).to_owned())).collect();
    (0..=rounds).map(round).collect()
}

/// What a part of a life takes by two of the ways, in milliseconds. The first round is not counted: it loads what it needs.
fn paired(lives: &[Vec<Life>], part: Part, base: usize, measured: usize) -> Pair {
    let ms = |life: &Life| part(life).as_secs_f64() * 1e3;
    Pair::of(lives[1..].iter().map(|round| (ms(&round[base]), ms(&round[measured]))).collect())
}

/// Each with a name and a file of its own.
fn prepared(together: u32, config: &Path, libvirtd: Option<&Libvirtd>) -> anyhow::Result<Vec<Domain>> {
    let xl_file = XlFile::read(config)?;
    let folder = config.parent().unwrap_or(Path::new("/"));
    (0..together)
        .map(|number| {
            let text = xl_file.named(&format!("life-{number}"));
            let file = folder.join(format!("life-{number}.cfg"));
            std::fs::write(&file, &text)?;
            let config = xenlight::config_by_xl(&file)?;
            let xml = libvirtd.map(|libvirtd| libvirtd.xml_of_xl(&text)).transpose()?;
            Ok(Domain { file, config, xml })
        })
        .collect()
}

/// Calls both for all, and takes the times.
fn timed<T>(
    create: impl FnOnce() -> anyhow::Result<T>,
    destroy: impl FnOnce(T) -> anyhow::Result<()>,
) -> anyhow::Result<Life> {
    let began = Instant::now();
    let domains = create()?;
    let created = began.elapsed();
    let began = Instant::now();
    destroy(domains)?;
    Ok(Life { created, destroyed: began.elapsed() })
}

/// A process for each, as in a script.
fn by_xl(domains: &[Domain], at_once: bool) -> anyhow::Result<Life> {
    let all = |command: &str, argument: fn(&Domain) -> &Path| -> anyhow::Result<()> {
        let start = |domain: &Domain| -> anyhow::Result<_> {
            Command::new("xl")
                .arg(command)
                .arg(argument(domain))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .context("no xl")
        };
        let mut children = vec![];
        for domain in domains {
            let mut child = start(domain)?;
            if !at_once {
                ensure!(child.wait()?.success(), "xl {command} has failed");
            }
            children.push(child);
        }
        for mut child in children {
            ensure!(child.wait()?.success(), "xl {command} has failed");
        }
        Ok(())
    };
    timed(|| all("create", |domain| &domain.file), |()| all("destroy", |domain| Path::new(domain.config.name())))
}

/// Created and started, as xl does.
fn one_by_one(ctx: &Ctx, domains: &[Domain]) -> anyhow::Result<Life> {
    timed(
        || {
            let create = |domain: &Domain| -> anyhow::Result<_> {
                let domid = block_on(ctx.create(&domain.config))?;
                block_on(ctx.unpause(domid))?;
                Ok(domid)
            };
            domains.iter().map(create).collect::<anyhow::Result<Vec<_>>>()
        },
        |domids| domids.into_iter().try_for_each(|domid| Ok(block_on(ctx.destroy(domid))?)),
    )
}

/// All are begun before the first one is waited for, on these ctxs by turns.
fn at_once(ctxs: &[Ctx], domains: &[Domain]) -> anyhow::Result<Life> {
    let by_turns = || ctxs.iter().cycle();
    timed(
        || {
            let begun: Vec<_> =
                domains.iter().zip(by_turns()).map(|(domain, ctx)| (ctx, ctx.create(&domain.config))).collect();
            let mut unpaused = vec![];
            for (ctx, creation) in begun {
                let domid = block_on(creation)?;
                unpaused.push((domid, ctx.unpause(domid)));
            }
            let unpause = |(domid, unpausing)| -> anyhow::Result<_> {
                block_on(unpausing)?;
                Ok(domid)
            };
            unpaused.into_iter().map(unpause).collect::<anyhow::Result<Vec<_>>>()
        },
        |domids| {
            let begun: Vec<_> = domids.into_iter().zip(by_turns()).map(|(domid, ctx)| ctx.destroy(domid)).collect();
            begun.into_iter().try_for_each(|destruction| Ok(block_on(destruction)?))
        },
    )
}

fn by_libvirtd(libvirtd: &Libvirtd, domains: &[Domain]) -> anyhow::Result<Life> {
    timed(
        || domains.iter().map(|domain| libvirtd.create(domain.xml()?)).collect::<anyhow::Result<Vec<_>>>(),
        |domains| domains.iter().try_for_each(|domain| domain.destroy()),
    )
}

/// Its calls return when they are done.
fn by_threads_of_libvirtd(libvirtd: &Libvirtd, domains: &[Domain]) -> anyhow::Result<Life> {
    timed(
        || {
            thread::scope(|scope| {
                let create = |domain| scope.spawn(move || libvirtd.create(Domain::xml(domain)?));
                let threads: Vec<_> = domains.iter().map(create).collect();
                let joined = threads.into_iter().map(|thread| thread.join().expect("the thread does not panic"));
                joined.collect::<anyhow::Result<Vec<_>>>()
            })
        },
        |domains| {
            thread::scope(|scope| {
                let threads: Vec<_> = domains.into_iter().map(|domain| scope.spawn(move || domain.destroy())).collect();
                threads.into_iter().try_for_each(|thread| thread.join().expect("the thread does not panic"))
            })
        },
    )
}

impl Domain {
    fn xml(&self) -> anyhow::Result<&CString> {
        self.xml.as_ref().context("libvirtd was not asked for")
    }
}
