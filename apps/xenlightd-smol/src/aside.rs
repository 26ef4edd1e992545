//! What waits does so on a thread of its own, which ends with it. A pool's threads would wake up at rest.

use std::thread;

use smol::channel::{Receiver, bounded};

/// Where there is no result: no thread could be started, or it has panicked.
pub(crate) const NO_RESULT: &str = "there is no thread that could do it";

/// Begins it; the result comes by the channel, which is closed if there is none.
pub(crate) fn begin<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (sender, receiver) = bounded(1);
    // Nobody may wait for the result any more. Where no thread starts, the sender is dropped.
    let _ = thread::Builder::new().name("aside".to_owned()).spawn(move || sender.send_blocking(work()));
    receiver
}
