//! What people and programs ask of the fleet.

use std::io::{self, Write};
use std::time::Duration;

use async_nats::client::{Request, RequestErrorKind};
use async_nats::jetstream::consumer::{DeliverPolicy, pull::OrderedConfig};
use async_nats::{Client, jetstream};
use futures_lite::StreamExt;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::Failed;
use crate::beat::hosts;
use crate::{feed, names};

/// For an answer that a host has at hand.
pub(crate) const AT_HAND: Duration = Duration::from_secs(5);

/// Sends a request, and returns the answer.
pub(crate) async fn ask(
    client: &Client,
    host: &str,
    command: &str,
    asked: &Value,
    limit: Duration,
) -> Result<Value, Failed> {
    let request = Request::new().payload(asked.to_string().into()).timeout(Some(limit));
    match client.send_request(names::command(host, command), request).await {
        Ok(answer) => Ok(serde_json::from_slice(&answer.payload)?),
        Err(error) => Err(match error.kind() {
            RequestErrorKind::NoResponders => format!("{host} is not there").into(),
            RequestErrorKind::TimedOut => format!("{host} does not answer: it is not known whether it was done").into(),
            _ => error.into(),
        }),
    }
}

/// Prints all domains of all hosts: a table, or an array of JSON objects, one for each host.
pub(crate) async fn list(client: &Client, as_json: bool) -> Result<(), Failed> {
    let context = jetstream::new(client.clone());
    let known = hosts(&context).await?;
    // Not by a consumer, as `Store::keys` does: it tells again of a host that gives a sign of life meanwhile, and may not end then.
    let subjects = known.stream.info_with_subjects(format!("{}>", known.prefix)).await?;
    let subjects: Vec<(String, usize)> = subjects.try_collect().await?;
    let mut asked = JoinSet::new();
    for host in subjects.iter().filter_map(|(subject, _)| subject.strip_prefix(&known.prefix)) {
        let (client, known, host) = (client.clone(), known.clone(), host.to_owned());
        asked.spawn(async move {
            // One that was forgotten has left a mark.
            if known.get(&host).await?.is_none() {
                return Ok(None);
            }
            let answer = ask(&client, &host, "list", &Value::Null, AT_HAND).await;
            let mut listed = answer.unwrap_or_else(|failed| json!({ "lost": failed.to_string() }));
            listed["host"] = host.into();
            Ok(Some(listed))
        });
    }
    let hosts = asked.join_all().await.into_iter().filter_map(Result::transpose);
    let mut hosts = hosts.collect::<Result<Vec<Value>, Failed>>()?;
    hosts.sort_by(|one, other| one["host"].as_str().cmp(&other["host"].as_str()));
    let mut out = io::stdout().lock();
    if as_json {
        writeln!(out, "{}", Value::from(hosts))?;
        return Ok(out.flush()?);
    }
    writeln!(out, "{:<16}  {:>5}  {:<9}  {:>8}  {:>5}  NAME", "HOST", "ID", "STATE", "MEM/MIB", "VCPUS")?;
    for host in &hosts {
        let name = text(&host["host"]);
        for problem in ["lost", "trouble", "error"].map(|name| &host[name]) {
            if !problem.is_null() && *problem != "" {
                writeln!(out, "{name:<16}  {}", problem.as_str().map_or_else(|| problem.to_string(), str::to_owned))?;
            }
        }
        for domain in host["domains"].as_array().into_iter().flatten() {
            let number = |name: &str| domain[name].as_u64().unwrap_or_default();
            let (id, state, mib) = (number("id"), text(&domain["state"]), number("memory_kib") / 1024);
            writeln!(
                out,
                "{name:<16}  {id:>5}  {state:<9}  {mib:>8}  {:>5}  {}",
                number("vcpus"),
                text(&domain["name"])
            )?;
        }
    }
    Ok(out.flush()?)
}

/// Has a host do something, and prints what came of it.
///
/// # Errors
/// It was not done.
pub(crate) async fn order(
    client: &Client,
    host: &str,
    command: &str,
    mut asked: Value,
    limit: Duration,
) -> Result<(), Failed> {
    asked["limit_ms"] = (limit.as_millis() as u64).into();
    // The host says that the limit is over, and how it ended.
    let answer = ask(client, host, command, &asked, limit + 2 * AT_HAND).await?;
    if let Some(refusal) = refusal(&answer) {
        return Err(refusal.into());
    }
    for warning in answer["warnings"].as_array().into_iter().flatten() {
        eprintln!("xenlight-fleet: {}", text(warning));
    }
    Ok(())
}

/// Prints the events of all hosts, a JSON object in each line.
pub(crate) async fn events(client: &Client, all: bool) -> Result<(), Failed> {
    let stream = feed::stream(&jetstream::new(client.clone())).await?;
    let deliver_policy = if all { DeliverPolicy::All } else { DeliverPolicy::New };
    let consumer = stream.create_consumer(OrderedConfig { deliver_policy, ..Default::default() }).await?;
    let mut messages = consumer.messages().await?;
    while let Some(message) = messages.next().await {
        let mut out = io::stdout().lock();
        out.write_all(&message?.payload)?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
    Err("no events come any more".into())
}

/// A host that does not come back is listed no more.
pub(crate) async fn forget(client: &Client, host: &str) -> Result<(), Failed> {
    Ok(hosts(&jetstream::new(client.clone())).await?.purge(host).await?)
}

/// Why it was not done, if that is the answer.
pub(crate) fn refusal(answer: &Value) -> Option<String> {
    let error = answer.get("error")?;
    Some(format!("{}: {}", text(&error["name"]), text(&error["message"])))
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
