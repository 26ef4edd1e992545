//! The hosts.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_lite::StreamExt;
use osevent_standin_machine::{Machine, Running, signal, with_errors};
use tokio::task::spawn_blocking;
use zbus::connection::Builder;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream, OwnedObjectPath, OwnedVariant};

use crate::bus::{Bus, program};
use crate::nats::Nats;
use crate::polkit::Polkit;
use crate::save_helper;

pub(crate) type Failure = Box<dyn Error + Send + Sync>;
pub(crate) type Outcome = Result<(), Failure>;

/// Tells this program to be xenlightd.
pub(crate) const AS_XENLIGHTD: &str = "OSEVENT_TEST_AS_XENLIGHTD";

/// Between two signs of life: 0.2 s. A busy machine may be late for three of them.
const BEAT: &str = "0.2";

/// Where domains are received.
const ANY: &str = "127.0.0.1:0";

/// In the folder of the bus.
const GATE: &str = "gate";

/// What the bridge says if nothing is acknowledged.
const WAITS: &str = "xenlight-fleet: the events wait: timed out: didn't receive ack in time";

/// For anything to happen: the machine may be busy.
const LIMIT: Duration = Duration::from_secs(120);
/// Between two looks at whether a program has ended.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) fn with_nats<F>(case: impl FnOnce(Nats) -> F) -> Outcome
where
    F: Future<Output = Outcome>,
{
    run(async { case(Nats::start().await?).await })
}

pub(crate) fn run(case: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { tokio::time::timeout(LIMIT, case).await.map_err(|_| "it takes too long")? })
}

pub(crate) struct Host {
    /// End first.
    bridge: Option<Running>,
    service: Option<Running>,
    pub(crate) name: &'static str,
    nats: String,
    client: Connection,
    signals: MessageStream,
    pub(crate) polkit: Arc<Mutex<Polkit>>,
    _polkit_bus: Connection,
    pub(crate) machine: Machine,
    bus: Bus,
}

impl Host {
    /// One with xenlightd and the bridge started.
    pub(crate) async fn start(name: &'static str, nats: &Nats) -> Result<Self, Failure> {
        let bus = Bus::start()?;
        let connect = || async { Builder::address(bus.address.as_str()).build().await };
        let polkit = Arc::new(Mutex::new(Polkit::default()));
        let polkit_bus = connect().await?;
        Polkit::serve(&polkit, &polkit_bus).await?;
        let client = connect().await?;
        let rule = MatchRule::builder().msg_type(Type::Signal).interface("org.osevent.Xen1.Manager").build()?;
        let signals = MessageStream::for_match_rule(rule, &client, std::num::NonZero::new(10_000)).await?;
        let machine = Machine::new()?;
        let gate = Command::new("mkfifo").arg(bus.folder.path().join(GATE)).status()?;
        if !gate.success() {
            return Err(format!("mkfifo: {gate}").into());
        }
        let (bridge, service, nats) = (None, None, nats.url_of(name));
        let mut host =
            Self { bridge, service, name, nats, client, signals, polkit, _polkit_bus: polkit_bus, machine, bus };
        host.come_back().await?;
        Ok(host)
    }

    pub(crate) async fn come_back(&mut self) -> Outcome {
        let mut command = self.machine.command(std::env::current_exe()?);
        command.arg("serve").env(AS_XENLIGHTD, "1");
        command.env("LIBXL_SAVE_HELPER", std::env::current_exe()?).env(save_helper::GATE, self.gate());
        self.service = Some(self.ready(command).await?);
        self.start_bridge().await
    }

    pub(crate) async fn start_bridge(&mut self) -> Outcome {
        let command = with_errors(&self.bridge_command());
        self.bridge = Some(self.ready(command).await?);
        Ok(())
    }

    /// A helper that saves a domain waits there half-way.
    fn gate(&self) -> PathBuf {
        self.bus.folder.path().join(GATE)
    }

    /// Lets it go on.
    pub(crate) async fn open_gate(&self) -> Outcome {
        let gate = self.gate();
        Ok(spawn_blocking(move || std::fs::write(gate, "x")).await??)
    }

    /// Waits until the bridge has found that a publication has failed.
    pub(crate) fn bridge_waits(&mut self) -> Outcome {
        self.bridge()?.says(WAITS)
    }

    pub(crate) fn bridge(&mut self) -> Result<&mut Running, Failure> {
        Ok(self.bridge.as_mut().ok_or("it has not started")?)
    }

    /// Waits until the bridge has said what it does now.
    pub(crate) fn is_told_to_stop(&mut self, says: &str) -> Outcome {
        signal(self.bridge()?.id(), "TERM")?;
        self.bridge()?.says(&format!("xenlight-fleet: stopping: {says}"))
    }

    /// Waits until the bridge has ended well.
    pub(crate) fn bridge_ends(&mut self) -> Outcome {
        self.bridge.take().ok_or("it has not started")?.ends_with(0)
    }

    /// Both processes end without their help, as with the host's power.
    pub(crate) fn go_away(&mut self) {
        self.bridge = None;
        self.service = None;
    }

    pub(crate) fn bridge_command(&self) -> Command {
        let mut command = fleet(&self.nats, &["serve", "--host", self.name, "--beat", BEAT, "--migration", ANY]);
        command.env("DBUS_SYSTEM_BUS_ADDRESS", &self.bus.address);
        command
    }

