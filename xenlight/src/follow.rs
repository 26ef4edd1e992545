//! Following the domains of the host: what is watched, when they are read again, and the stream of what changes.
//!
//! libxl has no function for this, but xenstored tells of what calls for another look: a domain is introduced (`@introduceDomain`) or ends
//! (`@releaseDomain`), its name or its memory target is written, virtual CPUs are plugged. No domain can write these nodes of its own, so
//! none can keep its host busy. Whatever is told, all domains are read, and compared with what was read before.
//!
//! # What nothing tells
//! - A creation ends, or fails before xenstored was told of the domain. So while a domain is in the making, the domains are read again
//!   at growing intervals: 250 ms after a change, 500 ms after anything else that is told, then up to 4 s.
//! - A dying domain is gone: xenstored tells once, when it finds the domain dying, and forgets it. So they are read again while one
//!   is dying, at growing intervals.
//! - A domain is paused or unpaused. What this ctx does itself has them read; for other programs there is [`Domains::refresh`].
//! - The connection breaks: libxenstore's thread just ends. A second connection, on which nothing is sent, shows it (as in `link`).
//!
//! # Threads
//! The first reading is the caller's. All others are made by a thread that dispatches the loop where libxl registers, one at a time,
//! in a dispatch of its own: never inside libxl, with no lock held. Each question to xenstored waits for its answer.

use crate::contain::say;
use crate::deadline::within;
use crate::domains::{Domain, DomainChange, DomainState, Known, Table, Told as ToldDomains};
use crate::error::Error;
use crate::followers::{Bell, Connection, Following, Left, Next, Tokens, Turn};
use crate::hosted::Hosted;
use crate::question::ask;
use crate::signal::{Signal, lacks_fds};
use crate::store::Store;
use crate::streams::{Buffer, poll};
use crate::task::Task;
use crate::told::{self, Told, nodes};
use crate::{inside, inventory, lock, reach, userdata};
use futures_core::Stream;
use osevent_core::{ClientValue, Interest, RegistrationError, Registry};
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use uuid::Uuid;
use xenlight_sys::Release;
use xenlight_types::DomainId;

/// The domains of the host and a stream of their changes, from [`Ctx::follow_domains`](crate::Ctx::follow_domains).
///
/// It has the domains as they were when it was created, and takes in each change as the stream gives it out: so what it lists and
/// what the stream has told always fit together, and a program may show the one and apply the other. The stream ends when the ctx is closed.
///
/// Any task on any thread may poll it. It keeps the changes that have not been taken, without a limit. Dropping it does not wait and
/// may be done anywhere; when the last one has gone, the loop ends the watches.
#[must_use = "what is not polled collects changes"]
pub struct Domains {
    registry: Weak<Registry<Hosted>>,
    /// Until it is dropped.
    buffer: Option<Arc<Mutex<Buffer<DomainChange>>>>,
    told: ToldDomains,
}

impl Domains {
    fn new(registry: &Arc<Registry<Hosted>>, (buffer, table): Following) -> Self {
        Self { registry: Arc::downgrade(registry), buffer: Some(buffer), told: ToldDomains::snapshot(&table) }
    }

    /// All domains, with domain 0, in the order of their numbers, as of the last change that was taken from the stream.
    pub fn list(&self) -> impl Iterator<Item = &Domain> {
        self.told.all()
    }

    /// The domain with this number.
    pub fn get(&self, domid: DomainId) -> Option<&Domain> {
        self.told.get(domid)
    }

    /// The domain with this uuid. If several have it, a living one: a domain that was rebooted has the uuid of the one that is
    /// dying.
    pub fn by_uuid(&self, uuid: Uuid) -> Option<&Domain> {
        self.told.by_uuid(uuid)
    }

    /// The living domain with this name. A dying one is never taken for it.
    pub fn by_name(&self, name: &str) -> Option<&Domain> {
        self.told.by_name(name)
    }

    /// Has the loop look at all domains soon, for what nothing tells: that another program has paused or unpaused one. What has changed
    /// comes in the stream. May be called anywhere.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn refresh(&self) -> Result<(), Error> {
        refresh(&*self.registry.upgrade().ok_or(Error::Closed)?)
    }
}

