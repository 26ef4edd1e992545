//! A smol program: an executor of its own on one thread, with a task for each attachment.

use anyhow::Context;
use futures_lite::FutureExt;
use osevent_conformance::hosts::{Attached, Host};
use smol::LocalExecutor;
use smol::channel::{Receiver, Sender, unbounded};
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};
use std::thread::{JoinHandle, ThreadId};

pub(crate) struct SmolHost {
    /// Closed to end the program.
    attachments: Sender<Attachment>,
    thread: ThreadId,
    running: Mutex<Option<JoinHandle<()>>>,
}

struct Attachment {
    xen: osevent_smol::LibxlSource,
    /// Closed when the attachment is dropped.
    dropped: Receiver<()>,
}

impl SmolHost {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let (attachments, received) = unbounded();
        let running = std::thread::Builder::new().name("loop".into()).spawn(move || {
            let executor = LocalExecutor::new();
            smol::block_on(executor.run(attend(&executor, received)));
            // The executor goes, and with it the tasks.
        })?;
        Ok(Self { attachments, thread: running.thread().id(), running: Mutex::new(Some(running)) })
    }
}

/// Spawns what comes until the host ends.
async fn attend(executor: &LocalExecutor<'_>, attachments: Receiver<Attachment>) {
    while let Ok(Attachment { mut xen, dropped }) = attachments.recv().await {
        let dispatching = executor.spawn(async move {
            // An error ends it; after a panic of the application's it goes on.
            while AssertUnwindSafe(&mut xen).catch_unwind().await.is_err() {}
        });
        let detaching = executor.spawn(async move {
            // Nothing is ever sent.
            let _ = dropped.recv().await;
            dispatching.cancel().await;
        });
        detaching.detach();
    }
}

impl Host for SmolHost {
    fn attach(&self) -> anyhow::Result<Attached> {
        let xen = osevent_smol::LibxlSource::new()?;
        let event_loop = xen.event_loop();
        let (held, dropped) = unbounded::<()>();
        self.attachments.try_send(Attachment { xen, dropped }).ok().context("the loop has ended")?;
        Ok(Attached { event_loop, detaches: Box::new(held) })
    }

    fn thread(&self) -> ThreadId {
        self.thread
    }

    fn end(&self) {
        self.attachments.close();
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(running) = running {
            running.join().expect("the loop does not panic");
        }
    }
}

impl Drop for SmolHost {
    fn drop(&mut self) {
        self.end();
    }
}
