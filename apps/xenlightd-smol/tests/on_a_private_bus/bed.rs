//! A bus of its own, a pretend machine, a polkit that answers by a table, and the service among them.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::future::Future;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_io::Timer;
use futures_lite::StreamExt;
use futures_lite::future::or;
use osevent_standin_machine::{Machine, Running, signal};
use smol::Executor;
use zbus::connection::Builder;
use zbus::fdo::{DBusProxy, ManagedObjects, ObjectManagerProxy, PropertiesProxy};
use zbus::message::{Message, Type};
use zbus::names::InterfaceName;
use zbus::{Connection, MatchRule, MessageStream, OwnedObjectPath, OwnedVariant};

use crate::bus::{Bus, program};
use crate::polkit::Polkit;
use crate::runtime::Smol;

pub(crate) type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

pub(crate) const SERVICE: &str = "org.osevent.Xen1";
pub(crate) const HOST: &str = "/org/osevent/Xen1";
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_xenlightd");

/// For anything to happen: the machine may be busy.
const LIMIT: Duration = Duration::from_secs(120);

/// The object of a pretend domain: its uuid ends with its number.
pub(crate) fn path_of(domid: u32) -> String {
    format!("{HOST}/domains/{domid:032x}")
}

pub(crate) struct Bed {
    /// Ends first.
    service: Option<Running>,
    pub(crate) client: Connection,
    pub(crate) polkit: Arc<Mutex<Polkit>>,
    /// While it is kept, polkit is there.
    pub(crate) polkit_bus: Option<Connection>,
    pub(crate) machine: Machine,
    bus: Bus,
}

/// Runs a case, with the service started.
pub(crate) fn with_service<F>(case: impl FnOnce(Bed) -> F) -> Outcome
where
    F: Future<Output = Outcome>,
{
    with_bed(|mut bed| async {
        bed.start().await?;
        case(bed).await
    })
}

/// Runs a case.
pub(crate) fn with_bed<F>(case: impl FnOnce(Bed) -> F) -> Outcome
where
    F: Future<Output = Outcome>,
{
    let executor = Arc::new(Executor::new());
    smol::block_on(executor.run(async {
        let whole = async { case(Bed::new(&executor).await?).await };
        let late = async {
            Timer::after(LIMIT).await;
            Err("it takes too long".into())
        };
        or(whole, late).await
    }))
}

impl Bed {
    async fn new(executor: &Arc<Executor<'static>>) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let bus = Bus::start()?;
        let machine = Machine::new()?;
        let polkit = Arc::new(Mutex::new(Polkit::default()));
        let polkit_bus = connect(&bus, executor).await?;
        Polkit::serve(&polkit, &polkit_bus).await?;
        let client = connect(&bus, executor).await?;
        Ok(Self { service: None, client, polkit, polkit_bus: Some(polkit_bus), machine, bus })
    }