impl Stream for Domains {
    type Item = DomainChange;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<DomainChange>> {
        let this = self.get_mut();
        let Some(buffer) = &this.buffer else { return Poll::Ready(None) };
        let polled = poll(buffer, context);
        if let Poll::Ready(Some(change)) = &polled {
            this.told.tell(change);
        }
        polled
    }
}

impl Drop for Domains {
    fn drop(&mut self) {
        // Before the loop looks for those who follow.
        self.buffer = None;
        let Some(registry) = self.registry.upgrade() else { return };
        // The loop is the parent's in a forked child (X7).
        if !registry.client().children.is_forked() {
            registry.client().followers.ring();
        }
    }
}

impl fmt::Debug for Domains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.buffer.as_ref().map(|buffer| lock(buffer).len());
        f.debug_struct("Domains").field("listed", &self.told.all().count()).field("waiting", &waiting).finish()
    }
}

/// The fds that the loop watches, apart from the children's, which are numbered from 1 on.
const TOLD: ClientValue = ClientValue(u64::MAX);
const LINK: ClientValue = ClientValue(u64::MAX - 1);
const BELL: ClientValue = ClientValue(u64::MAX - 2);

/// The timer.
pub(crate) const AGAIN: ClientValue = ClientValue(2);

/// Whether the fd is one of these.
pub(crate) fn watches(value: ClientValue) -> bool {
    [TOLD, LINK, BELL].contains(&value)
}

/// For `Ctx::follow_domains`.
pub(crate) fn begin(registry: &Arc<Registry<Hosted>>) -> Result<Domains, Error> {
    inside::check()?;
    let hosted = registry.client();
    hosted.closing.check_open()?;
    if hosted.closing.loop_is_gone() {
        return Err(Error::LoopGone);
    }
    if let Some(following) = hosted.followers.join()? {
        return Ok(Domains::new(registry, following));
    }
    let connection = connect(hosted, reach::xenstored().map_err(|_| Error::XenstoredLost)?)?;
    let table = read(registry, &connection, &Table::new(), &BTreeSet::new(), false)?;
    let signal = Signal::new().map_err(|reason| Error::Io { doing: DOING, reason })?;
    let token = registry.watch_fd(signal.fd(), Interest::IN, BELL)?;
    let bell = Arc::new(Bell { signal, token });
    attach(registry, &connection).inspect_err(|_| _ = registry.unwatch(token))?;
    let (following, left) = hosted.followers.start(bell, connection, table);
    if let Some(left) = left {
        let_go(registry, left);
    }
    // What it did not wait for, and the timer.
    hosted.followers.ring();
    Ok(Domains::new(registry, following?.ok_or(Error::Closed)?))
}

/// For [`Domains::refresh`].
pub(crate) fn refresh(registry: &Registry<Hosted>) -> Result<(), Error> {
    registry.client().closing.check_open()?;
    registry.client().followers.ring();
    Ok(())
}

/// One of these fds is readable.
pub(crate) fn own_fd(registry: &Arc<Registry<Hosted>>, value: ClientValue) {
    let followers = &registry.client().followers;
    // What makes it readable is taken here, by whichever thread: it may be another one that reads the domains.
    match value {
        BELL => {
            if let Some(bell) = followers.bell() {
                bell.signal.clear();
            }
        }
        TOLD => {
            if let Some(connection) = followers.connection() {
                // Nothing, where another thread has taken it, which notes it and rings. A broken connection shows when they are read.
                if let Ok(told) = connection.kept.take(&connection.store)
                    && !followers.note(told)
                {
                    return;
                }
            }
        }
        _ => {
            let connection = followers.connection();
            if let Some(link) = connection.as_ref().and_then(|connection| connection.tokens.get()?.link) {
                registry.unwatch(link);
            }
        }
    }
    followers.stir();
    look(registry);
}

/// The timer has expired.
pub(crate) fn own_timeout(registry: &Arc<Registry<Hosted>>) {
    look(registry);
}

/// For the close.
pub(crate) fn stop(registry: &Registry<Hosted>) {
    if let Some(left) = registry.client().followers.stop() {
        let_go(registry, left);
    }
}

