//! Where the handles of timeouts were written to: libxl 4.2.0 names a timeout by that address, and 4.2.1 by the handle, and
//! the two releases cannot be told apart ([R13]).
//!
//! Kept for serialized clients only, and never taken out: a blocking call of 4.2.0 deregisters a timeout twice that its own
//! loop took ([R14]). An address that comes again replaces what was there, so there are as many as the client has places.

#[cfg(doc)]
use crate::contract::*;
use crate::sync::Lock;
use crate::{NumberHasher, Token};
use core::hash::BuildHasherDefault;
use core::mem;
use hashbrown::HashMap;

type Places = HashMap<u64, Token, BuildHasherDefault<NumberHasher>>;

pub(crate) struct Addresses(Lock<Places>);

impl Addresses {
    pub(crate) fn new() -> Self {
        Self(Lock::new(Places::default()))
    }

    pub(crate) fn note(&self, address: u64, token: Token) {
        let mut roomier = Places::default();
        loop {
            // As in the table: nothing is allocated or dropped under the lock.
            let wanted = {
                let mut places = self.0.lock();
                if let Some(place) = places.get_mut(&address) {
                    *place = token;
                    return;
                }
                if places.len() == places.capacity() && roomier.capacity() > places.len() {
                    roomier.extend(places.drain());
                    mem::swap(&mut roomier, &mut places);
                }
                if places.len() < places.capacity() {
                    places.insert(address, token);
                    return;
                }
                2 * places.len() + 8
            };
            roomier = Places::with_capacity_and_hasher(wanted, BuildHasherDefault::default());
        }
    }

    pub(crate) fn find(&self, address: u64) -> Option<Token> {
        self.0.lock().get(&address).copied()
    }
}
