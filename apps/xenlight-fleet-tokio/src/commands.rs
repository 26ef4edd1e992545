//! Requests to this host. Who may do what is decided twice: NATS says who may publish on which subject, and polkit what this process may do.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, Message, Subscriber};
use futures_lite::StreamExt;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Failed;
use crate::migration::{Asker, Migrations};
use crate::names;
use crate::refusal::Refusal;
use crate::service::Service;
use crate::stop::{Phase, Stop};

/// Requests at a time; more are refused.
const AT_A_TIME: usize = 64;

/// How long a job may take unless the request says otherwise.
const LIMIT: Duration = Duration::from_secs(60);

/// How long a job may take to end after its limit, once it was cancelled.
const AFTER_CANCEL: Duration = Duration::from_secs(5);

/// For the last answers to be sent.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// Answers until the end is due and nothing is under way any more.
///
/// # Errors
/// The connection to the server is lost for good.
pub(crate) async fn serve(
    client: Client,
    service: Service,
    migrations: Migrations,
    mut requests: Subscriber,
    stop: Stop,
) -> Result<(), Failed> {
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    let mut under_way = JoinSet::new();
    while !(stop.is_at(Phase::Refusing) && under_way.is_empty()) {
        let request = tokio::select! {
            request = requests.next() => request.ok_or("no requests come any more")?,
            Some(_) = under_way.join_next() => continue,
            () = stop.reaches(Phase::Refusing), if !stop.is_at(Phase::Refusing) => continue,
        };
        let Some(reply_to) = request.reply.clone() else { continue };
        // Whoever asks must not have this host publish what he may not publish himself.
        if !reply_to.starts_with(names::INBOX) {
            eprintln!("xenlight-fleet: a request wants an answer at {:?}, which is no inbox", reply_to.as_str());
            continue;
        }
        let (service, migrations, stop) = (service.clone(), migrations.clone(), stop.clone());
        let asker = Asker { client: client.clone(), reply_to };
        let place = places.clone().try_acquire_owned();
        under_way.spawn(async move {
            let work = async {
                match &place {
                    Ok(_) => answer(&service, &migrations, &request, &asker, &stop).await,
                    Err(_) => Err(Refusal::new("Busy", &format!("{AT_A_TIME} requests are in progress already"))),
                }
            };
            let answer = tokio::select! {
                answer = work => answer,
                () = stop.reaches(Phase::Leaving) => {
                    Err(Refusal::stopping("what has begun goes on at xenlightd, and is not waited for"))
                }
            };
            asker.tell(&answer.unwrap_or_else(|refusal| refusal.0)).await;
        });
    }
    // The server may be away.
    Ok(timeout(LAST_ANSWERS, client.flush()).await.unwrap_or(Ok(()))?)
}

/// # Errors
/// Those of NATS.
pub(crate) async fn subscribe(client: &Client, host: &str) -> Result<Subscriber, Failed> {
    let requests = client.subscribe(names::command(host, "*")).await?;
    // Whoever is told that this host is ready may ask at once.
    client.flush().await?;
    Ok(requests)
}

/// The last answer. Those of a migration come before it.
async fn answer(
    service: &Service,
    migrations: &Migrations,
    request: &Message,
    asker: &Asker,
    stop: &Stop,
) -> Result<Value, Refusal> {
    let command = request.subject.rsplit('.').next().unwrap_or_default();
    if stop.is_at(Phase::Refusing) && !["list", "cancel"].contains(&command) {
        return Err(Refusal::stopping("it begins nothing any more"));
    }
    let asked: Value = if request.payload.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&request.payload)
            .map_err(|error| Refusal::new("InvalidArgument", &format!("the request is no JSON: {error}")))?
    };
    let text = |name: &str| {
        let missing = || Refusal::new("InvalidArgument", &format!("the request has no {name:?}"));
        asked[name].as_str().ok_or_else(missing)
    };
    let method = match command {
        "list" => {
            let (trouble, domains) = (service.trouble().await?, service.domains().await?);
            return Ok(json!({ "trouble": trouble, "domains": domains }));
        }
        "create" => {
            let paused = asked["paused"].as_bool().unwrap_or_default();
            let (job, warnings) = service.create(text("configuration")?, paused).await?;
            return outcome(service, &job, &asked, json!({ "outcome": "done", "warnings": warnings })).await;
        }
        "offer" => return migrations.offer(text("domain")?).await,
        "receive" => {
            let paused = asked["paused"].as_bool().unwrap_or_default();
            return migrations.receive(text("key")?, paused, asker).await;
        }
        "migrate" => {
            let target = (text("address")?, text("key")?);
            let live = asked["live"].as_bool().unwrap_or(true);
            return migrations.migrate(text("domain")?, target, live, asker).await;
        }
        "cancel" => {
            service.cancel(text("job")?).await?;
            return Ok(json!({ "outcome": "done" }));
        }
        "pause" => "Pause",
        "unpause" => "Unpause",
        "shutdown" => "Shutdown",
        "reboot" => "Reboot",
        "destroy" => "Destroy",
        _ => return Err(Refusal::new("UnknownCommand", &format!("there is no command {command:?}"))),
    };
    let domain = service.domain(text("domain")?).await?;
    let job = service.begin(&domain, method).await?;
    outcome(service, &job, &asked, json!({ "outcome": "done" })).await
}

/// Waits for the job, and has it cancelled when its time is over.
async fn outcome(service: &Service, job: &str, asked: &Value, done: Value) -> Result<Value, Refusal> {
    let limit = asked["limit_ms"].as_u64().map_or(LIMIT, Duration::from_millis);
    let ended = match timeout(limit, service.wait(job)).await {
        Ok(ended) => ended,
        Err(_) => {
            service.cancel(job).await?;
            let late = Refusal::new("TimedOut", &format!("it has not ended after {limit:?}, and was told to"));
            // It may have been done meanwhile.
            match timeout(AFTER_CANCEL, service.wait(job)).await {
                Ok(Ok(())) => Ok(()),
                _ => return Err(late),
            }
        }
    };
    match ended {
        Ok(()) => Ok(done),
        Err(error) => Err(Refusal::of_job(service, job, error).await),
    }
}
