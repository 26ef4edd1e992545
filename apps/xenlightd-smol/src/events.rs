//! `events`: a line for each change, for people or as JSON for programs.

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::io::{self, Write};

use async_signal::{Signal, Signals};
use futures_lite::future::or;
use futures_lite::{Stream, StreamExt};
use serde_json::{Map, Value, json};
use zbus::fdo::{ManagedObjects, NameOwnerChanged};
use zbus::message::{Message, Type};
use zbus::{Connection, MatchRule, MessageStream, OwnedObjectPath, OwnedVariant, Variant};

use crate::Failed;
use crate::client::{Properties, domains_of};
use crate::names;

/// Prints until SIGINT, SIGTERM, or until nobody reads any more.
///
/// # Errors
/// Those of the bus and of standard output.
pub(crate) async fn run(bus: &Connection, json: bool) -> Result<(), Failed> {
    let mut signals = Signals::new([Signal::Term, Signal::Int])?;
    let ended = async {
        signals.next().await;
        Ok(())
    };
    match or(ended, follow(bus, json)).await {
        Err(failed) if is_broken_pipe(&failed) => Ok(()),
        outcome => outcome,
    }
}

fn is_broken_pipe(failed: &Failed) -> bool {
    failed.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

async fn follow(bus: &Connection, json: bool) -> Result<(), Failed> {
    let of_service = || MatchRule::builder().msg_type(Type::Signal).sender(names::SERVICE);
    let domains = of_service().interface(names::MANAGER).build()?;
    let host = of_service().interface("org.freedesktop.DBus.Properties").path(names::HOST).build()?;
    let owner = MatchRule::builder().msg_type(Type::Signal).sender("org.freedesktop.DBus");
    let owner = owner.member("NameOwnerChanged").arg(0, names::SERVICE).build()?;
    let mut streams = Vec::new();
    for rule in [domains, host, owner] {
        streams.push(MessageStream::for_match_rule(rule, bus, None).await?);
    }
    let mut messages =
        futures_lite::stream::race(streams.remove(0), futures_lite::stream::race(streams.remove(0), streams.remove(0)));

    let mut waiting = VecDeque::new();
    let mut known_at = taking(&mut messages, &mut waiting, present(bus, json)).await?;
    loop {
        let next = match waiting.pop_front() {
            Some(message) => Some(message),
            None => messages.next().await,
        };
        let message = next.ok_or("the connection to the bus is lost")??;
        // What came before the list is in the list.
        if message.recv_position() < known_at.recv_position() {
            continue;
        }
        let header = message.header();
        let member = header.member().map_or("", |member| member.as_str());
        match member {
            "DomainAppeared" => print(json, domain("appeared", &message)?)?,
            "DomainGone" => print(json, domain("gone", &message)?)?,
            "DomainChanged" => print(json, changed(&message)?)?,
            "PropertiesChanged" => {
                if let Some(line) = availability(&message)? {
                    print(json, line)?;
                }
            }
            "NameOwnerChanged" => match NameOwnerChanged::from_message(message.clone()) {
                Some(change) if change.args()?.new_owner().is_none() => {
                    print(json, host_line(false, "the service has ended"))?;
                }
                Some(_) => known_at = taking(&mut messages, &mut waiting, present(bus, json)).await?,
                None => {}
            },
            _ => {}
        }
    }
}

/// Takes the messages that come while something is asked. zbus keeps 64 that nobody takes, and reads nothing more then: no answer either.
async fn taking<T>(
    messages: &mut (impl Stream<Item = zbus::Result<Message>> + Unpin),
    waiting: &mut VecDeque<zbus::Result<Message>>,
    ask: impl Future<Output = T>,
) -> T {
    let take = async {
        while let Some(message) = messages.next().await {
            waiting.push_back(message);
        }
        // Without the bus, what is asked ends as well.
        pending().await
    };
    or(ask, take).await
}

/// Prints what there is, and returns the message that told it.
async fn present(bus: &Connection, json: bool) -> Result<Message, Failed> {
    let manager = zbus::Proxy::new(bus, names::SERVICE, names::HOST, names::MANAGER).await?;
    let trouble: String = manager.get_property("Trouble").await?;
    let interface = Some("org.freedesktop.DBus.ObjectManager");
    let reply = bus.call_method(Some(names::SERVICE), names::HOST, interface, "GetManagedObjects", &()).await?;
    print(json, host_line(trouble.is_empty(), &trouble))?;
    for domain in domains_of(reply.body().deserialize::<ManagedObjects>()?) {
        print(json, present_line(&domain))?;
    }
    Ok(reply)
}

fn present_line(domain: &Properties) -> Map<String, Value> {
    let uuid = domain.text("Uuid");
    line("present", domain.number("Id"), uuid, domain.text("Name"), domain.text("State"))
}

fn domain(event: &str, message: &Message) -> zbus::Result<Map<String, Value>> {
    let body = message.body();
    let (_, uuid, id, name, state): (OwnedObjectPath, &str, u32, &str, &str) = body.deserialize()?;
    Ok(line(event, id.into(), uuid, name, state))
}

fn changed(message: &Message) -> zbus::Result<Map<String, Value>> {
    type Changed<'a> = (OwnedObjectPath, &'a str, u32, &'a str, &'a str, HashMap<String, OwnedVariant>);
    let body = message.body();
    let (_, uuid, id, name, state, changed): Changed<'_> = body.deserialize()?;
    let mut line = line("changed", id.into(), uuid, name, state);
    let changed: Map<_, _> = changed.into_iter().filter_map(|(name, value)| Some((name, plain(&value)?))).collect();
    line.insert("changed".to_owned(), changed.into());
    Ok(line)
}

/// `None` if it is about other properties.
fn availability(message: &Message) -> zbus::Result<Option<Map<String, Value>>> {
    let body = message.body();
    let (_, changed, _): (&str, HashMap<String, OwnedVariant>, Vec<String>) = body.deserialize()?;
    Ok(changed.get("Trouble").and_then(plain_text).map(|trouble| host_line(trouble.is_empty(), &trouble)))
}

fn line(event: &str, id: u64, uuid: &str, name: &str, state: &str) -> Map<String, Value> {
    object(json!({ "event": event, "id": id, "uuid": uuid, "name": name, "state": state }))
}

fn host_line(available: bool, trouble: &str) -> Map<String, Value> {
    if available {
        object(json!({ "event": "available" }))
    } else {
        object(json!({ "event": "unavailable", "trouble": trouble }))
    }
}

fn object(value: Value) -> Map<String, Value> {
    if let Value::Object(object) = value { object } else { Map::new() }
}

fn plain(value: &Variant<'_>) -> Option<Value> {
    match value {
        Variant::Bool(value) => Some((*value).into()),
        Variant::U32(value) => Some((*value).into()),
        Variant::U64(value) => Some((*value).into()),
        Variant::Str(value) => Some(value.as_str().into()),
        _ => None,
    }
}

fn plain_text(value: &OwnedVariant) -> Option<String> {
    if let Variant::Str(text) = &**value { Some(text.to_string()) } else { None }
}

/// Each line leaves at once.
fn print(json: bool, line: Map<String, Value>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        writeln!(out, "{}", Value::Object(line))?;
    } else {
        let field = |name| match line.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => String::new(),
        };
        let words = ["event", "id", "name", "state", "trouble", "changed"].map(field);
        let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
        writeln!(out, "{}", words.join(" "))?;
    }
    out.flush()
}
