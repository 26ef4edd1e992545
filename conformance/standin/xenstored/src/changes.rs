use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};

use crate::connection::Connection;

/// The changes that [`Server::watch`](crate::Server::watch) watches for. Its descriptor becomes readable when there is one, and when the
/// server has ended or disconnected all clients.
pub struct Changes(Connection);

impl Changes {
    pub(crate) fn new(connection: Connection) -> Self {
        Self(connection)
    }

    /// The paths of nodes that were changed, and special names that were fired, in order, up to a limit. It does not wait.
    pub fn read(&mut self) -> Vec<String> {
        let path = |payload: &[u8]| {
            let path = payload.split(|&byte| byte == 0).next()?;
            String::from_utf8(path.to_vec()).ok()
        };
        self.0.receive().iter().filter_map(|message| path(&message.payload)).collect()
    }

    /// Whether no change can come any more. [`read`](Self::read) finds it out.
    pub fn has_ended(&self) -> bool {
        self.0.dead
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.stream().as_fd()
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").field("has_ended", &self.0.dead).finish_non_exhaustive()
    }
}
