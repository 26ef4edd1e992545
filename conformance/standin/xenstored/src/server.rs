//! The socket, the thread that serves it, and the interface for the process that it runs in.

use std::{
    fmt, fs,
    io::{self, ErrorKind, Read, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{
            fs::FileTypeExt,
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    thread::{self, JoinHandle},
};

use crate::{
    changes::Changes,
    connection::{Connection, Watch},
    daemon::{Daemon, Fate},
    path,
    request::special,
    wire::Refusal,
};

/// A running xenstored. Dropping it ends it, as [`Server::shutdown`] does.
pub struct Server {
    path: PathBuf,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Somebody serves this socket already, or the path is something else than a socket.
    #[error("{} is in use: end what serves it, or choose another path", .0.display())]
    InUse(PathBuf),
    /// The system refused.
    #[error("cannot serve {}: {error}", path.display())]
    Refused {
        /// The socket's path.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}

struct Shared {
    state: Mutex<State>,
    /// The writing end of the pair whose other end the thread polls.
    waker: UnixStream,
}

struct State {
    daemon: Daemon,
    ending: bool,
    /// When one becomes readable, `@releaseDomain` is fired.
    release_on: Vec<OwnedFd>,
    /// What the hypervisor tells of a domain.
    fate: Option<Box<dyn Fn(u32) -> Fate + Send>>,
}

/// Descriptors that are kept for clients: the clients of a test may be in this process, and may have run out of them on purpose.
/// A daemon of its own would not.
const SPARE: usize = 8;

/// How long the listener is left alone when no descriptor is free, in ms.
const ACCEPT_AGAIN_MS: i32 = 20;

impl Server {
    /// Serves a new socket at `path` from a thread of its own. A stale socket there is replaced.
    pub fn bind(path: impl AsRef<Path>) -> Result<Self, BindError> {
        let path = path.as_ref().to_owned();
        let is_socket = fs::symlink_metadata(&path).map(|found| found.file_type().is_socket());
        match is_socket {
            Err(_) => {}
            Ok(true) if UnixStream::connect(&path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused) => {
                // Where this fails, so does the bind.
                let _ = fs::remove_file(&path);
            }
            Ok(_) => return Err(BindError::InUse(path)),
        }
        Self::start(&path).map_err(|error| BindError::Refused { path, error })
    }

    fn start(path: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        let (waker, wakened) = UnixStream::pair()?;
        waker.set_nonblocking(true)?;
        wakened.set_nonblocking(true)?;
        let state = Mutex::new(State { daemon: Daemon::new(), ending: false, release_on: vec![], fate: None });
        let shared = Arc::new(Shared { state, waker });
        let served = Arc::clone(&shared);
        let thread =
            thread::Builder::new().name("xenstored".into()).spawn(move || serve(&served, &listener, &wakened))?;
        Ok(Self { path: path.to_owned(), shared, thread: Some(thread) })
    }

    /// Where the socket is: what belongs into `XENSTORED_PATH`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a value, creates missing parents, fires watches: as WRITE.
    pub fn write(&self, path: &str, value: &[u8]) -> Result<(), Refusal> {
        let path = path::absolute(path.as_bytes())?;
        self.shared.change(|state| state.daemon.write(&path, value));
        Ok(())
    }

    /// The value at a path, `None` where there is no node.
    pub fn read(&self, path: &str) -> Option<Vec<u8>> {
        let path = path::absolute(path.as_bytes()).ok()?;
        let node = self.shared.lock().daemon.tree.get(&path).ok()?;
        Some(node.value.clone())
    }

    /// The names of a node's children, `None` where there is no node.
    pub fn list(&self, path: &str) -> Option<Vec<String>> {
        let path = path::absolute(path.as_bytes()).ok()?;
        let node = self.shared.lock().daemon.tree.get(&path).ok()?;
        Some(node.children.iter().cloned().collect())
    }

    /// Removes a node and all under it, fires watches: as RM.
    pub fn remove(&self, path: &str) -> Result<(), Refusal> {
        let path = path::absolute(path.as_bytes())?;
        self.shared.change(|state| state.daemon.remove(&path))
    }

    /// Fires a special watch: `@releaseDomain` or `@introduceDomain`.
    pub fn fire_special(&self, name: &str) -> Result<(), Refusal> {
        let change = special(path::special(name.as_bytes())?);
        self.shared.change(|state| state.daemon.announce(&[change]));
        Ok(())
    }

    /// Watches nodes, each with all below it, and special names, as a client would. Each is reported once at first.
    ///
    /// # Errors
    /// A path is not legal, which is [`ErrorKind::InvalidInput`]; or there is no descriptor left.
    pub fn watch(&self, paths: &[&str]) -> io::Result<Changes> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut connection = Connection::new(theirs)?;
        for path in paths {
            let watched = path::watched(path.as_bytes());
            let (path, relative) = watched.map_err(|refusal| io::Error::new(ErrorKind::InvalidInput, refusal))?;
            let watch = Watch { path, token: vec![], relative };
            connection.queue_event(watch.event(&watch.path));
            connection.watches.push(watch);
        }
        let changes = Changes::new(Connection::new(ours)?);
        self.shared.change(|state| state.daemon.connect(connection));
        Ok(changes)
    }

    /// Fires `@releaseDomain` whenever the eventfd `fd` becomes readable, and reads it: what VIRQ_DOM_EXC is to the
    /// real daemon. `fd` must be non-blocking.
    pub fn release_on(&self, fd: OwnedFd) {
        self.shared.change(|state| state.release_on.push(fd));
    }

    /// Has `fate` asked for each domain that was introduced before `@releaseDomain` is fired for such an eventfd, so that it is fired
    /// as the real daemon does: once when a domain has shut down, and once when it is dying or gone.
    pub fn look_before_release(&self, fate: impl Fn(u32) -> Fate + Send + 'static) {
        self.shared.change(|state| state.fate = Some(Box::new(fate)));
    }

    /// Introduces a domain, and fires `@introduceDomain` if that is news: as INTRODUCE.
    pub fn introduce(&self, domid: u32) {
        self.shared.change(|state| state.daemon.introduce(domid));
    }

    /// Releases a domain that was introduced, removes the nodes that it owns, and fires `@releaseDomain`: as RELEASE.
    pub fn release(&self, domid: u32) -> Result<(), Refusal> {
        self.shared.change(|state| state.daemon.release(domid))
    }

    /// Whether a backend whose `state` becomes 5 (Closing) is set to 6 (Closed) at once. Off at first.
    pub fn auto_close_backends(&self, on: bool) {
        self.shared.change(|state| state.daemon.auto_close_backends = on);
    }

    /// How many clients are connected.
    pub fn clients(&self) -> usize {
        self.shared.lock().daemon.connections.len()
    }

    /// How many requests clients have made.
    pub fn requests(&self) -> u64 {
        self.shared.lock().daemon.requests
    }

    /// Refuses one READ of a node with EIO, as a daemon that has failed: the next after so many that are answered.
    pub fn fail_read(&self, path: &str, after: u64) -> Result<(), Refusal> {
        let path = path::absolute(path.as_bytes())?;
        self.shared.change(|state| state.daemon.failing.insert(path, after));
        Ok(())
    }

    /// How many READs were refused so.
    pub fn failed_reads(&self) -> u64 {
        self.shared.lock().daemon.failed_reads
    }

    /// Disconnects all clients and forgets their watches: what they see when the daemon crashes and is started anew. The tree stays.
    pub fn disconnect(&self) {
        self.shared.change(|state| state.daemon.connections.clear());
    }

    /// As if the daemon had ended: disconnects all clients, and nobody can connect until [`come_back`](Self::come_back). The tree stays.
    pub fn go_away(&self) -> io::Result<()> {
        fs::rename(&self.path, self.away())?;
        self.disconnect();
        Ok(())
    }

    /// As if the daemon had been started anew.
    pub fn come_back(&self) -> io::Result<()> {
        fs::rename(self.away(), &self.path)
    }

    fn away(&self) -> PathBuf {
        self.path.with_extension("away")
    }

    /// Disconnects all clients, removes the socket and ends the thread.
    pub fn shutdown(self) {
        drop(self);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.change(|state| state.ending = true);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the serving thread does not panic");
        }
        // Somebody else may have removed it; nobody is served by it any more in any case.
        let _ = fs::remove_file(&self.path);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics under the lock")
    }

    /// Changes the state, sends what can be sent and has the thread see to the rest.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        for connection in state.daemon.connections.values_mut() {
            connection.flush();
        }
        // A full socket has woken the thread already.
        let _ = (&self.waker).write(&[0]);
        result
    }
}

