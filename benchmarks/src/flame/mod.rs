//! Where the time of a domain's life goes, by the clock: a flame graph of libxl's thread, on a real Xen, such as the lab's.
//!
//! A thread that waits is looked at like one that works, so what xenstored and the hypervisor take shows as well.

mod draw;
mod sampler;

use anyhow::{Context as _, ensure};
use osevent_core::EventLoop;
use osevent_epoll::Reactor;
use sampler::Sampler;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use xenlight::{Ctx, Library};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many domains are created and destroyed, one after the other
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    domains: u32,
    /// How many times a second the thread is looked at
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// The domain, as a file for xl
    #[arg(long, default_value = "/lab/idle.cfg", value_name = "FILE")]
    config: PathBuf,
    /// The graph
    #[arg(value_name = "SVG")]
    graph: PathBuf,
}

/// How often each stack was seen, the lowest frame first.
type Stacks = BTreeMap<Vec<String>, u32>;

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let config = xenlight::config_by_xl(&options.config)?;
    // On this thread alone: libxl's calls, and the loop on which it is told what occurs.
    let event_loop = Reactor::new()?;
    let ctx = Ctx::open(&Library::load()?, event_loop.clone())?;
    let sampler = Sampler::start(Duration::from_secs(1) / options.rate)?;
    let mut stacks = Stacks::new();
    for life in 0..=options.domains {
        let domid = wait(&event_loop, ctx.create(&config))??;
        let created = sampler.take()?;
        wait(&event_loop, ctx.unpause(domid))??;
        let unpaused = sampler.take()?;
        wait(&event_loop, ctx.destroy(domid))??;
        let destroyed = sampler.take()?;
        // The first one, which loads what it needs, is not counted.
        let parts = [("create", created), ("unpause", unpaused), ("destroy", destroyed)];
        for (part, frames) in parts
            .into_iter()
            .filter(|_| life > 0)
            .flat_map(|(part, seen)| seen.into_iter().map(move |frames| (part, frames)))
        {
            *stacks.entry([part.to_owned()].into_iter().chain(frames).collect()).or_default() += 1;
        }
    }
    drop(sampler);
    ctx.close_blocking()?;
    ensure!(!stacks.is_empty(), "nothing was seen: more domains, or a higher rate");
    for (stack, count) in &stacks {
        println!("{} {count}", stack.join(";"));
    }
    let svg = draw::svg(&stacks)?;
    std::fs::write(&options.graph, svg).with_context(|| format!("cannot write {}", options.graph.display()))
}

/// Runs the loop until the operation has ended.
fn wait<T>(event_loop: &Arc<Reactor>, operation: impl Future<Output = T>) -> anyhow::Result<T> {
    let mut operation = pin!(operation);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(result) = operation.as_mut().poll(&mut context) {
            return Ok(result);
        }
        event_loop.turn(None)?;
    }
}
