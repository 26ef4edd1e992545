//! A safe interface to Xen's libxl, on any event loop.
//!
//! libxl is the library behind `xl`. It runs in the event loop of its program, and has strict rules for this. xenlight
//! keeps these rules; a program only sees domains, events and futures. Ids such as [X4] are clauses of
//! `docs/contract.md`. `docs/design.md` explains the design.
//!
//! # Overview
//! - [`Library`]: the libxl of this machine, loaded at run time. If there is none, the program starts anyway and gets an
//!   error.
//! - [`Ctx`]: a connection to Xen's toolstack, on an event loop. It lists domains and controls them:
//!   [`create`](Ctx::create), [`pause`](Ctx::pause), [`shutdown`](Ctx::shutdown), [`save`](Ctx::save) and others.
//! - Live migration: [`migrate`](Ctx::migrate) and [`receive`](Ctx::receive), with each other or with `xl`.
//! - [`Operation`]: the future that such a call returns. It can be [aborted](Operation::abort), and reports its
//!   [progress](Operation::progress).
//! - [`Watch`] and [`Event`]: shutdown and death of a domain, ejects of a disk, by a [callback](Builder::on_event) or as a
//!   [stream](Ctx::events).
//! - [`Domains`]: the domains of the host, followed. It begins with all of them, then tells each [change](DomainChange).
//! - [`DomainConfig`]: the configuration of a domain. [`types`] has everything that it consists of, and reads and writes xl's
//!   configuration files.
//! - Devices: [`devices`](Ctx::devices), [`attach`](Ctx::attach), [`detach`](Ctx::detach), for all families; discs
//!   ([`insert_disc`](Ctx::insert_disc)), PCI devices ([`assignable_pci`](Ctx::assignable_pci)).
//! - Resources: [memory](Ctx::set_memory_target_kib), [virtual CPUs](Ctx::vcpus), [scheduling](Ctx::set_scheduling),
//!   [CPU pools](Ctx::cpupools), [caches](Ctx::cache_sharing), [the host](Ctx::phys_info) and [its log](Ctx::follow_xen_log).
//! - Consoles and screens: [`open_console`](Ctx::open_console), [`vnc_server`](Ctx::vnc_server), [buttons](Ctx::press) and
//!   [keys](Ctx::send_sysrq).
//!
//! `docs/functions.md` lists each function of libxl with the method that uses it.
//!
//! # What it does not do
//! - It has no event loop. Any `osevent_core::EventLoop` works: `osevent-glib`, `osevent-calloop` and `osevent-smol` provide
//!   one each, and `osevent-epoll` works with any loop that can watch an fd.
//! - It has no blocking calls except those with `blocking` in the name ([`Ctx::close_blocking`]) and those documented as
//!   such. libxl's own blocking calls are not offered ([E8]).
//! - It defines no struct of libxl whose layout varies by release, and accepts no JSON that libxl would misread.
//! - It prints nothing. The log of libxl goes to the `log` crate, target `libxl`. The log lines about a failure are also
//!   in its [`Error`].
//!
//! # The shortest program
//! It prints a line when a domain shuts down or is destroyed.
//!
//! ```no_run
//! use xenlight::{Ctx, Library};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let context = glib::MainContext::default();
//! let xen = osevent_glib::LibxlSource::builder().attach(&context)?;
//! let ctx = Ctx::builder(&Library::load()?)
//!     .on_event(|event| println!("domain {}: {:?}", event.domid, event.kind))
//!     .open(xen.event_loop())?;
//! for domain in ctx.domains()? {
//!     ctx.watch_death(domain.domid)?.keep();
//! }
//! glib::MainLoop::new(Some(&context), false).run();
//! # Ok(()) }
//! ```
//!
//! The repository has complete programs among its [examples](https://github.com/osevent/osevent/tree/main/examples).
//! `watch-glib` also handles new domains, signals and an orderly shutdown. `watch-calloop` and `watch-smol` do the same on
//! other loops; the latter reads events from a stream. `list-smol` shows a list of domains that is never outdated. `watch-tokio` runs on a loop that has no adapter.
//!
//! # Operations and widgets on GLib
//! Events and results are delivered on the thread that runs the loop. This is not always the thread of the context: another
//! thread runs the loop while it calls [`Ctx::close_blocking`] for a ctx on the same loop. So the callback of
//! [`Builder::on_event`] must be `Send` and `Sync`. A widget is neither. Use widgets in a task on the thread of the context,
//! which takes the events as a stream and awaits operations:
//!
//! ```no_run
//! use futures_lite::StreamExt;
//! use xenlight::{Ctx, DomainId, Library};
//!
//! # #[derive(Clone)] struct Label(std::rc::Rc<()>);
//! # impl Label { fn set_text(&self, _: &str) {} }
//! fn shut_down(domid: DomainId, label: Label) -> Result<Ctx, Box<dyn std::error::Error>> {
//!     let context = glib::MainContext::default();
//!     let xen = osevent_glib::LibxlSource::builder().attach(&context)?;
//!     let ctx = Ctx::builder(&Library::load()?).own_thread().open(xen.event_loop())?;
//!     let mut events = ctx.events();
//!     ctx.watch_death(domid)?.keep();
//!     let shutdown = ctx.shutdown(domid);
//!     context.spawn_local(async move {
//!         if let Err(error) = shutdown.await {
//!             label.set_text(&format!("it does not shut down: {error}"));
//!         }
//!         while let Some(event) = events.next().await {
//!             label.set_text(&format!("domain {}: {:?}", event.domid, event.kind));
//!         }
//!     });
//!     // The ctx keeps the source attached to the context. The stream ends when the ctx is closed.
//!     Ok(ctx)
//! }
//! ```
//! On calloop, use a `StreamSource` and an executor; `osevent-calloop` has an example.
//!
//! # The life of a ctx
//! *Opening*: [`Ctx::open`], or [`Ctx::builder`] for options such as an event callback and the way of waiting for
//! [`Children`].
//!
//! *Running*: nothing happens unless the loop runs. The thread of the loop delivers events and the results of operations, in
//! libxl's order, outside of libxl and without any lock. So user code may begin operations, run the loop again or drop the
//! `Ctx` there.
//!
//! *Closing*: drop it, which does not wait; or await [`Ctx::close`]; or call [`Ctx::close_blocking`]. In all three cases new
//! work is refused and operations are aborted. When the operations and the child processes of libxl have ended, libxl's ctx
//! is freed. There is no time limit for an operation that ignores its abort. If the loop is gone, a thread of this crate
//! runs it until the ctx is closed.
//!
//! # Threads
//! [`Ctx`] is `Send` and `Sync`. Every method may be called on any thread and inside callbacks, except `close_blocking`,
//! which fails inside callbacks. Calls can take long: libxl has one lock for each ctx and works while holding it. It builds a
//! whole domain inside [`Ctx::create`] or inside an iteration of the loop ([O12]). A program with a user interface should run
//! libxl on a thread of its own, with [`Builder::own_thread`]: then beginning and closing an operation or a watch, and
//! delivery, do not wait for libxl.
//!
//! # Locks
//! No lock of this crate is held while libxl, the loop or user code is called, with one exception: libxl 4.2 tolerates no
//! occurrence after its deregistration, so one lock is held across every call into it ([O2], [O3]). Only two callbacks run
//! under libxl's lock: the [logger](mod@log) and [`Builder::trace`]. They must not wait and must not call libxl ([X9]).
//!
//! # Processes
//! libxl forks. All fds of this crate are close-on-exec. In a child that was forked and does not exec, no ctx may be used;
//! dropping a ctx or a watch there does not affect the parent ([X7]).
//!
//! # Required releases of Xen
//!
//! | release | functions |
//! |---|---|
//! | 4.2 | domains, events, pause, unpause, shutdown, reboot, destroy, devices |
//! | 4.4 | libxl's own ways of waiting for [`Children`]; pidfds work with all releases |
//! | 4.5 | [`DomainConfig`]: create, save, restore, migration, [`Ctx::config`]; whatever a device or a setting is given as a struct |
//! | 4.6 | [`Operation::abort`] |
//! | 4.13 | pause, unpause, shutdown, reboot and `config` no longer block until they are done |
//!
//! A function that the loaded libxl does not have returns [`Error::Unsupported`] with the required release. 4.14, 4.17 and
//! 4.20 are tested live. For the other releases, libxl's sources and headers were read.
#![deny(missing_debug_implementations, clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod buffer;
mod buttons;
mod cache;
mod child_watch;
mod children;
mod client;
mod close;
mod closing;
mod config;
mod console;
mod contain;
#[cfg(doc)]
pub mod contract;
mod cpupool;
mod ctx;
mod deadline;
mod delivery;
mod device;
mod domain;
mod domain_info;
mod domains;
mod error;
mod event;
mod files;
mod follow;
mod followers;
mod fork;
mod guarded;
mod hooks;
mod host;
mod hosted;
mod inside;
mod inventory;
mod json;
mod kept;
mod library;
mod link;
mod logger;
mod memory;
mod migration;
mod migration_state;
mod operation;
mod overlay;
mod pending;
mod progress;
mod question;
mod queue;
mod quota;
mod reach;
mod retrieval;
mod round_trip;
mod save_file;
mod saving;
mod scheduling;
mod screen;
mod security;
mod set;
mod signal;
mod store;
mod streams;
mod structs;
mod subscribers;
mod task;
mod told;
mod trace;
mod turns;
mod upkeep;
mod userdata;
mod vcpu;
mod watch;
mod words;
mod work;
mod worker;

