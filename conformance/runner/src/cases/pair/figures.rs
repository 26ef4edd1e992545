//! What a migration between two hosts takes: by xenlight at both sides, and by xl at both, by turns.
//!
//! The domain is away from its suspension, of which a ctx of this host's is told, until its first line on the console of the other
//! host, of which a message comes over the network. So both times are of one clock; the message's way is part of the figure.

use crate::cases::pair::hands;
use crate::cases::xen::boot;
use crate::hosts::{Adapter, Mode};
use crate::stage::{Opened, Stage};
use crate::tiers::peer::{By, Ended, Peer, Request};
use crate::tiers::xen::{Image, Type};
use crate::tiers::{self, Machine, Tier};
use anyhow::{Context, ensure};
use osevent_conformance::hosts::Host;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};
use xenlight::{Children, EventKind, ShutdownReason};

/// The sizes of the domain, in MiB.
const SIZES: [u64; 2] = [4, 128];

/// What one migration took.
#[derive(Clone, Copy)]
struct Took {
    whole: Duration,
    away: Duration,
}

/// Prints medians and spreads of so many rounds.
pub(crate) fn measure(peer: SocketAddr, libxl: Option<&Path>, rounds: u32) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("no folder for a domain's files")?;
    let machine = Machine::start(Tier::Pair, folder.path(), None, Some(Type::Pvh), Some(peer))?;
    let host: Box<dyn Host> = Adapter::Epoll.start()?;
    let stage = Stage::set(machine, Tier::Pair.limits(), host, Mode::Thread, folder.path(), tiers::library(libxl)?)?;
    stage.machine.peer()?.wait()?;
    println!("| domain | what | by | median | least | most |\n|---|---|---|---|---|---|");
    for size in SIZES {
        // By xenlight, by xl.
        let mut took = [Vec::new(), Vec::new()];
        for round in 0..rounds {
            let turns = [By::Xenlight, By::Xl];
            // Whoever comes second finds the other machine warm.
            for by in [turns[round as usize % 2], turns[(round as usize + 1) % 2]] {
                took[usize::from(by == By::Xl)].push(migrate(&stage, by, size << 10)?);
            }
        }
        print(size, "whole", &took, |took| took.whole);
        print(size, "away", &took, |took| took.away);
    }
    stage.finish()
}

fn migrate(stage: &Stage, by: By, memory_kib: u64) -> anyhow::Result<Took> {
    let (dom0, peer) = (stage.machine.dom0()?, stage.machine.peer()?);
    let (sender, suspended) = channel();
    let opened = stage.open_observed(Children::default(), move |event| {
        if event.kind == EventKind::Shutdown(ShutdownReason::Suspend) {
            // Nobody waits for it when the measurement has failed.
            let _ = sender.send(Instant::now());
        }
    })?;
    let name = dom0.name("answering");
    let domid = boot(dom0, &opened, &dom0.config_of(Image::Answering, &name, Some(memory_kib))?)?;
    let watch = opened.ctx.watch_death(domid)?;
    let took = one_way(stage, peer, &opened, by, &name, &suspended);
    drop(watch);
    peer.tell(Request::Destroy { name })?;
    opened.close()?;
    took
}

fn one_way(
    stage: &Stage,
    peer: &Peer,
    opened: &Opened,
    by: By,
    name: &str,
    suspended: &Receiver<Instant>,
) -> anyhow::Result<Took> {
    let mut speaks = peer.ask(Request::Speaks { name: name.to_owned() })?;
    let mut receiving = peer.ask(Request::Receive { by, cut: None })?;
    let to = SocketAddr::new(peer.host(), receiving.listening()?);
    let spoke = thread::spawn(move || speaks.done().map(|()| Instant::now()));
    let begun = Instant::now();
    let sent = hands::send(stage.machine.dom0()?, opened, by, name, to)?;
    let whole = begun.elapsed();
    let received = receiving.ended()?;
    ensure!((&sent, &received) == (&Ended::Well, &Ended::Well), "{sent}; {received}");
    let spoke = spoke.join().expect("it does not panic")?;
    let suspended = suspended.recv().context("its suspension was not reported")?;
    Ok(Took { whole, away: spoke - suspended })
}

fn print(size: u64, what: &str, took: &[Vec<Took>; 2], of: impl Fn(&Took) -> Duration) {
    for (by, took) in ["xenlight", "xl"].iter().zip(took) {
        let mut times: Vec<_> = took.iter().map(&of).collect();
        times.sort();
        let [median, least, most] = [times[times.len() / 2], times[0], times[times.len() - 1]];
        println!("| {size} MiB | {what} | {by} | {median:.2?} | {least:.2?} | {most:.2?} |");
    }
    let mut ratios: Vec<_> =
        took[0].iter().zip(&took[1]).map(|(ours, xls)| of(ours).as_secs_f64() / of(xls).as_secs_f64()).collect();
    ratios.sort_by(f64::total_cmp);
    let [median, least, most] = [ratios[ratios.len() / 2], ratios[0], ratios[ratios.len() - 1]];
    println!("| {size} MiB | {what} | ratio of a round | {median:.2} | {least:.2} | {most:.2} |");
}
