//! The metrics over HTTP, on sockets: those of systemd's socket activation, and those that the command line names.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_io::{Async, Timer};
use futures_lite::future::or;
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use listenfd::ListenFd;
use smol::Executor;
use smol::lock::Semaphore;

use crate::metrics::Metrics;

/// From the first byte of the request to the last of the answer.
const LIMIT: Duration = Duration::from_secs(10);

/// Connections at a time; others wait in the socket's queue.
const CONNECTIONS: usize = 16;

/// A request is shorter.
const LONGEST: usize = 8 * 1024;

/// Where there are no fds or no memory for a connection.
const PAUSE: Duration = Duration::from_millis(200);

/// Where to listen, as `tcp:127.0.0.1:9783` or `unix:/run/xenlightd/metrics`.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("tcp", address)) => address.parse().map(Self::Tcp).map_err(|error| format!("{address:?}: {error}")),
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            _ => Err("it is neither tcp:ADDRESS:PORT nor unix:/PATH".to_owned()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp:{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A socket that is listened on.
pub(crate) enum Listener {
    Tcp(Async<TcpListener>),
    Unix(Async<UnixListener>),
}

impl Listener {
    /// # Errors
    /// The address is taken, or may not be used.
    pub(crate) fn bind(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => Async::<TcpListener>::bind(*address).map(Self::Tcp),
            Address::Unix(path) => {
                // One that nobody listens on any more is what an earlier run has left.
                if let Err(error) = UnixStream::connect(path)
                    && error.kind() == io::ErrorKind::ConnectionRefused
                {
                    std::fs::remove_file(path)?;
                }
                Async::<UnixListener>::bind(path).map(Self::Unix)
            }
        }
    }

    /// Those that systemd has opened.
    ///
    /// # Errors
    /// One is no listening stream socket.
    pub(crate) fn inherited() -> io::Result<Vec<Self>> {
        let mut fds = ListenFd::from_env();
        let count = fds.len();
        let each = |at| match fds.take_unix_listener(at) {
            Ok(listener) => listener.map(|listener| Async::new(listener).map(Self::Unix)).transpose(),
            Err(_) => fds.take_tcp_listener(at)?.map(|listener| Async::new(listener).map(Self::Tcp)).transpose(),
        };
        (0..count).map(each).filter_map(Result::transpose).collect()
    }

    /// Answers for ever.
    pub(crate) async fn serve(self, executor: Arc<Executor<'static>>, metrics: Arc<Metrics>) {
        let connections = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let place = connections.acquire_arc().await;
            let metrics = metrics.clone();
            let accepted = match &self {
                Self::Tcp(listener) => {
                    let accepted = listener.accept().await;
                    accepted.map(|(stream, _)| executor.spawn(async move { limited(stream, &metrics, place).await }))
                }
                Self::Unix(listener) => {
                    let accepted = listener.accept().await;
                    accepted.map(|(stream, _)| executor.spawn(async move { limited(stream, &metrics, place).await }))
                }
            };
            match accepted {
                Ok(task) => task.detach(),
                Err(error) => {
                    eprintln!("xenlightd: cannot accept a connection: {error}");
                    Timer::after(PAUSE).await;
                }
            }
        }
    }
}

async fn limited<P>(stream: impl AsyncRead + AsyncWrite + Unpin, metrics: &Metrics, _place: P) {
    let late = async {
        Timer::after(LIMIT).await;
        Err(io::ErrorKind::TimedOut.into())
    };
    // Who does not read its answer does not get it.
    let _ = or(answer(stream, metrics), late).await;
}

/// HTTP/1.0: one request, one answer, and the connection is closed.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, metrics: &Metrics) -> io::Result<()> {
    let mut request = Vec::new();
    let mut part = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut part).await?;
        if read == 0 || request.len() + read > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        request.extend_from_slice(&part[..read]);
    }
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let words: Vec<_> = line.split(|byte| *byte == b' ').collect();
    let (status, kind, body) = match words[..] {
        [b"GET", b"/metrics", _] => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ("200 OK", kind, metrics.scrape().await)
        }
        [b"GET", ..] => ("404 Not Found", "text/plain", "the metrics are at /metrics\n".to_owned()),
        _ => ("405 Method Not Allowed", "text/plain", "only GET\n".to_owned()),
    };
    let head = format!(
        "HTTP/1.0 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.close().await
}
