//! A stand-in for xenstored: the wire protocol, watches and transactions, without Xen.
//!
//! Clients find it as they find the real one, by a unix socket whose path is in `XENSTORED_PATH`. It runs in a thread
//! of the process that tests with it, or as the program `osevent-xenstored`. All clients are domain 0, as all clients
//! of the real daemon's socket are; there are no rings, no quotas, and permissions are kept but not enforced.
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
//! # What is like the real one
//! docs/misc/xenstore.txt of Xen 4.17 is the specification; where it is silent, the C xenstored of 4.17 was followed:
//! a client's own watch events come before the reply that acknowledges the change, but after the reply to WATCH; RM
//! fires the watches on each removed node, and the parents' once; a transaction ends in EAGAIN when a node that it read
//! or wrote was changed meanwhile, parents of created and removed nodes included; RELEASE removes the nodes that the
//! domain owns; a relative path is relative to `/local/domain/0`.
//!
//! # What is not
//! - `/local/domain/0/domid` and `name` are there from the start, as xen-init-dom0 leaves them.
//! - CONTROL knows `help`, `check` and its own `fire|<special>`, which fires a special watch.
//! - A client that leaves 16 MiB unread is dropped.
//! - Nobody watches domains: who makes them end calls [`Server::fire_special`], or hands over an eventfd that says so,
//!   [`Server::release_on`].
//! - [`Server::auto_close_backends`] plays the backend drivers, so that devices can be removed.
//!
//! # Threads and locks
//! One thread serves all clients and never blocks on one. [`Server`]'s methods may be called from any thread; they take
//! the server's one lock, under which nothing is called but system calls that do not block.

mod connection;
mod daemon;
mod path;
mod request;
mod server;
mod shared_object;
mod tree;
mod wire;

pub use server::{BindError, Server};
pub use shared_object::libxencall_in;
pub use wire::Refusal;
