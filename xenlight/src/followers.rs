//! Who follows the domains of the host, and what they share: one connection to xenstored, one reading of all domains.
//! What is done with it is in `follow`.
//!
//! # Nothing is lost
//! Each reading begins after what calls for it was noted, and whoever notes something afterwards has it read again
//! ([`Turns`]). A domain's nodes are watched before they are read, and a follower who comes later gets the reading and all changes from it
//! on in one step.

use crate::contain::wake;
use crate::domains::{DomainChange, Table, differences};
use crate::error::Error;
use crate::kept::Kept;
use crate::lock;
use crate::signal::Signal;
use crate::store::Store;
use crate::streams::{Buffer, Streams};
use crate::told::Told;
use crate::turns::{Turns, one_at_a_time};
use osevent_core::Token;
use std::collections::BTreeSet;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Waker;
use xenlight_types::DomainId;

#[derive(Default)]
pub(crate) struct Followers(Mutex<State>);

#[derive(Default)]
struct State {
    phase: Phase,
    shared: Option<Shared>,
    streams: Streams<DomainChange>,
    turns: Turns,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Idle,
    Following,
    /// The ctx is closed, or about to be.
    Ended,
}

/// While somebody follows.
struct Shared {
    bell: Arc<Bell>,
    connection: Option<Arc<Connection>>,
    /// What was told to change and has not been read again.
    told: BTreeSet<Told>,
    table: Arc<Table>,
    timer: Option<Token>,
    /// How often in a row nothing has changed, or xenstored could not be reached.
    quiet: u32,
    /// Why it was not read again.
    stale: Option<Arc<Error>>,
    /// Whether xenstored has a socket.
    has_socket: bool,
}

/// What has a thread of the loop read all domains.
pub(crate) struct Bell {
    pub(crate) signal: Signal,
    pub(crate) token: Token,
}

/// One connection to xenstored, whose fds the loop watches.
pub(crate) struct Connection {
    pub(crate) store: Store,
    /// On which nothing is sent: readable once xenstored has gone, which the other one does not show. None where xenstored is another
    /// domain's.
    pub(crate) link: Option<UnixStream>,
    /// Of the two fds, once the loop watches them.
    pub(crate) tokens: OnceLock<Tokens>,
    /// Whose nodes are watched; changed by the one whose turn it is.
    pub(crate) watched: Mutex<BTreeSet<DomainId>>,
    pub(crate) kept: Arc<Kept>,
}

pub(crate) struct Tokens {
    pub(crate) told: Token,
    pub(crate) link: Option<Token>,
}

pub(crate) type Following = (Arc<Mutex<Buffer<DomainChange>>>, Arc<Table>);

/// What a reading is made with.
pub(crate) struct Turn {
    pub(crate) connection: Option<Arc<Connection>>,
    pub(crate) told: BTreeSet<Told>,
    pub(crate) before: Arc<Table>,
    pub(crate) timer: Option<Token>,
    pub(crate) has_socket: bool,
}

/// What is to be let go of.
pub(crate) struct Left {
    pub(crate) bell: Arc<Bell>,
    pub(crate) connection: Option<Arc<Connection>>,
    pub(crate) timer: Option<Token>,
}

/// What to do at the beginning of a reading.
pub(crate) enum Next {
    Read(Turn),
    Leave(Left),
    Nothing,
}

impl Followers {
    /// One more who follows, if somebody does.
    ///
    /// # Errors
    /// The ctx is closed, or about to be.
    pub(crate) fn join(&self) -> Result<Option<Following>, Error> {
        lock(&self.0).join()
    }

    /// The first one who follows. Gives back what nobody needs, because another was first or the ctx is closed.
    pub(crate) fn start(
        &self,
        bell: Arc<Bell>,
        connection: Arc<Connection>,
        table: Table,
    ) -> (Result<Option<Following>, Error>, Option<Left>) {
        let mut state = lock(&self.0);
        if state.phase != Phase::Idle {
            return (state.join(), Some(Left { bell, connection: Some(connection), timer: None }));
        }
        state.phase = Phase::Following;
        state.shared = Some(Shared {
            bell,
            has_socket: connection.link.is_some(),
            connection: Some(connection),
            told: BTreeSet::new(),
            table: Arc::new(table),
            timer: None,
            quiet: 0,
            stale: None,
        });
        (state.join(), None)
    }

    /// Has the loop read the domains soon, if somebody follows them. May be called anywhere.
    pub(crate) fn ring(&self) {
        let bell = lock(&self.0).shared.as_ref().map(|shared| shared.bell.clone());
        if let Some(bell) = bell {
            bell.signal.raise();
        }
    }

    pub(crate) fn bell(&self) -> Option<Arc<Bell>> {
        lock(&self.0).shared.as_ref().map(|shared| shared.bell.clone())
    }

    pub(crate) fn connection(&self) -> Option<Arc<Connection>> {
        lock(&self.0).shared.as_ref()?.connection.clone()
    }

    /// Something was told: what nothing tells may change soon, too.
    pub(crate) fn stir(&self) {
        if let Some(shared) = &mut lock(&self.0).shared
            && shared.stale.is_none()
        {
            shared.quiet = 0;
        }
    }

