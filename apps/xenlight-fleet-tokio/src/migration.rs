//! This host's part in the migration of a domain: xenlightd sends or receives it over a socket, which is joined here to the other
//! host's.
//!
//! Whoever has a domain migrate asks the source for its [`offer`](Migrations::offer), has the target [`receive`](Migrations::receive) from that
//! one, and tells the source where: [`migrate`](Migrations::migrate). Neither side needs a permission to ask the other one for anything. They go
//! on if nobody listens any more. That the domain runs on one host at most is decided by both xenlightds alone: what breaks here is a connection
//! that is lost.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream as BlockingStream;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_nats::{Client, Subject};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_rustls::TlsStream;
use zbus::OwnedObjectPath;

use crate::line::{Identity, PULSE, relay};
use crate::refusal::Refusal;
use crate::service::Service;
use crate::stop::{Phase, Stop};

/// How long a target waits for its source.
const WAIT: Duration = Duration::from_secs(30);

/// For what xenlightd has said at last to come to the other host.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Between two answers that tell how far it is. They are also signs of life.
const TOLD: Duration = Duration::from_millis(500);

/// Who gets the answers, of which there can be several.
pub(crate) struct Asker {
    pub(crate) client: Client,
    pub(crate) reply_to: Subject,
}

impl Asker {
    pub(crate) async fn tell(&self, answer: &Value) {
        // Nobody may wait for it any more.
        let _ = self.client.publish(self.reply_to.clone(), answer.to_string().into()).await;
    }
}

#[derive(Clone)]
pub(crate) struct Migrations {
    service: Service,
    identity: Arc<Identity>,
    /// Where domains are received, by others' name for it.
    address: Option<SocketAddr>,
    stop: Stop,
}

/// The job of xenlightd's, once it has begun.
type Begun = OnceLock<OwnedObjectPath>;

impl Migrations {
    pub(crate) fn new(service: Service, identity: Identity, address: Option<SocketAddr>, stop: Stop) -> Self {
        Self { service, identity: Arc::new(identity), address, stop }
    }

    /// The key of this host, if it has the domain.
    pub(crate) async fn offer(&self, domain: &str) -> Result<Value, Refusal> {
        self.service.domain(domain).await?;
        Ok(json!({ "key": self.identity.public() }))
    }

    /// Receives a domain from the host that has this key. The first answer says where, and by which key this host is known.
    pub(crate) async fn receive(&self, key: &str, paused: bool, asker: &Asker) -> Result<Value, Refusal> {
        let none = "this host receives no domains: its `xenlight-fleet serve` has no --migration";
        let address = self.address.ok_or_else(|| Refusal::new("Unsupported", none))?;
        let listener = TcpListener::bind(address).await.map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => {
                Refusal::new("Busy", &format!("{address} waits for another domain, or is taken"))
            }
            _ => lost(&format!("cannot listen at {address}"), &error),
        })?;
        let address = listener.local_addr().map_err(|error| lost("cannot listen", &error))?;
        asker.tell(&json!({ "address": address, "key": self.identity.public() })).await;
        let begun = Begun::new();
        let work = async {
            let accepted =
                timeout(WAIT, self.identity.accept(listener, key)).await.unwrap_or_else(|late| Err(late.into()));
            let line = accepted.map_err(|error| lost("the source has not connected", &error))?;
            let (near, far) = pair()?;
            let job = self.service.receive(far, paused).await?;
            self.until_done(begun.get_or_init(|| job), line, near, asker).await
        };
        self.beside(asker, &begun, work).await
    }

    /// Sends a domain to the host that has this key, and listens there.
    pub(crate) async fn migrate(
        &self,
        domain: &str,
        (address, key): (&str, &str),
        live: bool,
        asker: &Asker,
    ) -> Result<Value, Refusal> {
        let begun = Begun::new();
        let work = async {
            let domain = self.service.domain(domain).await?;
            let address = address.parse().map_err(|_| Refusal::new("InvalidArgument", "the address is none"))?;
            let line = self.identity.connect(address, key).await;
            let line = line.map_err(|error| lost(&format!("cannot connect to {address}"), &error))?;
            let (near, far) = pair()?;
            let job = self.service.migrate(&domain, far, live).await?;
            self.until_done(begun.get_or_init(|| job), line, near, asker).await
        };
        self.beside(asker, &begun, work).await
    }

    /// Joins what xenlightd says to the other host, until the job has ended.
    async fn until_done(
        &self,
        job: &str,
        line: TlsStream<TcpStream>,
        near: UnixStream,
        asker: &Asker,
    ) -> Result<Value, Refusal> {
        asker.tell(&json!({ "job": job })).await;
        let (mut wait, mut relay) = (pin!(self.service.wait(job)), pin!(relay(line, near, PULSE)));
        let done = async {
            tokio::select! {
                ended = &mut wait => (ended, timeout(LAST_WORDS, relay).await.unwrap_or(Ok(()))),
                relayed = &mut relay => (wait.await, relayed),
            }
        };
        let cancelling = async {
            self.stop.reaches(Phase::Cancelling).await;
            // It may have ended, or be too late for that.
            let _ = self.service.cancel(job).await;
            pending().await
        };
        let (ended, relayed) = tokio::select! {
            done = done => done,
            never = cancelling => never,
        };
        let Err(error) = ended else { return Ok(json!({ "outcome": "done" })) };
        let mut refusal = Refusal::of_job(&self.service, job, error).await;
        match relayed {
            // TLS has an end of its own.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                refusal.add("the connection between the hosts was cut off");
            }
            Err(error) => refusal.add(&format!("the connection between the hosts: {error}")),
            Ok(()) => {}
        }
        if self.stop.is_at(Phase::Cancelling) {
            refusal.add("xenlight-fleet is being stopped on this host");
        }
        Err(refusal)
    }

    /// Tells how far it is until the work is done, also before there is a job.
    async fn beside(
        &self,
        asker: &Asker,
        begun: &Begun,
        work: impl Future<Output = Result<Value, Refusal>>,
    ) -> Result<Value, Refusal> {
        let telling = async {
            let mut ticks = interval(TOLD);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let (step, percent) = match begun.get() {
                    Some(job) => self.service.step(job).await.unwrap_or_default(),
                    None => Default::default(),
                };
                asker.tell(&json!({ "step": step, "percent": percent })).await;
            }
        };
        let stopping = async {
            self.stop.reaches(Phase::Cancelling).await;
            // A job is cancelled, and tells how it ends.
            if begun.get().is_some() { pending().await } else { Refusal::stopping("nothing was begun") }
        };
        tokio::select! {
            done = work => done,
            never = telling => never,
            refusal = stopping => Err(refusal),
        }
    }
}

/// A socket, and its other end for xenlightd.
fn pair() -> Result<(UnixStream, BlockingStream), Refusal> {
    let pair = UnixStream::pair().and_then(|(near, far)| Ok((near, far.into_std()?)));
    pair.map_err(|error| lost("there is no socket", &error))
}

fn lost(what: &str, error: &io::Error) -> Refusal {
    Refusal::new("ConnectionLost", &format!("{what}: {error}"))
}
