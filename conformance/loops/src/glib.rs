//! A GLib program: a main loop on a main context of its own.

use anyhow::Context;
use osevent_conformance::hosts::{Attached, Host, Turn};
use std::sync::{Mutex, PoisonError};
use std::thread::{JoinHandle, ThreadId};

/// The program that takes osevent off its context, whoever uses it.
struct Detaches(osevent_glib::LibxlSource);

impl Drop for Detaches {
    fn drop(&mut self) {
        self.0.detach();
    }
}

/// A program on a GLib main loop.
pub struct GlibHost {
    thread: ThreadId,
    running: Mutex<Option<Running>>,
}

struct Running {
    context: glib::MainContext,
    main_loop: glib::MainLoop,
    thread: JoinHandle<()>,
}

impl GlibHost {
    /// Starts it.
    ///
    /// # Errors
    /// Its thread could not be had.
    pub fn start() -> anyhow::Result<Self> {
        let context = glib::MainContext::new();
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let (its_context, its_loop) = (context.clone(), main_loop.clone());
        let thread = std::thread::Builder::new().name("loop".into()).spawn(move || {
            let ran = its_context.with_thread_default(|| its_loop.run());
            ran.expect("nobody else has this context");
        })?;
        let id = thread.thread().id();
        Ok(Self { thread: id, running: Mutex::new(Some(Running { context, main_loop, thread })) })
    }

    /// The main context, as the application's own sources use it.
    ///
    /// # Errors
    /// The loop has ended.
    pub fn context(&self) -> anyhow::Result<glib::MainContext> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(running.as_ref().context("the loop has ended")?.context.clone())
    }
}

impl Host for GlibHost {
    fn attach(&self) -> anyhow::Result<Attached> {
        let attached = osevent_glib::LibxlSource::builder().name("conformance").attach(&self.context()?)?;
        Ok(Attached { event_loop: attached.event_loop(), detaches: Box::new(Detaches(attached)) })
    }

    fn thread(&self) -> ThreadId {
        self.thread
    }

    fn turn(&self) -> Option<Turn> {
        let context = self.context().ok()?;
        Some(Box::new(move || _ = context.iteration(false)))
    }

    fn end(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Running { context, main_loop, thread }) = running else { return };
        // From the loop: quit before run has begun would be forgotten.
        let quits = main_loop.clone();
        context.invoke(move || quits.quit());
        thread.join().expect("the loop does not panic");
        drop(main_loop);
        // The last reference: what is still attached loses its context here.
        drop(context);
    }
}

impl Drop for GlibHost {
    fn drop(&mut self) {
        self.end();
    }
}
