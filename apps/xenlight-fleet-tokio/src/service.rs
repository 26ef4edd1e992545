//! The host's xenlightd, on its system bus.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use futures_lite::StreamExt;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use zbus::connection::Builder;
use zbus::message::Type;
use zbus::{Connection, DynamicType, Fd, MatchRule, MessageStream, OwnedObjectPath, OwnedVariant, Variant};

use crate::Failed;

const NAME: &str = "org.osevent.Xen1";
const HOST: &str = "/org/osevent/Xen1";

#[derive(Clone)]
pub(crate) struct Service {
    bus: Connection,
}

/// Its events after one of them: xenlightd documents them at `ReadEvents`.
pub(crate) struct Page {
    pub(crate) instance: String,
    pub(crate) lost: u64,
    pub(crate) latest: u64,
    pub(crate) events: Vec<Event>,
}

pub(crate) struct Event {
    pub(crate) number: u64,
    /// As it is told to others.
    pub(crate) told: Map<String, Value>,
}

type Properties = HashMap<String, OwnedVariant>;

impl Service {
    /// # Errors
    /// There is no system bus.
    pub(crate) async fn connect() -> Result<Self, Failed> {
        let bus = Builder::system().build().await;
        Ok(Self { bus: bus.map_err(|error| format!("cannot reach the system bus: {error}"))? })
    }

    /// Returns when the bus is gone.
    pub(crate) async fn gone(&self) {
        self.bus.closed().await;
    }

    /// Notified when there may be new events.
    ///
    /// # Errors
    /// Those of the bus.
    pub(crate) async fn changes(&self) -> zbus::Result<Arc<Notify>> {
        let rule = MatchRule::builder().msg_type(Type::Signal).sender(NAME).path(HOST).build()?;
        let mut signals = MessageStream::for_match_rule(rule, &self.bus, None).await?;
        let changes = Arc::new(Notify::new());
        let notified = changes.clone();
        // Whoever is slow must not hold up the bus, so this one is not.
        tokio::spawn(async move {
            while signals.next().await.is_some() {
                notified.notify_one();
            }
        });
        Ok(changes)
    }

    /// # Errors
    /// Those of the bus and of the service.
    pub(crate) async fn read(&self, instance: &str, after: u64) -> zbus::Result<Page> {
        type Told = (u64, u64, String, String, u32, String, String, Properties);
        let reply = self.call(HOST, "Manager", "ReadEvents", &(instance, after)).await?;
        let (instance, lost, latest, events): (_, _, _, Vec<Told>) = reply.body().deserialize()?;
        let event = |(number, time, event, uuid, id, name, state, changed): Told| {
            let changed: Map<_, _> = changed.into_iter().map(|(name, value)| (name, plain(&value))).collect();
            let mut told = object(json!({ "sequence": number, "time": time, "event": event }));
            if !uuid.is_empty() {
                told.extend(object(json!({ "uuid": uuid, "id": id, "name": name, "state": state })));
            }
            if !changed.is_empty() {
                told.insert("changed".to_owned(), changed.into());
            }
            Event { number, told }
        };
        Ok(Page { instance, lost, latest, events: events.into_iter().map(event).collect() })
    }

    /// All domains, in the order of their numbers.
    ///
    /// # Errors
    /// Those of the bus.
    pub(crate) async fn domains(&self) -> zbus::Result<Vec<Value>> {
        type Objects = HashMap<OwnedObjectPath, HashMap<String, Properties>>;
        let interface = Some("org.freedesktop.DBus.ObjectManager");
        let reply = self.bus.call_method(Some(NAME), HOST, interface, "GetManagedObjects", &()).await?;
        let objects: Objects = reply.body().deserialize()?;
        let domains = objects.into_values().filter_map(|mut object| object.remove("org.osevent.Xen1.Domain"));
        let mut domains: Vec<_> = domains
            .map(|domain| {
                let property = |name| domain.get(name).map(|value| plain(value));
                json!({
                    "uuid": property("Uuid"), "id": property("Id"), "name": property("Name"), "state": property("State"),
                    "memory_kib": property("MemoryKib"), "vcpus": property("VcpusOnline"),
                })
            })
            .collect();
        domains.sort_by_key(|domain| domain["id"].as_u64());
        Ok(domains)
    }

    /// Why it has no connection to Xen; empty if it has.
    ///
    /// # Errors
    /// Those of the bus.
    pub(crate) async fn trouble(&self) -> zbus::Result<String> {
        take(&mut self.properties(HOST, "Manager").await?, "Trouble")
    }