fn let_go(registry: &Registry<Hosted>, Left { bell, connection, timer }: Left) {
    registry.unwatch(bell.token);
    if let Some(timer) = timer {
        registry.unwatch(timer);
    }
    if let Some(connection) = connection {
        detach(registry, &connection);
    }
}

const DOING: &str = "follow the domains";

/// A connection of our own, which is told of the domains that come and go. Not yet on the loop.
fn connect(hosted: &Hosted, link: Option<UnixStream>) -> Result<Arc<Connection>, Error> {
    if lacks_fds() {
        return Err(Error::Io { doing: DOING, reason: io::Error::from_raw_os_error(libc::EMFILE) });
    }
    let store = Store::open(hosted.library())?;
    // Before anything is told.
    store.fd()?;
    told::DOMAINS.iter().try_for_each(|(path, token)| store.watch(path, token))?;
    let kept = Arc::default();
    Ok(Arc::new(Connection { store, link, tokens: OnceLock::new(), watched: Mutex::default(), kept }))
}

/// Has the loop watch it.
fn attach(registry: &Registry<Hosted>, connection: &Connection) -> Result<(), Error> {
    let told = registry.watch_fd(connection.store.fd()?, Interest::IN, TOLD)?;
    let link = connection.link.as_ref().map(|link| registry.watch_fd(link.as_raw_fd(), Interest::IN, LINK));
    let link = link.transpose().inspect_err(|_| _ = registry.unwatch(told))?;
    _ = connection.tokens.set(Tokens { told, link });
    Ok(())
}

/// Its fds are closed when nobody has it any more ([S5](crate::contract)).
fn detach(registry: &Registry<Hosted>, connection: &Connection) {
    if let Some(tokens) = connection.tokens.get() {
        registry.unwatch(tokens.told);
        tokens.link.map(|link| registry.unwatch(link));
    }
}

fn look(registry: &Arc<Registry<Hosted>>) {
    registry.client().followers.look(|| match registry.client().followers.next() {
        Next::Read(turn) => read_again(registry, turn),
        Next::Leave(left) => let_go(registry, left),
        Next::Nothing => {}
    });
}

fn read_again(registry: &Arc<Registry<Hosted>>, turn: Turn) {
    let followers = &registry.client().followers;
    if let Some(timer) = turn.timer {
        registry.unwatch(timer);
    }
    let wait = match try_read(registry, &turn) {
        Ok((connection, table)) => {
            let unsettled = Unsettled::of(&table);
            match followers.read(connection.clone(), table) {
                Some(quiet) => unsettled.map(|unsettled| unsettled.wait(quiet)),
                None => {
                    detach(registry, &connection);
                    None
                }
            }
        }
        Err(Error::Closed) => None,
        Err(error) => followers.failed(error).map(|(connection, failures)| {
            if let Some(connection) = connection {
                detach(registry, &connection);
            }
            grown(FIRST_RETRY, failures, LAST_RETRY)
        }),
    };
    if let Some(wait) = wait {
        set_timer(registry, wait);
    }
}

/// Through another connection, if there is none.
fn try_read(registry: &Arc<Registry<Hosted>>, turn: &Turn) -> Result<(Arc<Connection>, Table), Error> {
    if let Some(connection) = &turn.connection {
        return Ok((connection.clone(), read(registry, connection, &turn.before, &turn.told, true)?));
    }
    // Not by way of the device, which would have the loop wait where xenstored is gone.
    let link = turn.has_socket.then(|| reach::socket().map_err(|_| Error::XenstoredLost)).transpose()?;
    let connection = connect(registry.client(), link)?;
    let table = read(registry, &connection, &turn.before, &turn.told, true)?;
    attach(registry, &connection)?;
    Ok((connection, table))
}

/// Reads all domains. The names and targets of those that are new to this connection, and those that were told to have changed.
///
/// `may_wait` says whether libxl's lock may be waited for.
///
/// # Errors
/// [`Error::XenstoredLost`] wherever the connection is broken: libxenstore says anything then, also that there are no nodes.
fn read(
    registry: &Arc<Registry<Hosted>>,
    connection: &Connection,
    before: &Table,
    told: &BTreeSet<Told>,
    may_wait: bool,
) -> Result<Table, Error> {
    let read = read_all(registry, connection, before, told, may_wait);
    if connection.link.as_ref().is_some_and(reach::is_lost) { Err(Error::XenstoredLost) } else { read }
}

