//! zbus on this program's executor: its sockets are watched by async-io, as libxl's are.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_io::{Async, Timer};
use futures_lite::future::FutureExt;
use smol::Executor;
use zbus::runtime::traits::{PollIo, Runtime, TaskHandle};
use zbus::runtime::{Interest, IoSource};

/// The executor that runs all of this program.
#[derive(Clone)]
pub(crate) struct Smol(pub(crate) Arc<Executor<'static>>);

impl Runtime for Smol {
    type RegisteredIoSource = Registered;
    type Sleep = Sleep;
    type Task<T>
        = Task<T>
    where
        T: Send + 'static;

    fn register_io_source(&self, source: IoSource) -> io::Result<Registered> {
        Async::new_nonblocking(source).map(Registered)
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep(Timer::after(duration))
    }

    fn spawn<T: Send + 'static>(&self, _name: &str, future: impl Future<Output = T> + Send + 'static) -> Task<T> {
        Task(self.0.spawn(future))
    }

    async fn connect_tcp(&self, address: SocketAddr) -> io::Result<IoSource> {
        let stream = Async::<std::net::TcpStream>::connect(address).await?;
        Ok(IoSource::from(std::os::fd::OwnedFd::from(stream.into_inner()?)))
    }

    async fn connect_unix(&self, path: &Path) -> io::Result<IoSource> {
        let stream = Async::<std::os::unix::net::UnixStream>::connect(path).await?;
        Ok(IoSource::from(std::os::fd::OwnedFd::from(stream.into_inner()?)))
    }

    fn spawn_process(
        &self,
        _command: std::process::Command,
        _stdin: Stdio,
        _stdout: Stdio,
        _stderr: Stdio,
    ) -> io::Result<Pin<Box<dyn Future<Output = io::Result<ExitStatus>> + Send + 'static>>> {
        // Buses that are reached through a program are for users' sessions.
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A socket of zbus's, which stays open while this has it.
pub(crate) struct Registered(Async<IoSource>);

impl PollIo for Registered {
    fn poll_io<T>(
        &self,
        context: &mut Context<'_>,
        interest: Interest,
        mut operation: impl FnMut() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            match operation() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
            ready!(match interest {
                Interest::Writable => self.0.poll_writable(context),
                _ => self.0.poll_readable(context),
            })?;
        }
    }
}

pub(crate) struct Sleep(Timer);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.poll(context).map(drop)
    }
}

pub(crate) struct Task<T>(smol::Task<T>);

impl<T> Future for Task<T> {
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.0.poll(context).map(Ok)
    }
}

impl<T: Send + 'static> TaskHandle<T> for Task<T> {
    fn detach(self) {
        self.0.detach();
    }
}
