//! One client: its socket, what is on the way in and out, its watches and transactions.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind, Read, Write},
    mem,
    net::Shutdown,
    os::unix::net::UnixStream,
};

use crate::{
    path::{HOME, is_within},
    tree::{Change, Tree},
    wire::{Header, Message, PAYLOAD_MAX, kind},
};

/// What a client may leave unread before it is dropped.
const OUTPUT_MAX: usize = 16 << 20;
/// What is read from one client before the others have their turn.
const READ_SIZE: usize = 64 << 10;

pub(crate) struct Connection {
    stream: UnixStream,
    input: Vec<u8>,
    output: Vec<u8>,
    /// How much of `output` was sent.
    sent: usize,
    pub(crate) watches: Vec<Watch>,
    pub(crate) transactions: BTreeMap<u32, Transaction>,
    pub(crate) last_transaction: u32,
    /// Set when the client is gone or has broken the protocol; whoever polls removes it.
    pub(crate) dead: bool,
}

/// A watch of one client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Watch {
    /// An absolute path or a special name.
    pub(crate) path: String,
    pub(crate) token: Vec<u8>,
    /// Whether events name paths relative to [`HOME`].
    pub(crate) relative: bool,
}

/// A transaction of one client.
pub(crate) struct Transaction {
    pub(crate) tree: Tree,
    /// What watches will be told if it commits.
    pub(crate) changes: Vec<Change>,
}

impl Watch {
    /// Whether the watch waits for the change.
    pub(crate) fn matches(&self, change: &Change) -> bool {
        if change.exact { change.path == self.path } else { is_within(&change.path, &self.path) }
    }

    /// The payload of the event for a path that the watch matches.
    pub(crate) fn event(&self, path: &str) -> Vec<u8> {
        let path = match path.strip_prefix(HOME) {
            Some(rest) if self.relative => rest.trim_start_matches('/'),
            _ => path,
        };
        [path.as_bytes(), &[0], &self.token, &[0]].concat()
    }
}

impl Connection {
    /// Takes over a socket just accepted.
    pub(crate) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            input: vec![],
            output: vec![],
            sent: 0,
            watches: vec![],
            transactions: BTreeMap::new(),
            last_transaction: 0,
            dead: false,
        })
    }

    pub(crate) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Whether something waits to be sent.
    pub(crate) fn has_output(&self) -> bool {
        self.sent < self.output.len()
    }

    /// Reads what is there, up to a limit, and gives the messages that are complete.
    pub(crate) fn receive(&mut self) -> Vec<Message> {
        let mut buffer = [0; READ_SIZE];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.dead = true,
            Ok(length) => self.input.extend_from_slice(&buffer[..length]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.dead = true,
        }
        let mut messages = vec![];
        let mut start = 0;
        while let Some(header) = Header::read(&self.input[start..]) {
            let length = header.length as usize;
            if length > PAYLOAD_MAX {
                self.dead = true;
                break;
            }
            let body = start + Header::SIZE;
            let Some(payload) = self.input.get(body..body + length) else { break };
            messages.push(Message { header, payload: payload.to_vec() });
            start = body + length;
        }
        self.input.drain(..start);
        messages
    }

    /// Queues a message; drops a client that reads nothing.
    pub(crate) fn queue(&mut self, kind: u32, request: u32, transaction: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("payloads are checked against PAYLOAD_MAX");
        Header { kind, request, transaction, length }.write(&mut self.output);
        self.output.extend_from_slice(payload);
        if self.output.len() - self.sent > OUTPUT_MAX {
            self.dead = true;
        }
    }

    /// Queues the events of a change, one for each matching watch.
    pub(crate) fn queue_events(&mut self, change: &Change) {
        let watches = mem::take(&mut self.watches);
        for watch in watches.iter().filter(|watch| watch.matches(change)) {
            self.queue_event(watch.event(&change.path));
        }
        self.watches = watches;
    }

    /// Queues a watch event; one that is too long for a message is left out.
    pub(crate) fn queue_event(&mut self, payload: Vec<u8>) {
        if payload.len() <= PAYLOAD_MAX {
            self.queue(kind::WATCH_EVENT, 0, 0, &payload);
        }
    }

    /// Sends what the socket takes now.
    pub(crate) fn flush(&mut self) {
        while self.has_output() && !self.dead {
            match self.stream.write(&self.output[self.sent..]) {
                Ok(length) => self.sent += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.dead = true,
            }
        }
        // Whole only now and then, so that a slow client costs no quadratic copying.
        if self.sent == self.output.len() || self.sent > READ_SIZE {
            self.output.drain(..self.sent);
            self.sent = 0;
        }
    }
}

impl Drop for Connection {
    /// The client sees the end even where a forked child holds a copy of our descriptor.
    fn drop(&mut self) {
        // It fails where the client was first, which is as good.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
