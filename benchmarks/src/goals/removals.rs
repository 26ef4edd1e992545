//! P10: devices removed, against libxl's own loop. On a simulated machine, with the installed libxl.
//!
//! A process for each way, on the same machine, which removes its devices one after the other, by turns with the others.

use super::row::Bound::AtMost;
use super::row::Row;
use super::{Options, simulated_machine};
use crate::figures::Pair;
use crate::silent;
use anyhow::{Context, ensure};
use futures_lite::future::block_on;
use osevent_conformance_loops::Adapter;
use osevent_standin_machine::{Machine, add_nic};
use std::ffi::{c_int, c_void};
use std::io::{BufRead, BufReader, Lines, Write, stdin};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::ptr;
use std::time::Instant;
use xenlight::{Ctx, DomainId, Library};
use xenlight_sys::codes;
use xenlight_sys::domain::{DeviceNic, Opaque};

/// A process on the machine: it removes so many for each line that it reads, and writes the milliseconds.
#[derive(clap::Args)]
pub(crate) struct Removals {
    domid: u32,
    each: u32,
    /// On libxl's own loop, if there is none
    adapter: Option<Adapter>,
}

pub(super) fn measure(options: &Options) -> anyhow::Result<Vec<Row>> {
    let machine = simulated_machine()?;
    let rounds = options.rounds;
    let each = (options.events / rounds).max(1);
    let ways: Vec<Option<Adapter>> = [None].into_iter().chain(Adapter::ALL.iter().copied().map(Some)).collect();
    let mut removers = vec![];
    for (adapter, domid) in ways.iter().zip(1..) {
        machine.add_domain(domid).map_err(|error| anyhow::anyhow!("no domain {domid}: {error}"))?;
        for devid in 0..each * (rounds + 1) {
            add_nic(machine.store(), domid, devid, "/bin/true")?;
        }
        removers.push(Remover::start(&machine, domid, each, *adapter)?);
    }
    let mut all = vec![];
    // The first round is not counted.
    for _ in 0..=rounds {
        all.push(removers.iter_mut().map(Remover::remove).collect::<anyhow::Result<Vec<_>>>()?);
    }
    for remover in removers {
        remover.end()?;
    }
    let rows = Adapter::ALL.iter().zip(1..).map(|(adapter, at)| {
        let pair = Pair::of(all[1..].iter().map(|round| (round[0], round[at])).collect());
        let what = format!("devices removed on {}, against libxl's own loop", adapter.name());
        Row { unit: "ms".into(), ..Row::of_pair(what, Some(AtMost(1.02)), &pair) }
    });
    Ok(rows.collect())
}

struct Remover {
    child: Child,
    asked: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Remover {
    fn start(machine: &Machine, domid: u32, each: u32, adapter: Option<Adapter>) -> anyhow::Result<Self> {
        let mut command = machine.command(std::env::current_exe()?);
        command.args(["removals", &domid.to_string(), &each.to_string()]).args(adapter.map(Adapter::name));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (asked, answers) = child.stdin.take().zip(child.stdout.take()).context("both are piped")?;
        Ok(Self { child, asked, answers: BufReader::new(answers).lines() })
    }

    fn remove(&mut self) -> anyhow::Result<f64> {
        writeln!(self.asked)?;
        Ok(self.answers.next().context("a process that removes devices has ended")??.parse()?)
    }

    fn end(mut self) -> anyhow::Result<()> {
        drop(self.asked);
        let status = self.child.wait()?;
        ensure!(status.success(), "a process that removes devices ended with {status}");
        Ok(())
    }
}

pub(crate) fn removals(removals: &Removals) -> anyhow::Result<()> {
    match removals.adapter {
        Some(adapter) => with_osevent(removals, adapter),
        None => without_osevent(removals),
    }
}

fn in_turns(removals: &Removals, remove: impl Fn(u32) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut devids = 0..;
    for line in stdin().lines() {
        line?;
        let began = Instant::now();
        devids.by_ref().take(removals.each as usize).try_for_each(&remove)?;
        println!("{}", began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(())
}

fn with_osevent(removals: &Removals, adapter: Adapter) -> anyhow::Result<()> {
    let host = adapter.start()?;
    let attached = host.attach()?;
    let ctx = Ctx::open(&Library::load()?, attached.event_loop.clone())?;
    let domid = DomainId::new(removals.domid);
    in_turns(removals, |devid| Ok(block_on(ctx.remove_nic(domid, devid))?))?;
    block_on(ctx.close());
    Ok(())
}

/// A call without a `how` returns when it is done: libxl waits in its own loop.
fn without_osevent(removals: &Removals) -> anyhow::Result<()> {
    let library = xenlight_sys::Library::load()?;
    let functions = library.struct_functions("device_nic").context("libxl has no device_nic")?;
    let dispose = functions.dispose.context("libxl has no libxl_device_nic_dispose")?;
    let mut logger = silent::logger();
    let mut ctx = ptr::null_mut();
    // SAFETY: both pointers are good for the call, and the logger is until the process ends.
    let rc = unsafe { library.ctx_alloc(&mut ctx, codes::LIBXL_VERSION, 0, &mut logger) };
    ensure!(rc == 0, "no ctx: {rc}");
    let done = in_turns(removals, |devid| {
        let nic = Opaque::<DeviceNic>::zeroed();
        let this = nic.as_ptr().cast::<c_void>();
        // SAFETY: far larger than any release needs.
        unsafe { (functions.init)(this) };
        // SAFETY: the ctx has been made and is not freed; the nic is initialised, and nobody else uses it.
        let rc = unsafe {
            match library.devid_to_device_nic(ctx, removals.domid, c_int::try_from(devid)?, nic.as_ptr()) {
                0 => library.device_nic_remove(ctx, removals.domid, nic.as_ptr(), ptr::null()),
                rc => rc,
            }
        };
        // SAFETY: initialised above, and not used after.
        unsafe { dispose(this) };
        ensure!(rc == 0, "device {devid} is not removed: {rc}");
        Ok(())
    });
    // SAFETY: nobody else uses the ctx.
    unsafe { library.ctx_free(ctx) };
    done
}