fn read_all(
    registry: &Arc<Registry<Hosted>>,
    connection: &Connection,
    before: &Table,
    told: &BTreeSet<Told>,
    may_wait: bool,
) -> Result<Table, Error> {
    let store = &connection.store;
    let infos = ask(registry, Task::without(DOING), inventory::all)?;
    let mut watched = lock(&connection.watched).clone();
    let mut table = Table::new();
    for info in infos {
        let domid = info.domid;
        let before = before.get(&domid).filter(|before| before.domain.uuid() == info.uuid);
        let is_new = watched.insert(domid);
        if is_new {
            nodes(domid).iter().try_for_each(|(path, token)| store.watch(path, token))?;
            connection.kept.begin(domid);
        }
        let known = before.map(|before| &before.domain).filter(|_| !is_new);
        let node = |node: &str| store.read(&format!("/local/domain/{domid}/{node}"));
        let name = match known {
            Some(known) if !told.contains(&Told::Name(domid)) => known.name.clone(),
            _ => node("name")?.filter(|name| !name.is_empty()),
        };
        let memory_target_kib = match known {
            Some(known) if !told.contains(&Told::Memory(domid)) => known.memory_target_kib,
            _ => node("memory/target")?.and_then(|target| target.parse().ok()),
        };
        let is_complete = || store.is_introduced(domid) && (may_wait && has_configuration(registry, domid));
        table.insert(domid, Known::read(before, info, name, memory_target_kib, is_complete));
    }
    let gone: Vec<_> = watched.iter().copied().filter(|domid| !table.contains_key(domid)).collect();
    for domid in gone {
        connection.kept.end(domid);
        nodes(domid).iter().try_for_each(|(path, token)| store.unwatch(path, token))?;
        watched.remove(&domid);
    }
    *lock(&connection.watched) = watched;
    Ok(table)
}

/// Whether libxl has completed the creation: it writes the domain's configuration to a file of its own then. Earlier releases write none.
fn has_configuration(registry: &Registry<Hosted>, domid: DomainId) -> bool {
    registry.client().library().release() < Release::V4_5
        || ask(registry, Task::on(DOING, domid), |question| userdata::retrieve(question, domid, c"libxl-json"))
            .is_ok_and(|configuration| !configuration.is_empty())
}

/// What there is among the domains that will change without being told.
enum Unsettled {
    Making,
    Dying,
}

const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(5);

impl Unsettled {
    fn of(table: &Table) -> Option<Self> {
        let some = |state| table.values().any(|known| known.domain.state == state);
        if some(DomainState::Making) { Some(Self::Making) } else { some(DomainState::Dying).then_some(Self::Dying) }
    }

    /// How long until they are read again; `quiet` times in a row nothing had changed.
    fn wait(&self, quiet: u32) -> Duration {
        match self {
            Self::Making => grown(Duration::from_millis(250), quiet, Duration::from_secs(4)),
            Self::Dying => grown(Duration::from_millis(20), quiet, Duration::from_secs(10)),
        }
    }
}

/// Doubled so many times, up to a limit.
fn grown(first: Duration, times: u32, last: Duration) -> Duration {
    first.saturating_mul(2u32.saturating_pow(times)).min(last)
}

fn set_timer(registry: &Registry<Hosted>, wait: Duration) {
    match registry.watch_deadline(within(wait), AGAIN) {
        // If it has expired already, it is this thread's turn once more.
        Ok(timer) => {
            if let Err(timer) = registry.client().followers.set_timer(timer) {
                registry.unwatch(timer);
            }
        }
        // The ctx has been closed meanwhile.
        Err(RegistrationError::Closed) => {}
        Err(error) => say!(Error, "the domains are not looked at again before something changes: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_untold_is_looked_for_less_and_less_often() {
        let waits = |unsettled: Unsettled| [0, 1, 4, u32::MAX].map(|quiet| unsettled.wait(quiet).as_millis());
        assert_eq!(waits(Unsettled::Making), [250, 500, 4_000, 4_000]);
        assert_eq!(waits(Unsettled::Dying), [20, 40, 320, 10_000]);
    }
}
