//! A NATS server of its own, which keeps its stream on a disk while it is away.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use async_nats::jetstream::consumer::{DeliverPolicy, pull::OrderedConfig};
use async_nats::{ConnectOptions, jetstream};
use futures_lite::StreamExt;
use serde_json::Value;
use tempfile::{NamedTempFile, TempDir};
use tokio::time::sleep;

use crate::bed::{Failure, Outcome};
use crate::bus::program;

pub(crate) struct Nats {
    server: Option<Child>,
    port: u16,
    folder: TempDir,
    /// Its configuration, if it has users.
    config: Option<NamedTempFile>,
}

impl Nats {
    pub(crate) async fn start() -> Result<Self, Failure> {
        Self::with(None).await
    }

    /// One that has this configuration, with its own folder for /var/lib/nats. [`password`] has each user's password.
    pub(crate) async fn with_users(config: &str) -> Result<Self, Failure> {
        Self::with(Some(config)).await
    }

    async fn with(config: Option<&str>) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let store = folder.path().to_str().ok_or("the folder has another name")?;
        let config = match config {
            Some(config) => {
                let file = NamedTempFile::new()?;
                std::fs::write(&file, config.replace("/var/lib/nats", store))?;
                Some(file)
            }
            None => None,
        };
        let port = port()?;
        let mut nats = Self { server: None, port, folder, config };
        nats.come_back().await?;
        Ok(nats)
    }

    /// For the one who may do everything that people do.
    pub(crate) fn url(&self) -> String {
        self.url_of("operator")
    }

    /// For a host, or another user. Without users it is the same one for all.
    pub(crate) fn url_of(&self, user: &str) -> String {
        let user = if self.config.is_some() { format!("{user}:{}@", password(user)) } else { String::new() };
        format!("nats://{user}127.0.0.1:{}", self.port)
    }

    /// Ends it without its help.
    pub(crate) fn go_away(&mut self) -> Outcome {
        let mut server = self.server.take().ok_or("it has not started")?;
        server.kill()?;
        server.wait()?;
        Ok(())
    }

    pub(crate) async fn come_back(&mut self) -> Outcome {
        let mut command = Command::new(program("nats-server").ok_or("there is none")?);
        command.args(["-a", "127.0.0.1", "-p", &self.port.to_string(), "-n", &self.name()]);
        match &self.config {
            Some(config) => command.arg("-c").arg(config.path()),
            None => command.args(["-js", "-sd"]).arg(self.folder.path()),
        };
        let mut server = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        // It says by nothing else that it listens.
        while !self.answers() {
            if let Some(status) = server.try_wait()? {
                return Err(format!("nats-server: {status}").into());
            }
            sleep(Duration::from_millis(5)).await;
        }
        self.server = Some(server);
        Ok(())
    }

    /// Its name, which no other server has.
    fn name(&self) -> String {
        self.folder.path().display().to_string()
    }

    /// Whether it is this one that listens.
    fn answers(&self) -> bool {
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        // Without a server, the system can connect a port with itself.
        let limited = server.set_read_timeout(Some(Duration::from_secs(1)));
        let mut info = String::new();
        limited.and_then(|()| BufReader::new(server).read_line(&mut info)).is_ok() && info.contains(&self.name())
    }

    pub(crate) async fn client(&self) -> Result<async_nats::Client, Failure> {
        let options = ConnectOptions::new().user_and_password("operator".to_owned(), password("operator"));
        Ok(options.connect(self.url()).await?)
    }

    /// The last that the stream has on a subject.
    pub(crate) async fn last(&self, subject: &str) -> Result<Value, Failure> {
        let stream = jetstream::new(self.client().await?).get_stream("XEN_EVENTS").await?;
        Ok(serde_json::from_slice(&stream.get_last_raw_message_by_subject(subject).await?.payload)?)
    }

    /// What the stream has on a subject, up to the first message that is `last`. Waits for that.
    pub(crate) async fn stream(
        &self,
        subject: &str,
        mut last: impl FnMut(&Value) -> bool,
    ) -> Result<Vec<Value>, Failure> {
        let context = jetstream::new(self.client().await?);
        let stream = context.get_stream("XEN_EVENTS").await?;
        let filter_subject = subject.to_owned();
        let config = OrderedConfig { deliver_policy: DeliverPolicy::All, filter_subject, ..Default::default() };
        let mut messages = stream.create_consumer(config).await?.messages().await?;
        let mut told = Vec::new();
        loop {
            let message = messages.next().await.ok_or("the messages have ended")??;
            told.push(serde_json::from_slice(&message.payload)?);
            if told.last().is_some_and(&mut last) {
                return Ok(told);
            }
        }
    }
}

/// One that no other server of these tests has, also while that is away: its hosts would come to this one.
fn port() -> Result<u16, Failure> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        if GIVEN.lock().unwrap().insert(port) {
            return Ok(port);
        }
    }
}

pub(crate) fn password(user: &str) -> String {
    format!("secret-of-{user}")
}

impl Drop for Nats {
    fn drop(&mut self) {
        // It may be away already.
        let _ = self.go_away();
    }
}
