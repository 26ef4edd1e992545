//! Whether the xenstored that libxl talks to is still there.
//!
//! Libxl does not tell. When the connection breaks, libxenstore's thread ends; then reading a node says that there is none, setting a
//! watch fails for no reason that is given or seems to succeed, and no watch fires any more ([E15]). So a ctx has a connection of its own,
//! on which nothing is ever sent: it is readable once xenstored has gone.
//!
//! Where xenstored is another domain's, behind `/dev/xen/xenbus`, there is no such connection.

#[cfg(doc)]
use crate::contract::*;
use crate::error::Error;
use crate::event::{Event, EventKind};
use crate::queue::{Item, Queue};
use crate::{lock, reach};
use osevent_core::{ClientValue, Interest, Owner, RegistrationError, Registry, Token};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use xenlight_types::DomainId;

#[derive(Default)]
pub(crate) struct Link(Mutex<Option<Connection>>);

struct Connection {
    stream: UnixStream,
    token: Token,
}

const LOST: &str = "the connection to xenstored is lost, and with it all watches: no event will come; open another ctx";

impl Link {
    pub(crate) fn watch<C: Owner>(
        &self,
        stream: UnixStream,
        registry: &Registry<C>,
        value: ClientValue,
    ) -> Result<(), RegistrationError> {
        // The loop may report it before it is stored; it is looked at again then, since it stays readable.
        let token = registry.watch_fd(stream.as_raw_fd(), Interest::IN, value)?;
        *lock(&self.0) = Some(Connection { stream, token });
        Ok(())
    }

    /// It is readable: on the loop's thread.
    pub(crate) fn ready<C: Owner>(&self, registry: &Registry<C>, queue: &Queue) {
        let token = lock(&self.0).as_ref().map(|connection| connection.token);
        // One thread of several that dispatch.
        if token.is_some_and(|token| registry.unwatch(token)) {
            let kind = EventKind::Disaster { message: LOST.into(), errno: libc::ECONNRESET };
            queue.push(Item::Event(Event { domid: DomainId::DOM0, watch: None, kind }));
        }
    }

    /// # Errors
    /// [`Error::XenstoredLost`], also before the loop has come to tell.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let link = lock(&self.0);
        let Some(Connection { stream, .. }) = &*link else { return Ok(()) };
        if reach::is_lost(stream) { Err(Error::XenstoredLost) } else { Ok(()) }
    }

    /// The ctx is closed, and nothing is watched.
    pub(crate) fn close(&self) {
        let _closed = lock(&self.0).take();
    }
}
