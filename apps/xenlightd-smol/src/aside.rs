//! What waits does so on a thread of its own, which ends with it. A pool's threads would wake up at rest.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::thread;

use smol::channel::{Receiver, bounded};

/// There is no result: no thread could be started, or it has panicked.
#[derive(Debug)]
pub(crate) struct NoThread;

impl Display for NoThread {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("there is no thread that could do it")
    }
}

impl Error for NoThread {}

/// Does it, and waits for the result.
pub(crate) async fn done<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, NoThread> {
    begin(work).recv().await.map_err(|_| NoThread)
}

/// Begins it; the result comes by the channel, which is closed if there is none.
pub(crate) fn begin<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (sender, receiver) = bounded(1);
    // Nobody may wait for the result any more. Where no thread starts, the sender is dropped.
    let _ = thread::Builder::new().name("aside".to_owned()).spawn(move || sender.send_blocking(work()));
    receiver
}
