//! `watch`: tells the stream when a host is lost, and when it is back.
//!
//! Any number of these may run: of what several tell of one beat, the stream keeps one.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use async_nats::connection::State;
use async_nats::jetstream::Context;
use async_nats::jetstream::kv::{Entry, Operation, Store};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::Stream;
use futures_lite::StreamExt;
use serde_json::{Value, json};
use tokio::time::{interval, sleep};

use crate::Failed;
use crate::beat::{hosts, patience};
use crate::{feed, names};

/// Between two looks at who is silent.
const LOOK: Duration = Duration::from_millis(250);
const RETRY: Duration = Duration::from_secs(1);

/// What was heard of a host last.
struct Heard {
    revision: u64,
    /// On this machine's clock, which only goes forward.
    at: Instant,
    patience: Duration,
    /// As this process or another one has told.
    is_lost: bool,
}

struct Watch<'a> {
    context: &'a Context,
    stream: Stream,
    hosts: Store,
}

/// Watches for ever.
pub(crate) async fn run(context: &Context) -> Result<(), Failed> {
    let mut heard = HashMap::new();
    loop {
        match follow(context, &mut heard).await {
            Err(failed) if context.client().connection_state() == State::Connected => {
                eprintln!("xenlight-fleet: {failed}");
            }
            // Whatever was noticed of it first.
            _ => eprintln!("xenlight-fleet: the server is away"),
        }
        sleep(RETRY).await;
    }
}

async fn follow(context: &Context, heard: &mut HashMap<String, Heard>) -> Result<(), Failed> {
    let watch = Watch { context, stream: feed::stream(context).await?, hosts: hosts(context).await? };
    let mut beats = watch.hosts.watch_with_history(">").await?;
    // Nobody could be heard meanwhile.
    heard.values_mut().for_each(|heard| heard.at = Instant::now());
    let mut looks = interval(LOOK);
    loop {
        tokio::select! {
            beat = beats.next() => watch.hear(heard, beat.ok_or("the beats have ended")??).await?,
            _ = looks.tick() => {
                if context.client().connection_state() != State::Connected {
                    return Err("the server is away".into());
                }
                watch.look(heard).await?;
            }
        }
    }
}

impl Watch<'_> {
    async fn hear(&self, heard: &mut HashMap<String, Heard>, beat: Entry) -> Result<(), Failed> {
        if beat.operation != Operation::Put {
            heard.remove(&beat.key);
            return Ok(());
        }
        let is_lost = match heard.get(&beat.key) {
            // The last one comes again when the server is back.
            Some(before) if before.revision == beat.revision => return Ok(()),
            Some(before) if before.is_lost => {
                self.tell(&beat.key, "back", beat.revision).await?;
                false
            }
            Some(_) => false,
            // Back it is with its next beat.
            None => self.last_told(&beat.key).await?.is_some_and(|last| last == "lost"),
        };
        let now = Heard { revision: beat.revision, at: Instant::now(), patience: patience(&beat), is_lost };
        heard.insert(beat.key, now);
        Ok(())
    }

    async fn look(&self, heard: &mut HashMap<String, Heard>) -> Result<(), Failed> {
        for (host, heard) in heard.iter_mut() {
            if heard.is_lost || heard.at.elapsed() < heard.patience {
                continue;
            }
            // The beats may be late, not the host.
            match self.hosts.entry(host).await? {
                Some(entry) if entry.revision != heard.revision => {
                    (heard.revision, heard.at) = (entry.revision, Instant::now());
                }
                _ => {
                    self.tell(host, "lost", heard.revision).await?;
                    heard.is_lost = true;
                }
            }
        }
        Ok(())
    }

    async fn tell(&self, host: &str, event: &str, revision: u64) -> Result<(), Failed> {
        // Another one may have been faster, or an earlier run of this one; of two that are as fast, the ids are the same.
        if self.last_told(host).await?.is_some_and(|last| last == event) {
            return Ok(());
        }
        let told = json!({ "event": event, "host": host });
        let message = PublishMessage::build()
            .payload(serde_json::to_vec(&told)?.into())
            .message_id(format!("{host}.{event}.{revision}"));
        self.context.send_publish(names::watch(host), message).await?.await?;
        println!("{told}");
        Ok(())
    }

    /// What the stream was told of this host last.
    async fn last_told(&self, host: &str) -> Result<Option<Value>, Failed> {
        let Some(last) = feed::last(&self.stream, &names::watch(host)).await? else { return Ok(None) };
        Ok(Some(serde_json::from_slice::<Value>(&last.payload)?["event"].take()))
    }
}
