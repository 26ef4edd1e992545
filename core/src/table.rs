//! The table of a registry: the registrations that stand, by serial number.
//!
//! It is the guest's reference to each of them. All is under one spin lock, for a few instructions
//! at a time: nothing is allocated or dropped under it. Only when the table grows, the entries move
//! under it: n of them, and then not again for n registrations at least.

use crate::registration::Registration;
use crate::sync::Lock;
use crate::{Closed, RegistrationError, Token};
use alloc::sync::Arc;
use core::hash::{BuildHasherDefault, Hasher};
use core::mem;
use hashbrown::HashMap;

pub(crate) struct Table(Lock<State>);

struct State {
    next_serial: u64,
    standing: Standing,
    /// Nothing is registered any more.
    swept: bool,
}

pub(crate) type Standing = HashMap<u64, Arc<Registration>, BuildHasherDefault<SerialHasher>>;

impl Table {
    pub(crate) fn new() -> Self {
        Self(Lock::new(State { next_serial: 1, standing: Standing::default(), swept: false }))
    }

    /// A serial number that nobody else gets.
    pub(crate) fn next_serial(&self) -> u64 {
        let mut state = self.0.lock();
        state.next_serial += 1;
        state.next_serial - 1
    }

    /// # Errors
    /// The table has been swept.
    pub(crate) fn insert(&self, registration: &Arc<Registration>) -> Result<(), Closed> {
        let mut roomier = Standing::default();
        loop {
            let wanted = {
                let mut state = self.0.lock();
                if state.swept {
                    return Err(Closed);
                }
                if state.standing.len() == state.standing.capacity() && roomier.capacity() > state.standing.len() {
                    roomier.extend(state.standing.drain());
                    mem::swap(&mut roomier, &mut state.standing);
                }
                if state.standing.len() < state.standing.capacity() {
                    state.standing.insert(registration.token.serial(), registration.clone());
                    return Ok(());
                }
                2 * state.standing.len() + 8
            };
            roomier = Standing::with_capacity_and_hasher(wanted, BuildHasherDefault::default());
        }
    }

    /// # Errors
    /// [`RegistrationError::Ended`] for one that was here, [`RegistrationError::UnknownHandle`] otherwise.
    pub(crate) fn find(&self, token: Token) -> Result<Arc<Registration>, RegistrationError> {
        let state = self.0.lock();
        match state.standing.get(&token.serial()) {
            Some(registration) => Ok(registration.clone()),
            None if (1..state.next_serial).contains(&token.serial()) => Err(RegistrationError::Ended(token)),
            None => Err(RegistrationError::UnknownHandle(token.to_handle())),
        }
    }

    pub(crate) fn remove(&self, registration: &Registration) {
        // Not the last reference: the caller has one, so nothing is freed under the lock.
        self.0.lock().standing.remove(&registration.token.serial());
    }

    /// All that stood. Nothing is inserted any more.
    pub(crate) fn sweep(&self) -> Standing {
        let mut state = self.0.lock();
        state.swept = true;
        mem::take(&mut state.standing)
    }

    pub(crate) fn is_swept(&self) -> bool {
        self.0.lock().swept
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().standing.len()
    }
}

/// Serial numbers are distinct already; this spreads them over hashbrown's high and low bits.
#[derive(Default)]
pub(crate) struct SerialHasher(u64);

impl Hasher for SerialHasher {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only serial numbers are hashed");
    }

    fn write_u64(&mut self, serial: u64) {
        // Fibonacci hashing: 2^64 divided by the golden ratio.
        self.0 = serial.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