pub use children::Children;
pub use config::config_by_xl;
#[cfg(doc)]
use contract::*;
pub use ctx::{Builder, Close, Ctx};
pub use device::{Attachable, Destroyable, Device, Informed, Listed, Removable};
pub use domain::XenVersion;
pub use domain_info::DomainInfo;
pub use domains::{Domain, DomainChange, DomainState};
pub use error::{Code, Error};
pub use event::{Event, EventKind, Events, ShutdownReason, WatchId};
pub use files::check_files;
pub use follow::Domains;
pub use host::XenLog;
pub use library::{Library, Release};
pub use migration::{Receiving, Sending};
pub use migration_state::{MigrationState, MigrationStep, PeerFault};
pub use operation::{Aborter, Operation};
pub use osevent_core::{Census, EventLoop, LoopError, RegistrationError};
pub use pending::Abort;
pub use progress::{Progress, Reports};
pub use screen::VncServer;
pub use trace::Trace;
pub use uuid::Uuid;
pub use watch::Watch;
pub use words::{Line, Words};
pub use xenlight_sys::LoadError;
pub use xenlight_types::{self as types, DomainConfig, DomainId, DomainKind, Invalid, LibxlType};

/// Compiles the README's program.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// Locks; a panic of another holder is no reason not to, since nothing here is left half-changed by one.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