    /// The object of a domain, by its uuid or its name.
    ///
    /// # Errors
    /// Those of the bus; there is none with this name.
    pub(crate) async fn domain(&self, uuid_or_name: &str) -> zbus::Result<OwnedObjectPath> {
        if let Ok(uuid) = uuid::Uuid::parse_str(uuid_or_name) {
            return OwnedObjectPath::try_from(format!("{HOST}/domains/{}", uuid.simple()));
        }
        self.call(HOST, "Manager", "FindDomain", &uuid_or_name).await?.body().deserialize()
    }

    /// Begins a job of a domain.
    ///
    /// # Errors
    /// Those of the bus and of the service.
    pub(crate) async fn begin(&self, domain: &str, method: &str) -> zbus::Result<OwnedObjectPath> {
        self.call(domain, "Domain", method, &()).await?.body().deserialize()
    }

    /// Begins to create a domain. Also returns warnings.
    ///
    /// # Errors
    /// Those of the bus and of the service.
    pub(crate) async fn create(
        &self,
        configuration: &str,
        paused: bool,
    ) -> zbus::Result<(OwnedObjectPath, Vec<String>)> {
        let reply = self.call(HOST, "Manager", "CreateDomain", &(configuration, paused)).await?;
        let (job, _, warnings): (_, OwnedObjectPath, _) = reply.body().deserialize()?;
        Ok((job, warnings))
    }

    /// Begins to send a domain to whoever is at the other end of the socket.
    ///
    /// # Errors
    /// Those of the bus and of the service.
    pub(crate) async fn migrate(&self, domain: &str, over: UnixStream, live: bool) -> zbus::Result<OwnedObjectPath> {
        let over = || Fd::from(over.as_fd());
        self.call(domain, "Domain", "Migrate", &(over(), over(), live)).await?.body().deserialize()
    }

    /// Begins to receive a domain from whoever is at the other end of the socket.
    ///
    /// # Errors
    /// Those of the bus and of the service.
    pub(crate) async fn receive(&self, over: UnixStream, paused: bool) -> zbus::Result<OwnedObjectPath> {
        let over = || Fd::from(over.as_fd());
        self.call(HOST, "Manager", "ReceiveDomain", &(over(), over(), paused)).await?.body().deserialize()
    }

    /// What libxl works at for a job, and how much of that is done, in percent.
    ///
    /// # Errors
    /// Those of the bus.
    pub(crate) async fn step(&self, job: &str) -> zbus::Result<(String, u8)> {
        let mut job = self.properties(job, "Job").await?;
        Ok((take(&mut job, "Step")?, take(&mut job, "Percent")?))
    }

    /// Waits for the end of a job.
    ///
    /// # Errors
    /// That of the job, and those of the bus.
    pub(crate) async fn wait(&self, job: &str) -> zbus::Result<()> {
        self.call(job, "Job", "Wait", &()).await.map(drop)
    }

    /// Asks for the end of a job.
    ///
    /// # Errors
    /// Those of the bus and of the service.
    pub(crate) async fn cancel(&self, job: &str) -> zbus::Result<()> {
        self.call(job, "Job", "Cancel", &()).await.map(drop)
    }

    /// What libxl has logged about a job of this user's that has failed.
    ///
    /// # Errors
    /// Those of the bus and of the service.
    pub(crate) async fn words(&self, job: &str) -> zbus::Result<Vec<String>> {
        let (_, words): (String, _) = self.call(job, "Job", "GetFailure", &()).await?.body().deserialize()?;
        Ok(words)
    }

    async fn call<B>(&self, path: &str, interface: &str, method: &str, body: &B) -> zbus::Result<zbus::Message>
    where
        B: serde::Serialize + DynamicType,
    {
        self.bus.call_method(Some(NAME), path, Some(format!("{NAME}.{interface}").as_str()), method, body).await
    }

    /// All of an object, as of one moment.
    async fn properties(&self, path: &str, interface: &str) -> zbus::Result<Properties> {
        let asked = format!("{NAME}.{interface}");
        let properties = Some("org.freedesktop.DBus.Properties");
        self.bus.call_method(Some(NAME), path, properties, "GetAll", &asked).await?.body().deserialize()
    }
}

fn take<T: TryFrom<OwnedVariant, Error = zbus::Error>>(properties: &mut Properties, name: &str) -> zbus::Result<T> {
    properties.remove(name).ok_or(zbus::Error::MissingField)?.try_into()
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    if let Value::Object(object) = value { object } else { Map::new() }
}

/// `null` for what no property of the service is.
fn plain(value: &Variant<'_>) -> Value {
    match value {
        Variant::Bool(value) => (*value).into(),
        Variant::U32(value) => (*value).into(),
        Variant::U64(value) => (*value).into(),
        Variant::Str(value) => value.as_str().into(),
        _ => Value::Null,
    }
}
