//! P15 and P16: a list of all domains, and the memory of a host program. On a simulated machine, with the installed libxl.
//!
//! What is measured runs in a process of its own on the machine, whose output is its figures.

use super::Bound::AtMost;
use super::{Options, Row, Skipped};
use crate::figures::{Pair, Sample};
use anyhow::{Context, ensure};
use futures_lite::future::block_on;
use osevent_conformance_loops::Adapter;
use osevent_standin_machine::Machine;
use procfs::process::Process;
use std::ffi::{c_char, c_int, c_uint};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::ptr;
use std::time::Instant;
use xenlight::types::{Machine as Kind, Pv};
use xenlight::{Ctx, DomainConfig, DomainId, Library};
use xenlight_sys::codes;
use xenlight_sys::log::{Logger, VaList};

const DOMAINS: u32 = 200;

/// A process on the machine.
#[derive(clap::Args)]
pub(crate) struct Inside {
    part: Part,
    /// How many domains there are
    #[arg(long)]
    domains: u32,
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    #[arg(long, default_value = "xl")]
    xl: PathBuf,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Part {
    MemoryWith,
    MemoryWithout,
    List,
}

pub(crate) fn inside(inside: &Inside) -> anyhow::Result<()> {
    let figures = match inside.part {
        Part::MemoryWith => with_osevent(inside.domains)?,
        Part::MemoryWithout => without_osevent(inside.domains)?,
        Part::List => return list_inside(inside),
    };
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

/// A machine with so many domains, and what a process on it has written.
fn on_machine<T: serde::de::DeserializeOwned>(domains: u32, part: &str, more: &[&str]) -> anyhow::Result<T> {
    let machine = Machine::new().map_err(|error| Skipped(format!("no simulated machine: {error}")))?;
    for domid in 1..=domains {
        machine.add_domain(domid).map_err(|error| anyhow::anyhow!("no domain {domid}: {error}"))?;
        // A domain's configuration has it, in KiB.
        for name in ["target", "static-max", "videoram"] {
            let kib: &[u8] = if name == "videoram" { b"0" } else { b"4096" };
            machine.store().write(&format!("/local/domain/{domid}/memory/{name}"), kib)?;
        }
    }
    let mut command = machine.command(std::env::current_exe()?);
    command.args(["inside", part, "--domains", &domains.to_string()]).args(more);
    let output = command.output()?;
    let reason = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the process on the machine ended with {}: {reason}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// P16: a ctx and a watch of each domain's death.
pub(super) fn memory(options: &Options) -> anyhow::Result<Vec<Row>> {
    let domains = DOMAINS.min(options.many);
    let measured = |part| on_machine::<[f64; 2]>(domains, part, &[]);
    let rounds: Vec<_> = (0..options.rounds.min(5))
        .map(|_| Ok((measured("memory-without")?, measured("memory-with")?)))
        .collect::<anyhow::Result<_>>()?;
    let row = |what: &str, at: usize, bound| -> anyhow::Result<Row> {
        let rounds: Vec<_> = rounds.iter().map(|(without, with)| (without[at], with[at])).collect();
        let above = Sample::of(rounds.iter().map(|(without, with)| with - without).collect()).context("no round")?;
        let what = format!("a program with a ctx and {domains} watches, above libxl alone{what}");
        let (figure, spread) = (above.median(), (above.quantile(10), above.quantile(90)));
        Ok(Row { unit: "KiB", figure, spread, ..Row::of_pair(what, bound, &Pair::of(rounds)) })
    };
    Ok(vec![row("", 0, Some(AtMost(1024.0)))?, row(": of that, not from files", 1, None)?])
}

/// Of this process, in KiB: resident memory, and what of it is not from files, such as code.
fn resident() -> anyhow::Result<[f64; 2]> {
    let status = Process::myself()?.status()?;
    let [all, own] = [status.vmrss, status.rssanon].map(|kib| kib.context("this kernel does not tell it"));
    Ok([all? as f64, own? as f64])
}

fn with_osevent(domains: u32) -> anyhow::Result<[f64; 2]> {
    let host = Adapter::Epoll.start()?;
    let attached = host.attach()?;
    let ctx = Ctx::open(&Library::load()?, attached.event_loop.clone())?;
    let watches = ctx.domains()?.iter().map(|domain| ctx.watch_death(domain.domid)).collect::<Result<Vec<_>, _>>()?;
    ensure!(watches.len() == domains as usize + 1, "{} domains are watched", watches.len());
    resident()
}

unsafe extern "C" fn ignore(_: *mut Logger, _: c_uint, _: c_int, _: *const c_char, _: *const c_char, _: VaList) {}
unsafe extern "C" fn destroyed(_: *mut Logger) {}

/// The same by libxl alone, which has its own loop then.
fn without_osevent(domains: u32) -> anyhow::Result<[f64; 2]> {
    let library = xenlight_sys::Library::load()?;
    let mut logger = Logger { vmessage: ignore, progress: None, destroy: destroyed };
    let mut ctx = ptr::null_mut();
    // SAFETY: both pointers are good for the call, and the logger is until the process ends.
    let rc = unsafe { library.ctx_alloc(&mut ctx, codes::LIBXL_VERSION, 0, &mut logger) };
    ensure!(rc == 0, "no ctx: {rc}");
    for domid in 0..=domains {
        let mut evgen = ptr::null_mut();
        // SAFETY: the ctx has been made and is not freed; `evgen` is written during the call.
        let rc = unsafe { library.evenable_domain_death(ctx, domid, 0, &mut evgen) };
        ensure!(rc == 0, "no watch: {rc}");
    }
    let kib = resident()?;
    // SAFETY: nobody else uses the ctx.
    unsafe { library.ctx_free(ctx) };
    Ok(kib)
}

/// P15: all domains with name, state and configuration, against `xl list -l`.
pub(super) fn list(options: &Options) -> anyhow::Result<Vec<Row>> {
    let runs = Command::new(&options.xl).arg("help").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if let Err(error) = runs {
        return Err(Skipped(format!("{}: {error}; --xl names another one", options.xl.display())).into());
    }
    let domains = DOMAINS.min(options.many);
    let xl = options.xl.to_str().context("the path of xl is no UTF-8")?;
    let rounds = options.rounds.min(11).to_string();
    let rounds: Vec<(f64, f64)> = on_machine(domains, "list", &["--rounds", &rounds, "--xl", xl])?;
    let what = format!("{domains} domains with name, state and configuration, against xl list -l");
    Ok(vec![Row { unit: "ms", ..Row::of_pair(what, Some(AtMost(0.2)), &Pair::of(rounds)) }])
}

/// By turns: `xl list -l`, with its start and end, and the same by a ctx that is open.
fn list_inside(inside: &Inside) -> anyhow::Result<()> {
    let host = Adapter::Epoll.start()?;
    let attached = host.attach()?;
    let ctx = Ctx::open(&Library::load()?, attached.event_loop.clone())?;
    // libxl keeps a file about each domain that it has created; these have been added without it.
    let folder = std::env::var_os("OSEVENT_XENCALL_STATE_DIR").context("this is no simulated machine")?;
    for domain in ctx.domains()? {
        let file = format!("userdata-d.{}.{}.libxl-json", domain.domid, domain.uuid);
        let config = DomainConfig::new(format!("pretend-{}", domain.domid), Kind::Pv(Pv::default()));
        fs::write(Path::new(&folder).join(file), config.to_json() + "\0")?;
    }
    let of_xl = || -> anyhow::Result<f64> {
        let began = Instant::now();
        let output = Command::new(&inside.xl).args(["list", "-l"]).output()?;
        let took = began.elapsed().as_secs_f64() * 1e3;
        let listed: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).context("xl lists nothing")?;
        ensure!(
            listed.len() >= inside.domains as usize,
            "xl lists {} domains: {}",
            listed.len(),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(took)
    };
    let of_osevent = || -> anyhow::Result<f64> {
        let began = Instant::now();
        // All are asked for before the first answer is waited for.
        let asked: Vec<_> = ctx.domains()?.into_iter().filter(|domain| domain.domid != DomainId::DOM0).collect();
        let asked: Vec<_> =
            asked.into_iter().map(|domain| (ctx.name(domain.domid), ctx.config(domain.domid))).collect();
        let count = asked.len();
        for (name, config) in asked {
            name?;
            block_on(config)?;
        }
        ensure!(count == inside.domains as usize, "{count} domains are listed");
        Ok(began.elapsed().as_secs_f64() * 1e3)
    };
    _ = (of_xl()?, of_osevent()?);
    let rounds: Vec<(f64, f64)> =
        (0..inside.rounds).map(|_| Ok((of_xl()?, of_osevent()?))).collect::<anyhow::Result<_>>()?;
    println!("{}", serde_json::to_string(&rounds)?);
    Ok(())
}
