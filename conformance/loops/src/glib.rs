//! A GLib program: a main loop on a main context of its own.

use crate::application::Application;
use anyhow::Context;
use glib::{ControlFlow, IOCondition, MainContext, MainLoop, Priority};
use osevent_conformance::hosts::{Attached, Host, Turn};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, ThreadId};
use std::time::{Duration, Instant};

/// The program that takes osevent off its context, whoever uses it.
struct Detaches(osevent_glib::LibxlSource);

impl Drop for Detaches {
    fn drop(&mut self) {
        self.0.detach();
    }
}

/// A program on a GLib main loop.
pub struct GlibHost {
    /// Of the attachments.
    priority: Priority,
    thread: ThreadId,
    running: Mutex<Option<Running>>,
}

struct Running {
    context: MainContext,
    main_loop: MainLoop,
    thread: JoinHandle<()>,
}

impl GlibHost {
    /// Starts it. Attachments get this priority, everything else has the default priority.
    ///
    /// # Errors
    /// Its thread could not be had.
    pub fn start(priority: Priority) -> anyhow::Result<Self> {
        let context = MainContext::new();
        let main_loop = MainLoop::new(Some(&context), false);
        let (its_context, its_loop) = (context.clone(), main_loop.clone());
        let thread = std::thread::Builder::new().name("loop".into()).spawn(move || {
            let ran = its_context.with_thread_default(|| its_loop.run());
            ran.expect("nobody else has this context");
        })?;
        let id = thread.thread().id();
        Ok(Self { priority, thread: id, running: Mutex::new(Some(Running { context, main_loop, thread })) })
    }

    /// The main context, as the application's own sources use it.
    ///
    /// # Errors
    /// The loop has ended.
    pub fn context(&self) -> anyhow::Result<MainContext> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(running.as_ref().context("the loop has ended")?.context.clone())
    }
}

impl Host for GlibHost {
    fn attach(&self) -> anyhow::Result<Attached> {
        let builder = osevent_glib::LibxlSource::builder().name("conformance").priority(self.priority);
        let attached = builder.attach(&self.context()?)?;
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
        invoke(&context, move || quits.quit());
        thread.join().expect("the loop does not panic");
        drop(main_loop);
        // The last reference: what is still attached loses its context here.
        drop(context);
    }
}

impl Application for GlibHost {
    fn invoke(&self, act: Box<dyn FnOnce() + Send>) -> anyhow::Result<()> {
        invoke(&self.context()?, act);
        Ok(())
    }

    fn watch(&self, fd: Arc<OwnedFd>, mut readable: Box<dyn FnMut() + Send>) -> anyhow::Result<()> {
        let number = fd.as_raw_fd();
        let source = glib_unix::fd_source_new(number, IOCondition::IN, None, Priority::DEFAULT, move |_, _| {
            // The fd is open as long as this.
            let _open = &fd;
            readable();
            ControlFlow::Continue
        });
        source.attach(Some(&self.context()?));
        Ok(())
    }

    fn tick(&self, every: Duration, late: Box<dyn FnMut(Duration) + Send>) -> anyhow::Result<()> {
        arm(&self.context()?, every, late);
        Ok(())
    }
}

/// With the default priority. GLib would use the idle priority, which is not served while a source of the application is ready.
fn invoke(context: &MainContext, act: impl FnOnce() + Send + 'static) {
    context.invoke_with_priority(Priority::DEFAULT, act);
}

fn arm(context: &MainContext, every: Duration, late: Box<dyn FnMut(Duration) + Send>) {
    let due = Instant::now() + every;
    let mut again = Some(late);
    let source = glib::timeout_source_new(every, None, Priority::DEFAULT, move || {
        if let Some(mut late) = again.take() {
            late(due.elapsed());
            // It is the same context. A source that holds a reference to its context would keep it for ever.
            arm(&MainContext::ref_thread_default(), every, late);
        }
        ControlFlow::Break
    });
    source.attach(Some(context));
}

impl Drop for GlibHost {
    fn drop(&mut self) {
        self.end();
    }
}
