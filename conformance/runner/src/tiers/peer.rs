//! Two hosts: this one, where the cases run, and a peer that does at their request what a case does here.
//!
//! A request is a line of JSON on a connection of its own, and so is each reply. What a domain migrates over is a connection of its own,
//! too, so it has the flow control and the two ends of a TCP connection.

use crate::tiers::xen::Type;
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What the peer is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Tell the release of its libxl.
    Release,
    /// Boot a domain that answers requests, with as much memory as is usual or so many KiB.
    Boot { name: String, memory_kib: Option<u64> },
    /// Create domains that stay paused, until there is no memory for one more of so many KiB.
    Fill { name: String, until_kib: u64 },
    /// See that a domain runs, and that no other has such a name.
    RunsAlone { name: String },
    /// See that no domain has a name that begins so.
    IsGone { name: String },
    /// Wait until a domain that is to come writes to its console.
    Speaks { name: String },
    /// Have a domain shut down, and destroy it.
    ShutDown { name: String },
    /// Destroy each domain that has a name that begins so.
    Destroy { name: String },
    /// Destroy what a case in that process has left behind.
    CleanUp { process: u32 },
    /// Listen, receive a domain from whoever connects, and tell how that ended.
    Receive { by: By, cut: Option<usize> },
    /// Send a domain to that port of whoever asks, and tell how that ended.
    Send { by: By, name: String, port: u16 },
}

/// Who does one side of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum By {
    Xenlight,
    Xl,
}

/// How a migration ended at one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ended {
    Well,
    /// With an [`xenlight::Error::Migration`] of these, as they are shown.
    Failed {
        step: String,
        state: String,
        reason: String,
    },
    /// So xl failed.
    Xl {
        words: String,
    },
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Well => f.write_str("well"),
            Self::Failed { step, state, reason } => write!(f, "{step}, {state}: {reason}"),
            Self::Xl { words } => write!(f, "xl: {words}"),
        }
    }
}

/// A request, with the type of the domains that it is about.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) kind: Type,
    pub(crate) request: Request,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    Done,
    Release(u32, u32),
    /// At this port; another reply follows.
    Listening(u16),
    Ended(Ended),
    Failed(String),
}

/// The other host.
pub(crate) struct Peer {
    address: SocketAddr,
    kind: Type,
}

/// A request that is being carried out.
pub(crate) struct Asked(BufReader<TcpStream>);

/// How long a reply is waited for, which may take a whole migration on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

impl Peer {
    pub(crate) fn new(address: SocketAddr, kind: Type) -> Self {
        Self { address, kind }
    }

    /// Waits until it serves: it may be booting.
    pub(crate) fn wait(&self) -> anyhow::Result<()> {
        const BOOT: Duration = Duration::from_secs(300);
        let begun = Instant::now();
        loop {
            match TcpStream::connect_timeout(&self.address, Duration::from_secs(5)) {
                Ok(_) => return Ok(()),
                Err(error) if begun.elapsed() > BOOT => {
                    return Err(error).with_context(|| format!("the other host does not serve at {}", self.address));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(200)),
            }
        }
    }

    pub(crate) fn host(&self) -> IpAddr {
        self.address.ip()
    }

    /// The release of its libxl.
    pub(crate) fn release(&self) -> anyhow::Result<xenlight::Release> {
        match self.ask(Request::Release)?.reply()? {
            Reply::Release(major, minor) => Ok(xenlight::Release::new(major, minor)),
            other => bail!("{other:?}"),
        }
    }

    /// Has it done.
    pub(crate) fn tell(&self, request: Request) -> anyhow::Result<()> {
        self.ask(request)?.done()
    }

    /// Has it begun.
    pub(crate) fn ask(&self, request: Request) -> anyhow::Result<Asked> {
        let mut connection = TcpStream::connect(self.address).context("the other host does not serve any more")?;
        connection.set_read_timeout(Some(PATIENCE))?;
        say(&mut connection, &Call { kind: self.kind, request })?;
        Ok(Asked(BufReader::new(connection)))
    }
}

impl Asked {
    fn reply(&mut self) -> anyhow::Result<Reply> {
        match hear(&mut self.0).context("the other host does not answer")? {
            Reply::Failed(why) => bail!("at the other host: {why}"),
            reply => Ok(reply),
        }
    }

    /// Waits until it is done.
    pub(crate) fn done(&mut self) -> anyhow::Result<()> {
        match self.reply()? {
            Reply::Done => Ok(()),
            other => bail!("{other:?}"),
        }
    }

    /// The port at which it listens.
    pub(crate) fn listening(&mut self) -> anyhow::Result<u16> {
        match self.reply()? {
            Reply::Listening(port) => Ok(port),
            other => bail!("{other:?}"),
        }
    }

    /// How the migration ended there.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Ended> {
        match self.reply()? {
            Reply::Ended(ended) => Ok(ended),
            other => bail!("{other:?}"),
        }
    }
}

pub(crate) fn say(connection: &mut TcpStream, what: &impl Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_string(what)?;
    line.push('\n');
    Ok(connection.write_all(line.as_bytes())?)
}

pub(crate) fn hear<T: for<'a> Deserialize<'a>>(connection: &mut impl BufRead) -> anyhow::Result<T> {
    let mut line = String::new();
    connection.read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}
