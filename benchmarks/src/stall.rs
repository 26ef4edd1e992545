//! How long the host's loop stands still while libxl works (O12): in the lab, or on any Xen's dom0.
//!
//! The loop's thread has a timer every millisecond; how late that comes at most is the stall. On the same thread, as from a
//! callback of the program's, a domain is created, unpaused and destroyed: by a ctx whose occurrences and calls run there, and by
//! one with a thread of its own.

use crate::figures::{Sample, ms, table};
use crate::kind::Kind;
use futures_lite::future::block_on;
use osevent_conformance_loops::Application;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use xenlight::{Ctx, DomainConfig, DomainId, Library, Operation};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many domains each way is measured with
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// The domain to create, as a file for xl
    #[arg(long, default_value = "/lab/linux.cfg", value_name = "FILE")]
    config: PathBuf,
}

/// On a Xen, where the domain has a system that gets to work.
const PAUSE: Duration = Duration::from_secs(1);

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let library = Library::load()?;
    let config = xenlight::config_by_xl(&options.config)?;
    let header = ["loop", "libxl works on", "while", "it takes, ms", "longest stall, ms: median", "worst"];
    let mut shown = table(header);
    for kind in Kind::ALL {
        for own_thread in [false, true] {
            let mut rounds = vec![];
            for _ in 0..options.rounds {
                rounds.push(life(kind, own_thread, &library, &config, PAUSE)?);
            }
            for (at, phase) in ["nothing happens", "a domain is created", "unpaused", "destroyed"].iter().enumerate() {
                let took = Sample::of(rounds.iter().map(|round| round[at].took).collect());
                let longest = Sample::of(rounds.iter().map(|round| round[at].longest).collect());
                let (Some(took), Some(longest)) = (took, longest) else { continue };
                shown.add_row([
                    kind.name(),
                    if own_thread { "a thread of its own" } else { "the loop's thread" },
                    phase,
                    &ms(took.median()),
                    &ms(longest.median()),
                    &ms(longest.worst()),
                ]);
            }
        }
    }
    println!("{shown}");
    Ok(())
}

/// One step of a domain's life.
pub(crate) struct Phase {
    took: Duration,
    pub(crate) longest: Duration,
}

/// At rest for so long, created, unpaused, and destroyed as much later.
pub(crate) fn life(
    kind: Kind,
    own_thread: bool,
    library: &Library,
    config: &DomainConfig,
    pause: Duration,
) -> anyhow::Result<[Phase; 4]> {
    let stalls = Arc::new(Mutex::new(Stalls::default()));
    let told = stalls.clone();
    let host = kind.start()?;
    let attached = host.attach()?;
    host.tick(Duration::from_millis(1), Box::new(move |late| lock(&told).tell(late)))?;
    let builder = Ctx::builder(library);
    let builder = if own_thread { builder.own_thread() } else { builder };
    let program = Program { ctx: Arc::new(builder.open(attached.event_loop.clone())?), host, stalls };

    let quiet = program.phase(|| {
        std::thread::sleep(pause);
        Ok(())
    })?;
    let (config, mut domid) = (config.clone(), DomainId::DOM0);
    let created = program.phase(|| {
        domid = program.operation(move |ctx| ctx.create(&config))?;
        Ok(())
    })?;
    let unpaused = program.phase(|| program.operation(move |ctx| ctx.unpause(domid)))?;
    std::thread::sleep(pause);
    let destroyed = program.phase(|| program.operation(move |ctx| ctx.destroy(domid)))?;
    block_on(program.ctx.close());
    Ok([quiet, created, unpaused, destroyed])
}

struct Program {
    ctx: Arc<Ctx>,
    host: Box<dyn Application>,
    stalls: Arc<Mutex<Stalls>>,
}

#[derive(Default)]
struct Stalls {
    longest: Duration,
    ticks: u64,
}

impl Stalls {
    fn tell(&mut self, late: Duration) {
        self.longest = self.longest.max(late);
        self.ticks += 1;
    }
}

impl Program {
    fn phase(&self, act: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Phase> {
        *lock(&self.stalls) = Stalls::default();
        let began = Instant::now();
        act()?;
        let took = began.elapsed();
        // The tick that waits for the end of a stall belongs to it.
        let ticks = lock(&self.stalls).ticks;
        while lock(&self.stalls).ticks < ticks + 2 {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Phase { took, longest: lock(&self.stalls).longest })
    }

    /// Begins it on the loop's thread and awaits it here.
    fn operation<T: Send + 'static>(
        &self,
        begin: impl FnOnce(&Ctx) -> Operation<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let (sender, begun) = channel();
        let ctx = self.ctx.clone();
        self.host.invoke(Box::new(move || sender.send(begin(&ctx)).expect("somebody waits for it")))?;
        Ok(block_on(begun.recv()?)?)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