/// The thread: polls, serves who is ready, until the server ends.
fn serve(shared: &Shared, listener: &UnixListener, wakened: &UnixStream) {
    let mut may_accept = true;
    let mut spare = vec![];
    loop {
        keep(&mut spare);
        let (mut fds, clients) = interest(&shared.lock(), listener, wakened, may_accept);
        let timeout = if may_accept { -1 } else { ACCEPT_AGAIN_MS };
        // SAFETY: the array is our own and as long as said. Of the descriptors in it, all but those of release_on
        // belong to this thread alone; those are closed with the state, which we hold.
        let ready = unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, timeout) };
        let interrupted = ready < 0;
        may_accept = true;
        let mut state = shared.lock();
        if state.ending {
            state.daemon.connections.clear();
            return;
        }
        if interrupted {
            continue;
        }
        let mut ready = fds.iter().map(|fd| fd.revents != 0);
        if ready.next() == Some(true) {
            // Wakes are not counted: whatever they were for is looked at below.
            let _ = (&mut &*wakened).read(&mut [0; 64]);
        }
        if ready.next() == Some(true) {
            may_accept = accept(&mut state.daemon, listener, &mut spare);
        }
        for client in clients {
            if ready.next() == Some(true) {
                state.daemon.serve(client);
            }
        }
        for fd in 0..state.release_on.len() {
            if ready.next() == Some(true) && read_event(&state.release_on[fd]) {
                let State { daemon, fate, .. } = &mut *state;
                match fate {
                    Some(fate) => daemon.look(fate),
                    None => daemon.announce(&[special("@releaseDomain".into())]),
                }
            }
        }
        state.daemon.flush();
    }
}

