//! The host's events into the stream, each exactly once.
//!
//! The stream itself tells how far it has them: the last message of this host has the number of its event. A message is accepted only if that
//! is still the last one, so a message whose acknowledgement was lost is not stored again, and one that arrives late is refused. Where a
//! publication fails in any way, the last message is read again. This process keeps nothing on a disk, and may end at any time; xenlightd
//! keeps the events meanwhile, and says how many it could not.

use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::message::{PublishMessage, StreamMessage};
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use async_nats::jetstream::{self, Context};
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use crate::Failed;
use crate::names;
use crate::service::{Service, object};

/// Between two attempts.
const RETRY: Duration = Duration::from_secs(1);

/// How long the stream keeps events, unless an administrator has made it otherwise.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The stream is not larger: a million events or so.
const LARGEST: i64 = 512 << 20;

pub(crate) struct Feed {
    pub(crate) host: String,
    pub(crate) service: Service,
    pub(crate) context: Context,
}

/// Up to which event of which instance of xenlightd the stream has them.
struct Place {
    instance: String,
    after: u64,
    /// The number in the stream of the host's last message; 0 if there is none.
    last: u64,
}

/// The stream, which is made if it is not there.
///
/// # Errors
/// The server is away, or has no JetStream.
pub(crate) async fn stream(context: &Context) -> Result<Stream, Failed> {
    let config = jetstream::stream::Config {
        name: names::STREAM.to_owned(),
        subjects: vec![names::events("*"), names::watch("*")],
        max_age: KEPT,
        max_bytes: LARGEST,
        ..Default::default()
    };
    Ok(context.get_or_create_stream(config).await?)
}

/// The last message of a subject, if there is one.
///
/// # Errors
/// The server is away.
pub(crate) async fn last(stream: &Stream, subject: &str) -> Result<Option<StreamMessage>, Failed> {
    match stream.get_last_raw_message_by_subject(subject).await {
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        last => Ok(Some(last?)),
    }
}

impl Feed {
    /// Follows for ever.
    ///
    /// # Errors
    /// Those of the bus.
    pub(crate) async fn run(&self) -> Result<(), Failed> {
        let changes = self.service.changes().await?;
        loop {
            // While the server is away, what is published would be sent much later.
            if self.context.client().connection_state() == State::Connected
                && let Err(failed) = self.follow(&changes).await
            {
                eprintln!("xenlight-fleet: the events wait: {failed}");
            }
            sleep(RETRY).await;
        }
    }

    /// Until something goes wrong.
    async fn follow(&self, changes: &tokio::sync::Notify) -> Result<(), Failed> {
        let mut place = self.place().await?;
        loop {
            let page = self.service.read(&place.instance, place.after).await?;
            if page.instance != place.instance {
                place = Place { instance: page.instance, after: 0, ..place };
                self.publish(&mut place, 0, object(json!({ "event": "began" }))).await?;
            } else if page.lost > 0 {
                let snapshot =
                    json!({ "event": "snapshot", "lost": page.lost, "domains": self.service.domains().await? });
                self.publish(&mut place, page.latest, object(snapshot)).await?;
            } else if page.events.is_empty() {
                changes.notified().await;
            } else {
                for event in page.events {
                    self.publish(&mut place, event.number, event.told).await?;
                }
            }
        }
    }

    async fn place(&self) -> Result<Place, Failed> {
        let Some(last) = last(&stream(&self.context).await?, &names::events(&self.host)).await? else {
            return Ok(Place { instance: String::new(), after: 0, last: 0 });
        };
        let told: Value = serde_json::from_slice(&last.payload)?;
        let instance =
            told["instance"].as_str().ok_or("the last message of this host in the stream is none of ours")?;
        let after = told["sequence"].as_u64().unwrap_or_default();
        Ok(Place { instance: instance.to_owned(), after, last: last.sequence })
    }

    /// Has the next message of this host stored.
    async fn publish(&self, place: &mut Place, sequence: u64, mut told: Map<String, Value>) -> Result<(), Failed> {
        let id = format!("{}.{}.{sequence}", self.host, place.instance);
        told.extend(object(json!({ "host": self.host, "instance": place.instance, "sequence": sequence })));
        let message = PublishMessage::build()
            .payload(serde_json::to_vec(&told)?.into())
            .message_id(id)
            .expected_last_subject_sequence(place.last);
        let stored = self.context.send_publish(names::events(&self.host), message).await?.await?;
        place.after = sequence;
        place.last = stored.sequence;
        Ok(())
    }
}
