//! A stand-in for xenstored: the wire protocol, watches and transactions, without Xen.
//!
//! Clients connect as to the real one, through a unix socket whose path is in `XENSTORED_PATH`. It runs on a thread of the
//! test process, or as the program `osevent-xenstored`. All clients are domain 0, as for the socket of the real daemon. There
//! are no rings and no quotas; permissions are stored but not enforced.
//!
//! ```no_run
//! use osevent_standin_xenstored::Server;
//!
//! let server = Server::bind("/tmp/example/xenstored")?;
//! server.write("/local/domain/5/name", b"pretended")?;
//! // ... libxl runs with XENSTORED_PATH=/tmp/example/xenstored ...
//! server.fire_special("@releaseDomain")?;
//! server.shutdown();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is the same as in the real one
//! The specification is docs/misc/xenstore.txt of Xen 4.17, and for details that it does not define, the C xenstored of 4.17. A
//! client's own watch events are sent before the reply that acknowledges the change, but after the reply to WATCH. RM fires the
//! watches on each removed node, and those on its parents once. A transaction fails with EAGAIN if a node that it read or wrote
//! was changed meanwhile, including parents of created and removed nodes. RELEASE removes the nodes that the domain owns. A
//! relative path is relative to `/local/domain/0`.
//!
//! # What is different
//! - `/local/domain/0/domid` and `name`, and `/local/pool/0/name`, exist from the start, as after xen-init-dom0.
//! - CONTROL has `help`, `check` and `fire|<special>`, which fires a special watch.
//! - A client that does not read 16 MiB of data is disconnected.
//! - The server does not watch domains. When a domain ends, call [`Server::fire_special`], or pass an eventfd that signals this
//!   to [`Server::release_on`].
//! - [`Server::auto_close_backends`] simulates backend drivers, so that devices can be removed.
//!
//! # Threads and locks
//! One thread serves all clients and never blocks on one of them. The methods of [`Server`] may be called on any thread. They
//! take the server's only lock, under which only system calls that do not block are made.

mod changes;
mod connection;
mod daemon;
mod path;
mod request;
mod server;
mod shared_object;
mod tree;
mod wire;

pub use changes::Changes;
pub use daemon::Fate;
pub use server::{BindError, Server};
pub use shared_object::{libxencall, libxencall_in};
pub use wire::Refusal;
