//! How long it takes until the death of a domain is told, beside libvirtd, which watches the same domains: on a real Xen, such as the lab's.

use crate::destructions::Destructions;
use crate::figures::{Pair, Sample, now, table};
use crate::libvirtd::{LibvirtDomain, Libvirtd};
use crate::peers::{function, load};
use crate::xl_file::XlFile;
use anyhow::{Context, bail, ensure};
use futures_lite::StreamExt;
use futures_lite::future::block_on;
use glib::Priority;
use osevent_conformance::hosts::Host;
use osevent_conformance_loops::GlibHost;
use std::ffi::{c_char, c_int, c_uint, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;
use xenlight::{Ctx, DomainId, EventKind, Library};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many domains there are, which die one after the other
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    domains: u32,
    /// The domain, as a file for xl with its name in a line of its own
    #[arg(long, default_value = "/lab/idle.cfg", value_name = "FILE")]
    config: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Shutdown,
    Death,
    /// By libvirt, which destroys what has shut down before it tells that.
    Stopped,
}

/// What shuts a domain down, as its own system would.
struct Hypervisor {
    interface: *mut c_void,
    shutdown: unsafe extern "C" fn(*mut c_void, u32, c_int) -> c_int,
    /// What ends a domain, by whomever. It is not called here.
    destroy: *const c_void,
}

impl Hypervisor {
    fn open(library: &Library) -> anyhow::Result<Self> {
        let loaded = load(&format!("libxenctrl.so.{}", library.release()))?;
        // SAFETY: as <xenctrl.h> declares them.
        let (open, shutdown, destroy) = unsafe {
            let open: unsafe extern "C" fn(*mut c_char, *mut c_char, c_uint) -> *mut c_void =
                function(loaded, "xc_interface_open")?;
            (open, function(loaded, "xc_domain_shutdown")?, function(loaded, "xc_domain_destroy")?)
        };
        // SAFETY: it takes no loggers for its own.
        let interface = unsafe { open(ptr::null_mut(), ptr::null_mut(), 0) };
        ensure!(!interface.is_null(), "no interface to the hypervisor");
        Ok(Self { interface, shutdown, destroy })
    }

    fn power_off(&self, domid: u32) -> anyhow::Result<()> {
        const POWEROFF: c_int = 0;
        // SAFETY: the interface is open.
        ensure!(unsafe { (self.shutdown)(self.interface, domid, POWEROFF) } == 0, "domain {domid} does not shut down");
        Ok(())
    }
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let header =
        ["of so many domains", "libvirtd, ms", "p99", "osevent on GLib, ms", "p99", "ratio", "10th to 90th percentile"];
    let mut shown = table(header);
    for (what, pair) in measure(&Libvirtd::start()?, options.domains, &options.config)? {
        let shown_as = |sample: &Sample<f64>, percent| format!("{:.2}", sample.quantile(percent));
        let [ratio, spread] = pair.ratio_shown();
        shown.add_row([
            format!("{what}, {}", options.domains / 2),
            shown_as(&pair.base, 50),
            shown_as(&pair.base, 99),
            shown_as(&pair.measured, 50),
            shown_as(&pair.measured, 99),
            ratio,
            spread,
        ]);
    }
    println!("{shown}");
    Ok(())
}

/// What a domain meets until that is told, by libvirtd and by osevent on GLib, in milliseconds: a shutdown from the moment at which Xen is asked for it,
/// an end from that at which Xen tells dom0 of it.
pub(crate) fn measure(libvirtd: &Libvirtd, count: u32, config: &Path) -> anyhow::Result<[(&'static str, Pair); 3]> {
    let host = GlibHost::start(Priority::DEFAULT)?;
    let attached = host.attach()?;
    let library = Library::load()?;
    let ctx = Ctx::open(&library, attached.event_loop.clone())?;
    let hypervisor = Hypervisor::open(&library)?;
    let destructions = Destructions::noted(hypervisor.destroy)?;

    let (tells, told) = channel();
    let stopped = tells.clone();
    libvirtd.on_stopped(move || _ = stopped.send((Told::Stopped, now())))?;
    let mut events = ctx.events();
    thread::spawn(move || {
        while let Some(event) = block_on(events.next()) {
            let what = match event.kind {
                EventKind::Shutdown(_) => Told::Shutdown,
                EventKind::Death => Told::Death,
                _ => continue,
            };
            _ = tells.send((what, now()));
        }
    });

    let domains = libvirtd.create_many(count, &XlFile::read(config)?, "death")?;
    let watch = |domain: &LibvirtDomain| ctx.watch_death(DomainId::new(domain.id()));
    let watches = domains.iter().map(watch).collect::<Result<Vec<_>, _>>()?;
    let (mut shut_down, mut gone, mut destroyed) = (vec![], vec![], vec![]);
    for (number, domain) in domains.iter().enumerate() {
        let domid = domain.id();
        if number % 2 == 0 {
            let began = now();
            hypervisor.power_off(domid)?;
            let [shutdown, death, stopped] = times(&told, [Told::Shutdown, Told::Death, Told::Stopped])?;
            shut_down.push((ms(stopped, began), ms(shutdown, began)));
            let died = destructions.take()?;
            gone.push((ms(stopped, died), ms(death, died)));
        } else {
            let status = Command::new("xl").args(["destroy", &domid.to_string()]).status();
            ensure!(status.context("no xl")?.success(), "xl does not destroy domain {domid}");
            let [death, stopped] = times(&told, [Told::Death, Told::Stopped])?;
            let died = destructions.take()?;
            destroyed.push((ms(stopped, died), ms(death, died)));
        }
    }

    drop(watches);
    block_on(ctx.close());
    Ok([
        ("shuts down, until that is told", Pair::of(shut_down)),
        ("ends after its shutdown, by libvirtd, until that is told", Pair::of(gone)),
        ("ends by xl, until that is told", Pair::of(destroyed)),
    ])
}

/// Waits until all of these have been told; when that was.
fn times<const N: usize>(told: &Receiver<(Told, Duration)>, wanted: [Told; N]) -> anyhow::Result<[Duration; N]> {
    const LIMIT: Duration = Duration::from_secs(60);
    let mut times = [None; N];
    while times.contains(&None) {
        let (what, at) = told.recv_timeout(LIMIT).with_context(|| format!("of {wanted:?} came {times:?}"))?;
        let Some(place) = wanted.iter().position(|wanted| *wanted == what) else { bail!("{what:?} was told") };
        times[place] = Some(at);
    }
    Ok(times.map(|time| time.expect("all have been told")))
}

/// Milliseconds from `began` to `ended`, which the clocks of two processors may have the other way round.
fn ms(ended: Duration, began: Duration) -> f64 {
    (ended.as_secs_f64() - began.as_secs_f64()) * 1e3
}