    /// To be read again. Whether anything calls for that.
    pub(crate) fn note(&self, mut told: BTreeSet<Told>) -> bool {
        told.retain(Told::calls_for_reading);
        let calls = !told.is_empty();
        if let Some(shared) = &mut lock(&self.0).shared {
            shared.told.extend(told);
        }
        calls
    }

    /// Has `look` called until nothing changes any more, by this thread or by the one that is at it.
    pub(crate) fn look(&self, look: impl Fn()) {
        one_at_a_time(&self.0, |state| state.turns.enter(), |state| &mut state.turns, look);
    }

    /// For the one whose turn it is.
    pub(crate) fn next(&self) -> Next {
        let mut state = lock(&self.0);
        if state.shared.is_some() && state.streams.is_empty() {
            return state.leave(Phase::Idle).map_or(Next::Nothing, Next::Leave);
        }
        let Some(shared) = &mut state.shared else { return Next::Nothing };
        Next::Read(Turn {
            connection: shared.connection.clone(),
            told: std::mem::take(&mut shared.told),
            before: shared.table.clone(),
            timer: shared.timer.take(),
            has_socket: shared.has_socket,
        })
    }

    /// What was read through this connection; the number of times in a row that nothing has changed. None if nobody follows any more.
    pub(crate) fn read(&self, connection: Arc<Connection>, table: Table) -> Option<u32> {
        let (quiet, wakers) = {
            let mut state = lock(&self.0);
            let State { shared: Some(shared), streams, .. } = &mut *state else { return None };
            let mut changes = differences(&shared.table, &table);
            changes.extend(shared.stale.take().map(|_| DomainChange::Fresh));
            shared.quiet = if changes.is_empty() { shared.quiet.saturating_add(1) } else { 0 };
            shared.connection = Some(connection);
            shared.table = Arc::new(table);
            (shared.quiet, streams.add(&changes))
        };
        wake_all(wakers);
        Some(quiet)
    }

    /// They could not be read: the connection, which is to be let go of, and the number of times in a row. None if nobody follows any
    /// more.
    pub(crate) fn failed(&self, error: Error) -> Option<(Option<Arc<Connection>>, u32)> {
        let (failed, wakers) = {
            let mut state = lock(&self.0);
            let State { shared: Some(shared), streams, .. } = &mut *state else { return None };
            let connection = shared.connection.take();
            if shared.stale.is_some() {
                shared.quiet = shared.quiet.saturating_add(1);
                ((connection, shared.quiet), Vec::new())
            } else {
                let error = Arc::new(error);
                shared.quiet = 0;
                shared.stale = Some(error.clone());
                ((connection, 0), streams.add(&[DomainChange::Stale(error)]))
            }
        };
        wake_all(wakers);
        Some(failed)
    }

    /// The timer for the next reading; given back if nobody follows any more.
    pub(crate) fn set_timer(&self, timer: Token) -> Result<(), Token> {
        match &mut lock(&self.0).shared {
            Some(shared) => shared.timer = Some(timer),
            None => return Err(timer),
        }
        Ok(())
    }

    /// The ctx is about to be closed.
    pub(crate) fn stop(&self) -> Option<Left> {
        lock(&self.0).leave(Phase::Ended)
    }

    /// The ctx is closed.
    pub(crate) fn end(&self) {
        let wakers = lock(&self.0).streams.end();
        wake_all(wakers);
    }
}

impl State {
    fn join(&mut self) -> Result<Option<Following>, Error> {
        match (self.phase, &self.shared) {
            (Phase::Ended, _) => Err(Error::Closed),
            (_, Some(shared)) => {
                let stream = self.streams.listen();
                if let Some(error) = &shared.stale {
                    lock(&stream).add(DomainChange::Stale(error.clone()));
                }
                Ok(Some((stream, shared.table.clone())))
            }
            (_, None) => Ok(None),
        }
    }

    fn leave(&mut self, phase: Phase) -> Option<Left> {
        self.phase = phase;
        let Shared { bell, connection, timer, .. } = self.shared.take()?;
        Some(Left { bell, connection, timer })
    }
}

fn wake_all(wakers: Vec<Waker>) {
    wakers.into_iter().for_each(wake);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_has_the_domains_read_soon_again_but_xenstored_is_not_sought_sooner() {
        let signal = Signal::new().expect("an eventfd");
        let bell = Bell { signal, token: Token::from_handle(u64::MAX).expect("it has the mark") };
        let shared = Shared {
            bell: Arc::new(bell),
            connection: None,
            told: BTreeSet::new(),
            table: Arc::default(),
            timer: None,
            quiet: 7,
            stale: None,
            has_socket: true,
        };
        let followers = Followers(Mutex::new(State { shared: Some(shared), ..State::default() }));
        let quiet = || lock(&followers.0).shared.as_ref().map(|shared| shared.quiet);
        followers.stir();
        assert_eq!(quiet(), Some(0));
        for times in 0..3 {
            let (_, failed) = followers.failed(Error::XenstoredLost).expect("somebody follows");
            assert_eq!(failed, times);
            followers.stir();
        }
    }
}
