//! `migrate`: has a domain migrate from one host to another, and says how far it is and how it ended.

use std::io::{self, IsTerminal, Write, stderr};
use std::time::Duration;

use async_nats::{Client, StatusCode, Subscriber};
use futures_lite::StreamExt;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, timeout_at};

use crate::Failed;
use crate::client::{AT_HAND, ask, refusal, text};
use crate::names;

/// A host that says nothing for so long is not heard of any more: it tells twice a second how far it is.
const SILENCE: Duration = Duration::from_secs(15);

/// A test has less time, in milliseconds. This is for the project's tests only.
const TEST_SILENCE: &str = "XENLIGHT_FLEET_TEST_SILENCE_MS";

/// How long the target may take to end after the source.
const END: Duration = Duration::from_secs(30);

pub(crate) struct Migration {
    pub(crate) from: String,
    pub(crate) domain: String,
    pub(crate) to: String,
    pub(crate) live: bool,
    pub(crate) paused: bool,
}

/// # Errors
/// The domain does not run at the target for sure. The text is what both hosts say of it.
pub(crate) async fn run(client: &Client, migration: Migration) -> Result<(), Failed> {
    let Migration { from, domain, to, live, paused } = migration;
    if from == to {
        return Err(format!("{domain} cannot migrate from {from} to {to}: that is one host").into());
    }
    let mut presses = signal(SignalKind::interrupt())?;
    let offer = done(&from, ask(client, &from, "offer", &json!({ "domain": domain }), AT_HAND).await?)?;
    let mut target = Host::ask(client, &to, "receive", json!({ "key": offer["key"], "paused": paused })).await?;
    let listening = done(&to, target.next().await?)?;
    let asked = json!({ "domain": domain, "address": listening["address"], "key": listening["key"], "live": live });
    let mut source = Host::ask(client, &from, "migrate", asked).await?;

    let (mut shown, mut job, mut received) = (Shown::default(), None, None);
    let (mut pressed, mut is_cancelled) = (0, false);
    let sent = loop {
        tokio::select! {
            said = source.next() => match said {
                Ok(said) if is_last(&said) => break done(&from, said),
                Ok(said) => {
                    job = job.or_else(|| said.get("job").cloned());
                    shown.show(&said)?;
                }
                Err(silent) => break Err(silent),
            },
            said = target.next(), if received.is_none() => received = end_of(&to, said),
            _ = presses.recv() => pressed += 1,
        }
        match &job {
            _ if pressed > 1 => {
                shown.end()?;
                return Err(format!("{from} still works at it; xenlight-fleet list tells where {domain} is").into());
            }
            Some(job) if pressed == 1 && !is_cancelled => {
                is_cancelled = true;
                let cancelled = ask(client, &from, "cancel", &json!({ "job": job }), AT_HAND).await;
                if let Err(failed) = cancelled.and_then(|answer| done(&from, answer)) {
                    shown.end()?;
                    eprintln!("xenlight-fleet: it cannot be cancelled: {failed}");
                }
            }
            _ => {}
        }
    };
    shown.end()?;
    let Err(failed) = sent else {
        println!("{domain} runs on {to}");
        return Ok(());
    };
    // Nothing was begun, of which the target could tell.
    if job.is_none() && source.is_heard_of() {
        return Err(failed);
    }
    let limit = Instant::now() + END;
    while received.is_none() && Instant::now() < limit {
        received = end_of(&to, target.next().await);
    }
    let other = match received {
        Some(Ok(_)) => format!("{to}: {domain} has come and runs here"),
        Some(Err(refused)) => refused.to_string(),
        None => format!("{to} still works at it"),
    };
    Err(format!("{failed}\nxenlight-fleet: {other}").into())
}

/// A host that was asked for something, and answers more than once.
struct Host {
    name: String,
    answers: Subscriber,
    heard: Instant,
    silence: Duration,
}

impl Host {
    async fn ask(client: &Client, name: &str, command: &str, asked: Value) -> Result<Self, Failed> {
        let inbox = client.new_inbox();
        let answers = client.subscribe(inbox.clone()).await?;
        client.publish_with_reply(names::command(name, command), inbox, asked.to_string().into()).await?;
        let silence = std::env::var(TEST_SILENCE).ok().and_then(|text| text.parse().ok());
        let silence = silence.map_or(SILENCE, Duration::from_millis);
        Ok(Self { name: name.to_owned(), answers, heard: Instant::now(), silence })
    }

    /// # Errors
    /// It is not there, or not heard of any more.
    async fn next(&mut self) -> Result<Value, Failed> {
        let silent = || format!("{} is not heard of any more, so it is not known how it ended there", self.name);
        let answer = timeout_at(self.heard + self.silence, self.answers.next()).await.map_err(|_| silent())?;
        let answer = answer.ok_or("the connection to the NATS server is lost")?;
        if answer.status == Some(StatusCode::NO_RESPONDERS) {
            return Err(format!("{} is not there", self.name).into());
        }
        self.heard = Instant::now();
        Ok(serde_json::from_slice(&answer.payload)?)
    }

    fn is_heard_of(&self) -> bool {
        self.heard.elapsed() < self.silence
    }
}

fn is_last(said: &Value) -> bool {
    said.get("outcome").is_some() || said.get("error").is_some()
}

/// How it ended there, if it has.
fn end_of(host: &str, said: Result<Value, Failed>) -> Option<Result<Value, Failed>> {
    match said {
        Ok(said) if is_last(&said) => Some(done(host, said)),
        Ok(_) => None,
        Err(silent) => Some(Err(silent)),
    }
}

/// # Errors
/// The host has refused, or has failed.
fn done(host: &str, answer: Value) -> Result<Value, Failed> {
    match refusal(&answer) {
        Some(refusal) => Err(format!("{host}: {refusal}").into()),
        None => Ok(answer),
    }
}

/// What was shown last of how far it is: on a terminal in one line, elsewhere in a line each.
#[derive(Default)]
struct Shown(String);

impl Shown {
    fn show(&mut self, said: &Value) -> io::Result<()> {
        let step = text(&said["step"]);
        let now = format!("{step} {} %", said["percent"].as_u64().unwrap_or_default());
        if step.is_empty() || now == self.0 {
            return Ok(());
        }
        self.0 = now;
        let mut out = stderr().lock();
        if out.is_terminal() {
            write!(out, "\r\x1b[K{}", self.0)?
        } else {
            writeln!(out, "{}", self.0)?
        }
        out.flush()
    }

    fn end(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.0).is_empty() && stderr().is_terminal() {
            writeln!(stderr())?;
        }
        Ok(())
    }
}
