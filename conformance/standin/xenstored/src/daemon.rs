//! The daemon's state, and how changes reach those who watch.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    connection::Connection,
    path::{self, HOME},
    request::{self, Answer},
    tree::{Change, Tree},
    wire::{Message, Refusal, kind},
};

/// Everything behind the server's one lock.
pub(crate) struct Daemon {
    pub(crate) tree: Tree,
    /// The domains that were introduced and not released.
    pub(crate) domains: BTreeSet<u32>,
    /// Those among them of which it was told that they have shut down.
    shut_down: BTreeSet<u32>,
    pub(crate) connections: BTreeMap<u64, Connection>,
    last_connection: u64,
    /// How many requests clients have made.
    pub(crate) requests: u64,
    /// The nodes of which a READ is refused, after so many that are answered.
    pub(crate) failing: BTreeMap<String, u64>,
    /// How many were refused so.
    pub(crate) failed_reads: u64,
    /// Whether backends that are asked to close do so at once.
    pub(crate) auto_close_backends: bool,
}

/// What the hypervisor tells of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no more that the daemon looks at")]
pub enum Fate {
    /// It runs, or could.
    Running,
    /// It has shut down and is still there.
    ShutDown,
    /// It is dying, or gone.
    Ending,
}

impl Fate {
    /// What the flags of a domain (`XEN_DOMINF_*`) say; `None` where there is no such domain.
    pub fn of(flags: Option<u32>) -> Self {
        const DYING: u32 = 1 << 0;
        const SHUTDOWN: u32 = 1 << 2;
        match flags {
            Some(flags) if flags & DYING == 0 => {
                if flags & SHUTDOWN == 0 {
                    Self::Running
                } else {
                    Self::ShutDown
                }
            }
            _ => Self::Ending,
        }
    }
}

/// XenbusStateClosing and XenbusStateClosed.
const CLOSING: &[u8] = b"5";
const CLOSED: &[u8] = b"6";

impl Daemon {
    /// The store as xenstored and xen-init-dom0 leave it.
    pub(crate) fn new() -> Self {
        let mut tree = Tree::new();
        tree.make("/tool/xenstored");
        tree.write(&format!("{HOME}/domid"), b"0");
        tree.write(&format!("{HOME}/name"), b"Domain-0");
        tree.write("/local/pool/0/name", b"Pool-0");
        Self {
            tree,
            domains: BTreeSet::from([0]),
            shut_down: BTreeSet::new(),
            connections: BTreeMap::new(),
            last_connection: 0,
            requests: 0,
            failing: BTreeMap::new(),
            failed_reads: 0,
            auto_close_backends: false,
        }
    }

    /// Takes in a client.
    pub(crate) fn connect(&mut self, connection: Connection) {
        self.last_connection += 1;
        self.connections.insert(self.last_connection, connection);
    }

    /// Reads what a client sent and answers all of it.
    pub(crate) fn serve(&mut self, client: u64) {
        let Some(connection) = self.connections.get_mut(&client) else { return };
        for message in connection.receive() {
            self.answer(client, &message);
        }
    }

    /// Answers one message. The order of what goes out is the real daemon's.
    fn answer(&mut self, client: u64, message: &Message) {
        let header = message.header;
        self.requests += 1;
        let fails = self.fails(message);
        let Some(connection) = self.connections.get_mut(&client) else { return };
        let answer = if fails {
            Err(Refusal::Failed)
        } else {
            request::handle(&mut self.tree, &mut self.domains, connection, message)
        };
        let Answer { payload, changes, first_event } = answer.unwrap_or_else(Answer::refusal);
        self.announce(&changes);
        let Some(connection) = self.connections.get_mut(&client) else { return };
        match payload {
            Ok(payload) => connection.queue(header.kind, header.request, header.transaction, &payload),
            Err(refusal) => {
                let name = [refusal.name().as_bytes(), &[0]].concat();
                connection.queue(kind::ERROR, header.request, header.transaction, &name);
            }
        }
        if let Some(event) = first_event {
            connection.queue_event(event);
        }
        self.close_backends(&changes);
    }

    /// Whether it is a READ that is to be refused.
    fn fails(&mut self, message: &Message) -> bool {
        let path = (message.header.kind == kind::READ).then(|| path::absolute(message.one_string()?));
        let Some(Ok(path)) = path else { return false };
        match self.failing.get_mut(&path) {
            Some(0) => {
                self.failing.remove(&path);
                self.failed_reads += 1;
                true
            }
            Some(answered) => {
                *answered -= 1;
                false
            }
            None => false,
        }
    }

    /// Writes a value as a client of the socket would.
    pub(crate) fn write(&mut self, path: &str, value: &[u8]) {
        let change = self.tree.write(path, value);
        self.announce(std::slice::from_ref(&change));
        self.close_backends(&[change]);
    }

    /// Removes a node as a client of the socket would.
    pub(crate) fn remove(&mut self, path: &str) -> Result<(), Refusal> {
        let changes = self.tree.remove(path)?;
        self.announce(&changes);
        Ok(())
    }

    /// As INTRODUCE, of a domain that has not shut down.
    pub(crate) fn introduce(&mut self, domid: u32) {
        self.shut_down.remove(&domid);
        let change = request::introduce(&mut self.domains, domid);
        self.announce(change.as_slice());
    }

    /// As RELEASE.
    pub(crate) fn release(&mut self, domid: u32) -> Result<(), Refusal> {
        let changes = request::release(&mut self.tree, &mut self.domains, domid)?;
        self.announce(&changes);
        Ok(())
    }

    /// A domain has shut down, begun to die or gone. As the real daemon does, it tells once of each that has shut down, and forgets one
    /// that is dying: that it is gone in the end is not told.
    pub(crate) fn look(&mut self, fate: &dyn Fn(u32) -> Fate) {
        let domains: Vec<_> = self.domains.iter().copied().filter(|domid| *domid != 0).collect();
        let mut shut_down = false;
        for domid in domains {
            match fate(domid) {
                Fate::Running => _ = self.shut_down.remove(&domid),
                Fate::ShutDown => shut_down |= self.shut_down.insert(domid),
                Fate::Ending => {
                    self.shut_down.remove(&domid);
                    self.release(domid).expect("it was introduced, and every node's parent exists");
                }
            }
        }
        if shut_down {
            self.announce(&[request::special("@releaseDomain".into())]);
        }
    }

    /// Queues the events of changes for all who watch.
    pub(crate) fn announce(&mut self, changes: &[Change]) {
        for change in changes {
            for connection in self.connections.values_mut() {
                connection.queue_events(change);
            }
        }
    }

    /// Plays the backend drivers: a backend whose state is Closing becomes Closed.
    fn close_backends(&mut self, changes: &[Change]) {
        if !self.auto_close_backends {
            return;
        }
        for Change { path, .. } in changes {
            let is_state = path.contains("/backend/") && path.ends_with("/state");
            if is_state && self.tree.get(path).is_ok_and(|node| node.value == CLOSING) {
                let change = self.tree.write(path, CLOSED);
                self.announce(&[change]);
            }
        }
    }

    /// Sends what the sockets take, and forgets the clients that are gone.
    pub(crate) fn flush(&mut self) {
        self.connections.retain(|_, connection| {
            connection.flush();
            !connection.dead
        });
    }
}
