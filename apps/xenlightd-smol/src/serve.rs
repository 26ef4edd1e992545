//! `serve`: the service itself.

use std::sync::Arc;
use std::time::Duration;

use async_io::Timer;
use async_signal::{Signal, Signals};
use futures_lite::StreamExt;
use futures_lite::future::or;
use sd_notify::NotifyState;
use smol::Executor;
use smol::channel::bounded;
use zbus::connection::Builder;
use zbus::fdo::{ObjectManager, RequestNameFlags};

use crate::Failed;
use crate::authority::Authority;
use crate::bus::{Manager, Service, publish};
use crate::host::Host;
use crate::job::Jobs;
use crate::journal::Journal;
use crate::metrics::Metrics;
use crate::names;
use crate::runtime::Smol;
use crate::scrape::{Address, Listener};

/// Changes that are waiting to be told; Xen's are kept by xenlight until then.
const NEWS: usize = 16;

/// How long the first look at Xen may keep the service from being called.
const FIRST_LOOK: Duration = Duration::from_secs(10);

/// How long jobs may take to end by themselves when the service is to end. Then they are aborted.
const JOBS: Duration = Duration::from_secs(20);

/// How long that may take, with what has to be put right after it: a domain that was being saved goes on. A domain that was asked to suspend
/// can do so for 60 s, and is resumed then.
const ABORT: Duration = Duration::from_secs(70);

/// How long closing may take then: an operation can ignore its abort.
const CLOSE: Duration = Duration::from_secs(5);

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// There is no bus, another one serves already, or a socket cannot be opened.
pub(crate) fn run(addresses: &[Address]) -> Result<(), Failed> {
    let mut listeners =
        Listener::inherited().map_err(|error| format!("the sockets that systemd has opened: {error}"))?;
    for address in addresses {
        listeners.push(Listener::bind(address).map_err(|error| format!("cannot listen on {address}: {error}"))?);
    }
    let executor = Arc::new(Executor::new());
    smol::block_on(executor.run(serve(executor.clone(), listeners)))
}

async fn serve(executor: Arc<Executor<'static>>, listeners: Vec<Listener>) -> Result<(), Failed> {
    let mut signals = Signals::new([Signal::Term, Signal::Int])?;
    let bus = Builder::system().runtime(Smol(executor.clone())).build().await;
    let bus = bus.map_err(|error| format!("cannot reach the system bus: {error}"))?;
    let host = Arc::new(Host::new());
    let authority = Authority::new(&bus).await?;
    let service = Arc::new(Service {
        host: host.clone(),
        jobs: Jobs::default(),
        journal: Journal::new(),
        authority,
        executor: executor.clone(),
    });
    bus.object_server().at(names::HOST, ObjectManager).await?;
    bus.object_server().at(names::HOST, Manager { service: service.clone() }).await?;

    let (news, received) = bounded(NEWS);
    let (settled, first_look) = bounded(1);
    let publishing = executor.spawn(publish(bus.clone(), service.clone(), received, settled));
    let following = {
        let (host, executor) = (host.clone(), executor.clone());
        executor.clone().spawn(async move { host.run(&executor, &news).await })
    };
    let metrics = Arc::new(Metrics::new(host.clone()));
    for listener in listeners {
        executor.spawn(listener.serve(executor.clone(), metrics.clone())).detach();
    }

    // Whoever has the service started finds the domains that there are.
    let looked = async { _ = first_look.recv().await };
    or(looked, async { _ = Timer::after(FIRST_LOOK).await }).await;
    let alone = RequestNameFlags::DO_NOT_QUEUE;
    bus.request_name_with_flags(names::SERVICE, alone).await.map_err(|error| match error {
        zbus::Error::NameTaken => format!("{} is taken: another xenlightd serves already", names::SERVICE),
        error => format!("cannot get the name {} on the bus: {error}", names::SERVICE),
    })?;
    notify(&[NotifyState::Ready]);
    executor.spawn(watchdog()).detach();

    let told = async {
        signals.next().await;
        Ok(())
    };
    let lost = async {
        bus.closed().await;
        Err(Failed::from("the connection to the bus is lost"))
    };
    let cannot_tell = async {
        match publishing.await {
            Ok(()) => Err(Failed::from("nothing is told any more")),
            Err(error) => Err(format!("cannot tell what happens: {error}").into()),
        }
    };
    let outcome = or(told, or(lost, cannot_tell)).await;

    notify(&[NotifyState::Stopping]);
    // Nothing new is begun, by whoever waits for polkit neither.
    service.jobs.close();
    let _ = bus.release_name(names::SERVICE).await;
    // Whoever says it a second time does not want to wait.
    let waited = or(async { _ = Timer::after(JOBS).await }, async { _ = signals.next().await });
    or(service.jobs.all_ended(), waited).await;
    for job in service.jobs.running() {
        job.cancel();
    }
    or(service.jobs.all_ended(), async { _ = Timer::after(ABORT).await }).await;
    drop(following);
    or(host.close(), async { _ = Timer::after(CLOSE).await }).await;
    outcome
}

/// Tells systemd that the executor goes round, as often as it wants to hear.
async fn watchdog() {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    loop {
        notify(&[NotifyState::Watchdog]);
        Timer::after(limit / 2).await;
    }
}

fn notify(states: &[NotifyState<'_>]) {
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(states);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_waits_until_a_domain_goes_on_that_was_asked_to_suspend() {
        assert!(ABORT > Duration::from_secs(60), "xenlight waits as long for it to suspend");
        let unit = include_str!("../data/xenlightd.service");
        let stop = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).unwrap();
        let stop = Duration::from_secs(stop.parse().unwrap());
        assert!(stop > JOBS + ABORT + CLOSE, "{stop:?}");
    }
}
