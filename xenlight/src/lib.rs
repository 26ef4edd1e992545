//! Xen's libxl, safe, on any event loop.
//!
//! libxl is the library behind `xl`. It wants to be hosted by its program's event loop, and is particular about how; this crate
//! keeps those rules, so that a program only sees domains, events and futures. Clause ids such as [X4] are those
//! of `docs/contract.md`; `docs/design.md` has the reasons.
//!
//! # What is here
//! - [`Library`]: the libxl of this machine, loaded at run time. A program starts without one, and is told so.
//! - [`Ctx`]: a connection to Xen's toolstack, on a loop. It lists domains and leads them through their life:
//!   [`create`](Ctx::create), [`pause`](Ctx::pause), [`shutdown`](Ctx::shutdown), [`save`](Ctx::save) and others.
//! - [`Operation`]: what such a call returns, a future that can be [aborted](Operation::abort).
//! - [`Watch`], [`Event`]: a domain's shutdown and death, the ejects of a disk; by a
//!   [callback](Builder::on_event) or as a [stream](Ctx::events).
//! - [`Config`]: a domain's configuration, as libxl's JSON.
//!
//! # What it refuses to do
//! - It has no loop. Any `osevent_core::EventLoop` will do: `osevent-glib`, `osevent-calloop` and `osevent-smol` have
//!   one each, and `osevent-epoll` makes one of everything that can watch an fd.
//! - It blocks nowhere in disguise: what blocks is called so ([`Ctx::close_blocking`]). libxl's own
//!   blocking calls are not offered ([E8]).
//! - It lays out no struct of libxl's that varies by release, and takes no JSON that libxl would misunderstand.
//! - It prints nothing: libxl's words go to the `log` crate, target `libxl`. What it says of a failure comes with the [`Error`], too.
//!
//! # The shortest program
//! It prints when a domain shuts down or is gone.
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
//! The repository has whole programs, among its [examples](https://github.com/osevent/osevent/tree/main/examples): `watch-glib`
//! greets new domains, heeds signals and ends in order. `watch-calloop` and `watch-smol` are the same on other loops, the
//! latter with a stream of events; `watch-tokio` is one on a loop that has no adapter.
//!
//! # Operations and widgets on GLib
//! The thread that turns the loop delivers. That is not always the context's thread: another one may close a ctx on the same loop
//! by [`Ctx::close_blocking`]. So [`Builder::on_event`] takes what is `Send` and `Sync`. A widget is neither. It goes into a task
//! of the context's thread, which takes the events as a stream and awaits operations:
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
//!     // It keeps its place on the context; the stream ends when it is closed.
//!     Ok(ctx)
//! }
//! ```
//! On calloop a `StreamSource` and an executor do this, which `osevent-calloop` shows.
//!
//! # The life of a ctx
//! *Open*: [`Ctx::open`], or [`Ctx::builder`] for a callback and a choice of who owns [`Children`].
//!
//! *At work*: nothing happens unless the loop runs. Events and the results of operations are delivered
//! by the loop's thread, outside of libxl and of every lock, in the order in which libxl reported them. So user code may do anything there: begin
//! operations, run the loop again, drop the `Ctx`.
//!
//! *Closed*: by dropping it, which does not wait; by awaiting [`Ctx::close`]; by [`Ctx::close_blocking`]. In all three
//! cases new work is refused, operations are aborted, they and libxl's children come to their end, and then libxl's
//! ctx is freed. An operation that does not heed its abort has no time limit. If the loop has gone, a thread of
//! this crate turns it to the end.
//!
//! # Threads
//! [`Ctx`] is `Send` and `Sync`; every method may be called from any thread, inside callbacks too, but for
//! `close_blocking`, which refuses that. Calls can take long: libxl has one lock for each ctx and
//! works while holding it, and it builds a whole domain inside [`Ctx::create`] or inside a turn of the loop ([O12]). A program
//! with a user interface opens its ctx with a thread for libxl, [`Builder::own_thread`]; nothing that is begun, ended or
//! delivered waits for libxl then.
//!
//! # Locks
//! No lock of this crate is held while libxl, the loop or user code is called, with one exception: libxl 4.2 tolerates no
//! occurrence after its deregistration, so one lock is held across every call into it ([O2], [O3]). Neither rule concerns the user,
//! but for the [logger](mod@log) and [`Builder::trace`]: they are called under libxl's lock, must not wait, and must not call libxl ([X9]).
//!
//! # Processes
//! libxl forks. Everything here is close-on-exec. In a child that was forked and does not exec, no ctx may
//! be used; dropping one, or a watch, leaves the parent's alone ([X7]).
//!
//! # What needs which release of Xen
//!
//! | release | what |
//! |---|---|
//! | 4.2 | the least; domains, events, pause, unpause, shutdown, reboot, destroy, devices |
//! | 4.4 | libxl's own ways of handling [`Children`]; by pidfd works with all |
//! | 4.5 | [`Config`]: create, save, restore, [`Ctx::config`] |
//! | 4.6 | [`Operation::abort`] |
//! | 4.13 | pause, unpause, shutdown, reboot and `config` no longer block until they are done |
//!
//! A function that the loaded libxl does not have is [`Error::Unsupported`], which says what it needs. 4.14, 4.17 and 4.20 are tested
//! live; the other releases were gone through in libxl's sources and headers.
#![deny(missing_debug_implementations, clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod child_watch;
mod children;
mod client;
mod close;
mod closing;
mod config;
mod contain;
#[cfg(doc)]
pub mod contract;
mod ctx;
mod delivery;
mod device;
mod domain;
mod domain_id;
mod domain_info;
mod error;
mod event;
mod fork;
mod guarded;
mod hooks;
mod hosted;
mod inside;
mod json;
mod library;
mod link;
mod logger;
mod operation;
mod pending;
mod question;
mod queue;
mod reach;
mod round_trip;
mod save_file;
mod signal;
mod structs;
mod subscribers;
mod task;
mod trace;
mod watch;
mod words;
mod work;
mod worker;

pub use children::Children;
pub use config::Config;
#[cfg(doc)]
use contract::*;
pub use ctx::{Builder, Close, Ctx};
pub use domain::XenVersion;
pub use domain_id::DomainId;
pub use domain_info::{DomainInfo, DomainKind};
pub use error::{Code, Error};
pub use event::{Event, EventKind, Events, ShutdownReason, WatchId};
pub use library::{Library, Release};
pub use operation::Operation;
pub use osevent_core::{Census, EventLoop, LoopError, RegistrationError};
pub use pending::Abort;
pub use trace::Trace;
pub use uuid::Uuid;
pub use watch::Watch;
pub use words::{Line, Words};
pub use xenlight_sys::LoadError;

/// Compiles the README's program.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// Locks; a panic of another holder is no reason not to, since nothing here is left half-changed by one.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