/// What to poll: the waker, the listener, the clients (their ids are given back), the descriptors of release_on.
fn interest(
    state: &State,
    listener: &UnixListener,
    wakened: &UnixStream,
    may_accept: bool,
) -> (Vec<libc::pollfd>, Vec<u64>) {
    let of = |fd: &dyn AsRawFd, events| libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    let mut fds = vec![of(wakened, libc::POLLIN), of(listener, if may_accept { libc::POLLIN } else { 0 })];
    let connections = &state.daemon.connections;
    fds.extend(connections.values().map(|connection| {
        let output = if connection.has_output() { libc::POLLOUT } else { 0 };
        of(connection.stream(), libc::POLLIN | output)
    }));
    fds.extend(state.release_on.iter().map(|fd| of(fd, libc::POLLIN)));
    (fds, connections.keys().copied().collect())
}

/// Takes in all who wait. False when no descriptor was free: polling the listener at once would only spin.
fn accept(daemon: &mut Daemon, listener: &UnixListener, spare: &mut Vec<fs::File>) -> bool {
    loop {
        spare.pop();
        match listener.accept().and_then(|(stream, _)| Connection::new(stream)) {
            Ok(connection) => daemon.connect(connection),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINTR | libc::ECONNABORTED)) => {}
            Err(_) if spare.is_empty() => return false,
            // Somebody else has taken the one that was given up.
            Err(_) => {}
        }
    }
}

/// Has so many descriptors open, or as many as there are.
fn keep(spare: &mut Vec<fs::File>) {
    while spare.len() < SPARE
        && let Ok(file) = fs::File::open("/dev/null")
    {
        spare.push(file);
    }
}

/// Reads an eventfd; whether something had happened.
fn read_event(fd: &OwnedFd) -> bool {
    let mut count = [0u8; 8];
    // SAFETY: the descriptor is open as long as it is borrowed, and the buffer as long as said.
    let length = unsafe { libc::read(fd.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    length > 0
}
