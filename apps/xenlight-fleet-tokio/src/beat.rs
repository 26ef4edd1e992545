//! That a host is there: it says so again and again, under its name, which it has alone.
//!
//! An entry of the bucket is replaced only if it is still the one that was put before, so two hosts cannot have one name. Nobody compares
//! the clocks of two machines.

use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::kv::{Entry, Operation, Store, UpdateErrorKind};
use async_nats::jetstream::stream::{self, DiscardPolicy};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::Failed;
use crate::names;

/// A host is lost if it has missed this many beats.
const MISSED: u32 = 3;

/// The bucket, which is made if it is not there. A host stays in it until it is forgotten.
///
/// # Errors
/// The server is away, or has no JetStream.
pub(crate) async fn hosts(context: &Context) -> Result<Store, Failed> {
    // A bucket is a stream. `create_key_value` asks about the account before, and does not understand the answer of a server 2.9.
    let config = stream::Config {
        name: format!("KV_{}", names::HOSTS),
        subjects: vec![format!("$KV.{}.>", names::HOSTS)],
        max_messages_per_subject: 1,
        discard: DiscardPolicy::New,
        allow_rollup: true,
        allow_direct: true,
        deny_delete: true,
        ..Default::default()
    };
    context.get_or_create_stream(config).await?;
    Ok(context.get_key_value(names::HOSTS).await?)
}

/// How long a host may be silent, as its own entry says.
pub(crate) fn patience(entry: &Entry) -> Duration {
    let value: Value = serde_json::from_slice(&entry.value).unwrap_or_default();
    Duration::from_millis(value["beat_ms"].as_u64().unwrap_or_default()) * MISSED
}

pub(crate) struct Beat {
    context: Context,
    hosts: Store,
    host: String,
    every: Duration,
    /// Of xenlightd: a program that is started again beside the same one may have the name at once.
    instance: String,
    /// Of this process.
    id: String,
    /// Of the entry that is this host's; 0 if there is none.
    revision: u64,
}

impl Beat {
    /// Gets the name for this host.
    ///
    /// # Errors
    /// Another host has the name; or the server is away.
    pub(crate) async fn begin(
        context: Context,
        host: String,
        every: Duration,
        instance: String,
    ) -> Result<Self, Failed> {
        let id = uuid::Uuid::new_v4().to_string();
        let hosts = hosts(&context).await?;
        let mut beat = Self { context, hosts, host, every, instance, id, revision: 0 };
        if let Some(entry) = beat.hosts.entry(&beat.host).await? {
            let is_ours = field(&entry, "instance").as_deref() == Some(&beat.instance);
            if entry.operation == Operation::Put && !is_ours {
                // Whoever has it beats meanwhile.
                sleep(patience(&entry)).await;
            }
            beat.revision = entry.revision;
        }
        beat.put().await?;
        Ok(beat)
    }

    /// Beats for ever.
    ///
    /// # Errors
    /// Another host has the name.
    pub(crate) async fn run(mut self) -> Result<(), Failed> {
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.put().await {
                Err(failed) if failed.is::<Taken>() => return Err(failed),
                Ok(()) => {}
                // The server is away, or has lost the bucket.
                Err(_) => {
                    if let Ok(hosts) = hosts(&self.context).await {
                        self.hosts = hosts;
                    }
                }
            }
        }
    }

    async fn put(&mut self) -> Result<(), Failed> {
        let value = json!({ "instance": self.instance, "id": self.id, "beat_ms": self.every.as_millis() as u64 });
        let value = serde_json::to_vec(&value)?;
        match self.hosts.update(&self.host, value.into(), self.revision).await {
            Ok(revision) => self.revision = revision,
            Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {
                // One of this process whose acknowledgement was lost, or a server that has forgotten all of them.
                let entry = self.hosts.entry(&self.host).await?;
                if entry.as_ref().is_some_and(|entry| field(entry, "id").as_deref() != Some(&self.id)) {
                    return Err(Taken(self.host.clone()).into());
                }
                self.revision = entry.map_or(0, |entry| entry.revision);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

fn field(entry: &Entry, name: &str) -> Option<String> {
    serde_json::from_slice::<Value>(&entry.value).ok()?[name].as_str().map(str::to_owned)
}

/// Another host has the name.
#[derive(Debug)]
struct Taken(String);

impl std::fmt::Display for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "another host is called {}, too: give this one another name by --host", self.0)
    }
}

impl std::error::Error for Taken {}