    /// Starts a program, and waits until it has told systemd that it is ready.
    async fn ready(&self, mut command: Command) -> Result<Running, Failure> {
        let path = self.bus.folder.path().join("notify");
        let _ = std::fs::remove_file(&path);
        let systemd = UnixDatagram::bind(&path)?;
        systemd.set_read_timeout(Some(LOOK))?;
        command.env("NOTIFY_SOCKET", &path).env("DBUS_SYSTEM_BUS_ADDRESS", &self.bus.address);
        let running = Running::start(&mut command)?;
        let process = format!("/proc/{}/stat", running.id());
        let ready = spawn_blocking(move || {
            while systemd.recv(&mut [0; 256]).is_err() {
                // One that has ended is a zombie until it is waited for.
                if std::fs::read_to_string(&process).is_ok_and(|stat| stat.contains(") Z ")) {
                    return false;
                }
            }
            true
        });
        if ready.await? {
            return Ok(running);
        }
        let ended = spawn_blocking(move || running.ends_with(0)).await?;
        Err(format!("it has ended: {}", ended.err().map(|error| error.to_string()).unwrap_or_default()).into())
    }

    /// Domains appear, and every other one ends, which xenlightd has told when this returns.
    pub(crate) async fn churn(&mut self, domids: std::ops::RangeInclusive<u32>) -> Outcome {
        for domid in domids {
            if domid % 2 == 0 {
                self.lives_and_dies(domid).await?;
            } else {
                self.machine.add_domain(domid)?;
                self.told("DomainAppeared", domid).await?;
            }
        }
        Ok(())
    }

    /// All of them appear, and then all of them end: faster than one after the other.
    pub(crate) async fn live_and_die(&mut self, domids: std::ops::RangeInclusive<u32>) -> Outcome {
        for domid in domids.clone() {
            self.machine.add_domain(domid)?;
        }
        self.told_all("DomainAppeared", domids.clone()).await?;
        for domid in domids.clone() {
            self.machine.destroy(domid)?;
        }
        self.told_all("DomainGone", domids).await
    }

    /// Two things happen.
    pub(crate) async fn lives_and_dies(&mut self, domid: u32) -> Outcome {
        self.machine.add_domain(domid)?;
        self.told("DomainAppeared", domid).await?;
        self.machine.destroy(domid)?;
        self.told("DomainGone", domid).await
    }

    /// Waits until xenlightd tells this of a domain.
    pub(crate) async fn told(&mut self, member: &str, domid: u32) -> Outcome {
        self.told_all(member, domid..=domid).await
    }

    /// Waits until xenlightd has told this of all these domains.
    async fn told_all(&mut self, member: &str, domids: std::ops::RangeInclusive<u32>) -> Outcome {
        let mut missing: BTreeSet<_> = domids.collect();
        while !missing.is_empty() {
            let message = self.signals.next().await.ok_or("the bus is gone")??;
            if message.header().member().is_none_or(|name| name.as_str() != member) {
                continue;
            }
            let body = message.body();
            let id = if member == "DomainChanged" {
                type Changed = (OwnedObjectPath, String, u32, String, String, HashMap<String, OwnedVariant>);
                body.deserialize::<Changed>()?.2
            } else {
                body.deserialize::<(OwnedObjectPath, String, u32, String, String)>()?.2
            };
            missing.remove(&id);
        }
        Ok(())
    }

    /// What xenlightd says has happened.
    pub(crate) async fn journal(&self) -> Result<Journal, Failure> {
        type Told = (u64, u64, String, String, u32, String, String, HashMap<String, OwnedVariant>);
        let mut journal = Journal::default();
        loop {
            let asked = (journal.instance.as_str(), journal.latest());
            let (name, path, interface) = ("org.osevent.Xen1", "/org/osevent/Xen1", "org.osevent.Xen1.Manager");
            let reply = self.client.call_method(Some(name), path, Some(interface), "ReadEvents", &asked).await?;
            let (instance, _, _, events): (_, u64, u64, Vec<Told>) = reply.body().deserialize()?;
            journal.instance = instance;
            if events.is_empty() {
                return Ok(journal);
            }
            journal.events.extend(events.into_iter().map(|event| (event.0, event.2, event.4.into())));
        }
    }
}

#[derive(Default)]
pub(crate) struct Journal {
    pub(crate) instance: String,
    pub(crate) events: Vec<Told>,
}

/// An event: its number, what it is, and the number of its domain.
pub(crate) type Told = (u64, String, u64);

impl Journal {
    /// The number of the last event.
    pub(crate) fn latest(&self) -> u64 {
        self.events.last().map_or(0, |event| event.0)
    }
}

/// A command of the program's.
pub(crate) fn fleet(nats: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xenlight-fleet"));
    command.args(arguments).env("NATS_URL", nats);
    command
}

/// Runs one to its end.
pub(crate) async fn output(mut command: Command) -> Result<Output, Failure> {
    Ok(spawn_blocking(move || command.output()).await??)
}

/// Why the cases cannot run here.
pub(crate) fn missing() -> Option<String> {
    if let Err(missing) = xenlight::Library::load() {
        return Some(missing.to_string());
    }
    let lacking = ["dbus-daemon", "nats-server"].into_iter().find(|name| program(name).is_none());
    lacking.map(|name| format!("there is no {name}"))
}
