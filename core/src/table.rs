//! The table of a registry: the registrations that stand, by token.
//!
//! It is the client's reference to each of them. All is under one spin lock, for a few instructions
//! at a time: nothing is allocated or dropped under it. Only when the table grows, the entries move
//! under it: n of them, and then not again for n registrations at least.

use crate::registration::Registration;
use crate::sync::Lock;
use crate::token::{BLOCKS, Given, Next, Spent};
use crate::{Closed, NumberHasher, RegistrationError, Token};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::Hasher;
use core::mem;
use hashbrown::HashTable;

pub(crate) struct Table(Lock<State>);

struct State {
    given: Given,
    registered: Registered,
    /// Nothing is registered any more.
    swept: bool,
}

/// By the token that is in each.
pub(crate) type Registered = HashTable<Arc<Registration>>;

fn hash(token: Token) -> u64 {
    let mut hasher = NumberHasher::default();
    hasher.write_u64(token.to_handle());
    hasher.finish()
}

fn insert(registered: &mut Registered, registration: Arc<Registration>) {
    registered.insert_unique(hash(registration.token), registration, |there| hash(there.token));
}

impl Table {
    pub(crate) fn new() -> Self {
        Self(Lock::new(State { given: Given::new(), registered: Registered::default(), swept: false }))
    }

    /// A token that nobody else gets.
    ///
    /// # Errors
    /// [`RegistrationError::TokensSpent`]
    pub(crate) fn next_token(&self) -> Result<Token, RegistrationError> {
        let mut roomier = Vec::new();
        loop {
            let next = self.0.lock().given.next(&BLOCKS, &mut roomier);
            match next.map_err(|Spent| RegistrationError::TokensSpent)? {
                Next::Token(token) => return Ok(token),
                Next::Roomier(wanted) => roomier = Vec::with_capacity(wanted),
            }
        }
    }

    /// # Errors
    /// The table has been swept.
    pub(crate) fn insert(&self, registration: &Arc<Registration>) -> Result<(), Closed> {
        let mut roomier = Registered::default();
        loop {
            let wanted = {
                let mut state = self.0.lock();
                if state.swept {
                    return Err(Closed);
                }
                if state.registered.len() == state.registered.capacity() && roomier.capacity() > state.registered.len()
                {
                    state.registered.drain().for_each(|registration| insert(&mut roomier, registration));
                    mem::swap(&mut roomier, &mut state.registered);
                }
                if state.registered.len() < state.registered.capacity() {
                    insert(&mut state.registered, registration.clone());
                    return Ok(());
                }
                2 * state.registered.len() + 8
            };
            roomier = Registered::with_capacity(wanted);
        }
    }

    /// # Errors
    /// [`RegistrationError::Ended`] for one that was here, [`RegistrationError::UnknownHandle`] otherwise.
    pub(crate) fn find(&self, token: Token) -> Result<Arc<Registration>, RegistrationError> {
        let state = self.0.lock();
        match state.registered.find(hash(token), |there| there.token == token) {
            Some(registration) => Ok(registration.clone()),
            None if state.given.includes(token) => Err(RegistrationError::Ended(token)),
            None => Err(RegistrationError::UnknownHandle(token.to_handle())),
        }
    }

    pub(crate) fn remove(&self, registration: &Registration) {
        // Not the last reference: the caller has one, so nothing is freed under the lock.
        let token = registration.token;
        if let Ok(found) = self.0.lock().registered.find_entry(hash(token), |there| there.token == token) {
            found.remove();
        }
    }

    /// All that stood. Nothing is inserted any more.
    pub(crate) fn sweep(&self) -> Registered {
        let mut state = self.0.lock();
        state.swept = true;
        mem::take(&mut state.registered)
    }

    pub(crate) fn is_swept(&self) -> bool {
        self.0.lock().swept
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().registered.len()
    }
}
