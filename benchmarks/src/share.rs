//! What a client that is always busy leaves to its host (O9).
//!
//! The client has 100 fds that are always ready and works for 50 µs in each occurrence: a dispatch of the reactor ends after
//! the round in which 2 ms are over, or 64 occurrences made. Beside it the host has, in one run, a timer and a pipe into which
//! another thread writes, both every 5 ms; in another one, a source that is always ready, too, with 50 µs of work.

use crate::client::Client;
use crate::eventfd::new_eventfd;
use crate::figures::{Sample, ms, table};
use crate::kind::Kind;
use glib::Priority;
use osevent_conformance::hosts::Attached;
use osevent_core::{ClientValue, Interest, Registry};
use std::io::{PipeReader, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How long each is measured
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
}

const BUSY_FDS: u64 = 100;
const WORK: Duration = Duration::from_micros(50);
const EVERY: Duration = Duration::from_millis(5);

const KINDS: [Kind; 5] =
    [Kind::Glib(Priority::DEFAULT), Kind::Glib(Priority::HIGH), Kind::Glib(Priority::LOW), Kind::Calloop, Kind::Smol];

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let time = Duration::from_secs(options.seconds);
    let header = ["loop", "client", "timer late, ms: median", "worst", "pipe late, ms: median", "worst", "came"];
    let mut delays = table(header);
    let header = ["loop", "host's ready source: turns a second", "its share of the time, %", "the client's, %"];
    let mut shares = table(header);
    for kind in KINDS {
        for busy in [false, true] {
            let [timer, pipe] = late(kind, busy, time)?;
            let came = format!("{} and {}", timer.len(), pipe.len());
            let shown = |sample: &Option<Sample<Duration>>, figure: fn(&Sample<Duration>) -> Duration| {
                sample.as_ref().map_or("never came".to_owned(), |sample| ms(figure(sample)))
            };
            let (timer, pipe) = (Sample::of(timer), Sample::of(pipe));
            delays.add_row([
                kind.name().to_owned(),
                if busy { "busy" } else { "idle" }.to_owned(),
                shown(&timer, Sample::median),
                shown(&timer, Sample::worst),
                shown(&pipe, Sample::median),
                shown(&pipe, Sample::worst),
                came,
            ]);
        }
        let (host, client) = turns(kind, time)?;
        let percent = |turns: u32| format!("{:.1}", 100.0 * f64::from(turns) * WORK.as_secs_f64() / time.as_secs_f64());
        let each_second = format!("{:.0}", f64::from(host) / time.as_secs_f64());
        shares.add_row([kind.name().to_owned(), each_second, percent(host), percent(client)]);
    }
    println!("{delays}\n\n{shares}");
    Ok(())
}

type Delays = Arc<Mutex<Vec<Duration>>>;

/// How late the host's timer came, each time, and what was written into its pipe.
fn late(kind: Kind, busy: bool, time: Duration) -> anyhow::Result<[Vec<Duration>; 2]> {
    let delays = [Delays::default(), Delays::default()];
    let [timer, pipe] = delays.clone();
    // Open until the host has ended: the pipe's end would be readable, too.
    let (reader, writer) = std::io::pipe()?;
    let began = Instant::now();
    let reader = Arc::new(OwnedFd::from(reader));
    let mut read = PipeReader::from(reader.try_clone()?);
    let received = move || {
        let mut buffer = [0; 4096];
        let length = read.read(&mut buffer).expect("it is readable");
        let now = began.elapsed();
        // Each is written, and so read, as a whole.
        let written = buffer[..length].as_chunks().0.iter().map(|time| Duration::from_nanos(u64::from_ne_bytes(*time)));
        lock(&pipe).extend(written.map(|written| now.saturating_sub(written)));
    };
    let host = kind.start()?;
    let attached = host.attach()?;
    host.watch(reader, Box::new(received))?;
    host.tick(EVERY, Box::new(move |late| lock(&timer).push(late)))?;
    // Gone before the host: one that it starves could not end.
    let _client = busy.then(|| Busy::on(&attached)).transpose()?;

    let (ends, ended) = channel::<()>();
    let mut sending = &writer;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let now = began.elapsed().as_nanos() as u64;
                sending.write_all(&now.to_ne_bytes()).expect("the host has the other end");
            }
        });
        std::thread::sleep(time);
        drop(ends);
    });
    Ok(delays.map(|delays| std::mem::take(&mut *lock(&delays))))
}

/// Turns of a host's source that is always ready, and the client's occurrences.
fn turns(kind: Kind, time: Duration) -> anyhow::Result<(u32, u32)> {
    let turns = Arc::new(AtomicU32::new(0));
    let counted = turns.clone();
    let work = move || {
        spin();
        // Relaxed, as all of this counter's: only the number matters.
        counted.fetch_add(1, Ordering::Relaxed);
    };
    let host = kind.start()?;
    let attached = host.attach()?;
    host.watch(new_eventfd(1)?, Box::new(work))?;
    let client = Busy::on(&attached)?;
    let before = (turns.load(Ordering::Relaxed), client.occurrences());
    std::thread::sleep(time);
    Ok((turns.load(Ordering::Relaxed) - before.0, client.occurrences() - before.1))
}

/// A client that is always busy, until it is dropped.
struct Busy {
    occurrences: Arc<AtomicU32>,
    _registry: Arc<Registry<Client>>,
    _fds: Vec<Arc<OwnedFd>>,
}

impl Busy {
    fn on(attached: &Attached) -> anyhow::Result<Self> {
        let occurrences = Arc::new(AtomicU32::new(0));
        let counted = occurrences.clone();
        let registry = Client::on(attached.event_loop.clone(), move |_| {
            spin();
            // Relaxed, as all of this counter's: only the number matters.
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let mut fds = vec![];
        for value in 0..BUSY_FDS {
            let fd = new_eventfd(1)?;
            registry.register_fd(fd.as_raw_fd(), Interest::IN, ClientValue(value))?;
            fds.push(fd);
        }
        Ok(Self { occurrences, _registry: registry, _fds: fds })
    }

    fn occurrences(&self) -> u32 {
        self.occurrences.load(Ordering::Relaxed)
    }
}

fn spin() {
    let began = Instant::now();
    while began.elapsed() < WORK {
        std::hint::spin_loop();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
