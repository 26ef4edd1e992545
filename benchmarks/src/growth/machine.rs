//! What needs libxl: domains that are listed and followed, and ctxs that are open. On a simulated machine.

use super::{Options, Series, Subject, decades};
use crate::figures::Sample;
use crate::goals::simulated_machine;
use anyhow::{Context, ensure};
use osevent_conformance_loops::Adapter;
use std::time::Instant;
use xenlight::{Ctx, Library};

/// Measures in a process on the machine, which is started anew for each number of domains.
pub(super) fn domains_and_ctxs(options: &Options) -> anyhow::Result<Vec<Subject>> {
    let machine = simulated_machine()?;
    let mut there = 0;
    let mut subjects: Vec<Subject> = vec![];
    for count in decades(options.domains) {
        for domid in there + 1..=count {
            machine.add_domain(domid).map_err(|error| anyhow::anyhow!("no domain {domid}: {error}"))?;
        }
        there = count;
        let (rounds, domains) = (options.rounds.to_string(), count.to_string());
        let mut command = machine.command(std::env::current_exe()?);
        let output = command.args(["growth", "--inside", "--rounds", &rounds, "--domains", &domains]).output()?;
        let reason = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the process on the machine ended with {}: {reason}", output.status);
        let measured: Vec<Subject> = serde_json::from_slice(&output.stdout)?;
        if subjects.is_empty() {
            subjects = measured;
        } else {
            let all = subjects.iter_mut().zip(measured).flat_map(|(all, more)| all.series.iter_mut().zip(more.series));
            all.for_each(|(all, more)| all.points.extend(more.points));
        }
    }
    Ok(subjects)
}

/// One point of each.
pub(super) fn inside(options: &Options) -> anyhow::Result<()> {
    let host = Adapter::Epoll.start()?;
    let attached = host.attach()?;
    let library = Library::load()?;
    let ctx = Ctx::open(&library, attached.event_loop.clone())?;
    let median = |act: &dyn Fn() -> anyhow::Result<()>| -> anyhow::Result<f64> {
        let round = || {
            let began = Instant::now();
            act().map(|()| began.elapsed().as_secs_f64() * 1e3)
        };
        round()?;
        let rounds = (0..options.rounds).map(|_| round()).collect::<Result<_, _>>()?;
        Ok(Sample::of(rounds).context("there is a round")?.median())
    };
    let states = median(&|| {
        let count = ctx.domains()?.len();
        // Domain 0 as well.
        ensure!(count == options.domains as usize + 1, "{count} domains were listed");
        Ok(())
    })?;
    let named = median(&|| ctx.domains()?.iter().try_for_each(|domain| Ok(ctx.name(domain.domid).map(drop)?)))?;
    let of = f64::from(options.domains);
    let series = |name: &str, y: f64| Series { name: name.into(), points: vec![(of, y)] };
    let [before, _] = crate::memory_of::this_process()?;
    let opened: Vec<_> = (0..options.domains.min(MOST_CTXS))
        .map(|_| Ctx::open(&library, attached.event_loop.clone()))
        .collect::<Result<_, _>>()?;
    let [after, _] = crate::memory_of::this_process()?;
    let kib = after.saturating_sub(before).max(1);
    drop(opened);
    let subjects = [
        Subject {
            name: "domains".into(),
            of: "domains".into(),
            cost: "ms for a list".into(),
            series: vec![series("states", states), series("states and names", named)],
        },
        Subject {
            name: "ctxs".into(),
            of: "open ctxs".into(),
            cost: "KiB of resident memory".into(),
            series: vec![Series { name: "osevent".into(), points: vec![(of.min(f64::from(MOST_CTXS)), kib as f64)] }],
        },
    ];
    println!("{}", serde_json::to_string(&subjects)?);
    Ok(())
}

/// Each has several fds.
const MOST_CTXS: u32 = 1_000;