    /// A program of this crate, on the bus and on the machine.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.machine.command(PROGRAM);
        command.args(arguments).env("DBUS_SYSTEM_BUS_ADDRESS", &self.bus.address);
        command
    }

    pub(crate) async fn start(&mut self) -> Outcome {
        let command = self.command(&["serve"]);
        self.start_as(command).await
    }

    /// Starts the service, and waits until it has told systemd that it is ready.
    pub(crate) async fn start_as(&mut self, mut command: Command) -> Outcome {
        let path = self.folder().join("notify");
        let _ = fs::remove_file(&path);
        let systemd = async_io::Async::<UnixDatagram>::bind(&path)?;
        self.service = Some(Running::start(command.env("NOTIFY_SOCKET", &path))?);
        let mut told = [0; 256];
        let length = systemd.recv(&mut told).await?;
        if &told[..length] == b"READY=1\n" || &told[..length] == b"READY=1" {
            Ok(())
        } else {
            Err("it is not ready".into())
        }
    }

    pub(crate) fn service(&mut self) -> &mut Running {
        self.service.as_mut().expect("it was started")
    }

    /// Asks the service to end, and waits until it has, in order.
    pub(crate) async fn stop(&mut self) -> Outcome {
        let service = self.service.take().ok_or("it was not started")?;
        signal(service.id(), "TERM")?;
        smol::unblock(move || service.ends_with(0)).await
    }

    /// Asks the service to end, and then not to wait for its jobs.
    pub(crate) async fn stop_at_once(&mut self) -> Outcome {
        let service = self.service.take().ok_or("it was not started")?;
        let bus = DBusProxy::new(&self.client).await?;
        let mut gone = bus.receive_name_owner_changed_with_args(&[(0, SERVICE), (2, "")]).await?;
        signal(service.id(), "TERM")?;
        gone.next().await.ok_or("the bus is gone")?;
        signal(service.id(), "TERM")?;
        smol::unblock(move || service.ends_with(0)).await
    }

    /// Ends the service without its help.
    pub(crate) fn kill(&mut self) {
        self.service = None;
    }

    /// Ends the service without its help, and returns what it has written to its error output.
    pub(crate) async fn killed(&mut self) -> Result<String, Box<dyn Error + Send + Sync>> {
        let service = self.service.take().ok_or("it was not started")?;
        signal(service.id(), "KILL")?;
        let ended = smol::unblock(move || service.ends_with(0)).await;
        Ok(ended.expect_err("a signal has ended it").to_string())
    }

    /// Ends the bus, and returns what the service, which ends with it, has written to its error output.
    pub(crate) async fn kill_bus(&mut self) -> Result<String, Box<dyn Error + Send + Sync>> {
        let service = self.service.take().ok_or("it was not started")?;
        self.bus.daemon.kill()?;
        let ended = smol::unblock(move || service.ends_with(0)).await;
        Ok(ended.expect_err("a service without a bus is none").to_string())
    }

    /// Of the bus.
    pub(crate) fn address(&self) -> &str {
        &self.bus.address
    }

    pub(crate) fn folder(&self) -> &Path {
        self.bus.folder.path()
    }

    pub(crate) async fn domains(&self) -> zbus::Result<ManagedObjects> {
        let objects = ObjectManagerProxy::builder(&self.client).destination(SERVICE).path(HOST).build().await?;
        let mut objects = objects.get_managed_objects().await?;
        objects.retain(|path, _| path.starts_with("/org/osevent/Xen1/domains/"));
        Ok(objects)
    }

    pub(crate) async fn properties(&self, path: &str, interface: &str) -> zbus::Result<HashMap<String, OwnedVariant>> {
        let properties = PropertiesProxy::builder(&self.client).destination(SERVICE).path(path).build().await?;
        let interface = InterfaceName::try_from(format!("{SERVICE}.{interface}"))?;
        Ok(properties.get_all(interface).await?)
    }

    pub(crate) async fn text(&self, path: &str, interface: &str, name: &str) -> zbus::Result<String> {
        let mut all = self.properties(path, interface).await?;
        String::try_from(all.remove(name).ok_or(zbus::Error::MissingField)?)
    }

    /// Calls a method of an object of the service.
    pub(crate) async fn call<B>(&self, path: &str, interface: &str, method: &str, body: &B) -> zbus::Result<Message>
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        self.client
            .call_method(Some(SERVICE), path, Some(format!("{SERVICE}.{interface}").as_str()), method, body)
            .await
    }

    /// Begins a job.
    pub(crate) async fn begin(&self, path: &str, method: &str) -> zbus::Result<OwnedObjectPath> {
        self.call(path, "Domain", method, &()).await?.body().deserialize()
    }

    /// All signals of the service from now on.
    pub(crate) async fn signals(&self) -> zbus::Result<Signals> {
        let rule = MatchRule::builder().msg_type(Type::Signal).path_namespace(HOST).build()?;
        Ok(Signals(MessageStream::for_match_rule(rule, &self.client, std::num::NonZero::new(4096)).await?))
    }
}

pub(crate) struct Signals(MessageStream);

impl Signals {
    pub(crate) async fn any(&mut self) -> zbus::Result<Message> {
        self.0.next().await.ok_or(zbus::Error::InvalidReply)?
    }

    /// Waits for one with this name that comes from this object; others are passed over.
    pub(crate) async fn next(&mut self, path: &str, member: &str) -> zbus::Result<Message> {
        loop {
            let message = self.any().await?;
            let header = message.header();
            let is = header.path().is_some_and(|at| at.as_str() == path);
            if is && header.member().is_some_and(|name| name.as_str() == member) {
                return Ok(message);
            }
        }
    }

    /// Waits until a property is told to have this value.
    pub(crate) async fn property(&mut self, path: &str, name: &str, value: OwnedVariant) -> zbus::Result<()> {
        loop {
            let message = self.next(path, "PropertiesChanged").await?;
            let body = message.body();
            let (_, changed, _): (String, HashMap<String, OwnedVariant>, Vec<String>) = body.deserialize()?;
            if changed.get(name) == Some(&value) {
                return Ok(());
            }
        }
    }

    /// Waits until Manager tells this of a domain; returns its name and state.
    pub(crate) async fn domain(&mut self, member: &str, domid: u32) -> zbus::Result<(String, String)> {
        loop {
            let message = self.next(HOST, member).await?;
            let body = message.body();
            let (id, name, state): (u32, String, String) = if member == "DomainChanged" {
                let (_, _, id, name, state, _): (OwnedObjectPath, String, _, _, _, HashMap<String, OwnedVariant>) =
                    body.deserialize()?;
                (id, name, state)
            } else {
                let (_, _, id, name, state): (OwnedObjectPath, String, _, _, _) = body.deserialize()?;
                (id, name, state)
            };
            if id == domid {
                return Ok((name, state));
            }
        }
    }
}

async fn connect(bus: &Bus, executor: &Arc<Executor<'static>>) -> zbus::Result<Connection> {
    Builder::address(bus.address.as_str()).runtime(Smol(executor.clone())).build().await
}

/// Why the cases cannot run here.
pub(crate) fn missing() -> Option<String> {
    if let Err(missing) = xenlight::Library::load() {
        return Some(missing.to_string());
    }
    program("dbus-daemon").is_none().then(|| "there is no dbus-daemon".to_owned())
}
