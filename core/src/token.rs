//! Tokens, and why none is used twice.
//!
//! # Unique for the life of the process
//! A token is a block's number and a serial number within it. The process hands out blocks, by one counter that only goes
//! up; a registry takes one when it registers something for the first time and the next one when that is spent, and
//! counts serial numbers under its table's lock. So two tokens of one block are one registry's and differ in the
//! serial number, and all others differ in the block. When the blocks are spent, registrations are refused.
//!
//! Loops rely on it: the registrations of all clients on one loop lie in one table there, by token.
//!
//! There are 2^39 blocks of 2^24 tokens: enough for 17,000 registries a second for a year, or, by one registry, for
//! more registrations than a machine makes.

#[cfg(doc)]
use crate::contract::*;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use core::num::NonZeroU64;
use core::sync::atomic::{AtomicU64, Ordering};

/// Identifies a registration. No token is used twice in the process, so a late, repeated or foreign token is detected when it
/// is looked up ([R10], [R14]).
///
/// Its handle is the value that the client keeps in `for_app_registration`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(NonZeroU64);

impl Token {
    /// Set in every handle: a 64-bit user pointer never has it, which tells the two apart where 4.2.0 passes an address ([R13]).
    const MARK: u64 = 1 << 63;
    const SERIAL_BITS: u32 = 24;
    const SERIALS: u32 = 1 << Self::SERIAL_BITS;
    const BLOCKS: u64 = Self::MARK >> Self::SERIAL_BITS;

    /// `block` is below `BLOCKS` and `serial` below `SERIALS`.
    const fn new(block: u64, serial: u32) -> Self {
        match NonZeroU64::new(Self::MARK | block << Self::SERIAL_BITS | serial as u64) {
            Some(bits) => Self(bits),
            None => unreachable!(),
        }
    }

    /// The value for `for_app_registration`. It is never 0 and needs all 64 bits of the pointer.
    pub const fn to_handle(self) -> u64 {
        self.0.get()
    }

    /// Converts a handle back. `None` if the value cannot be a token. Only the registry knows whether a token belongs to it and
    /// whether its registration still exists.
    pub const fn from_handle(handle: u64) -> Option<Self> {
        match NonZeroU64::new(handle) {
            Some(bits) if handle & Self::MARK != 0 => Some(Self(bits)),
            _ => None,
        }
    }

    const fn block(self) -> u64 {
        (self.0.get() & !Self::MARK) >> Self::SERIAL_BITS
    }

    const fn serial(self) -> u32 {
        self.0.get() as u32 & (Self::SERIALS - 1)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.block(), self.serial())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({self})")
    }
}

/// The process has no more blocks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Spent;

/// The process's blocks: the number of the next one.
///
/// Relaxed throughout: that each is handed out once needs only that each step is one modification.
pub(crate) struct Blocks(AtomicU64);

/// Not loom's: a block only has to be nobody else's, and statics outlive a loom model.
pub(crate) static BLOCKS: Blocks = Blocks::starting_at(1);

impl Blocks {
    pub(crate) const fn starting_at(next: u64) -> Self {
        Self(AtomicU64::new(next))
    }

    /// # Errors
    /// [`Spent`]
    fn take(&self) -> Result<u64, Spent> {
        let step = |next| (next < Token::BLOCKS).then_some(next + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).map_err(|_| Spent)
    }
}

pub(crate) enum Next {
    Token(Token),
    /// Come again with a list that has room for so many.
    Roomier(usize),
}

/// The tokens that one registry has given out.
pub(crate) struct Given {
    /// The block at hand; meaningless while nothing was given out of it.
    block: u64,
    /// How many were given out of it; `None` before the first block.
    serials: Option<u32>,
    /// The spent ones, ascending.
    spent: Vec<u64>,
}

impl Given {
    pub(crate) const fn new() -> Self {
        Self { block: 0, serials: None, spent: Vec::new() }
    }

    /// One more. It does not allocate: it may want a `roomier` list for its spent blocks, and leaves the old one there.
    ///
    /// # Errors
    /// [`Spent`]; nothing has changed.
    pub(crate) fn next(&mut self, blocks: &Blocks, roomier: &mut Vec<u64>) -> Result<Next, Spent> {
        let serial = match self.serials {
            Some(serials) if serials < Token::SERIALS => serials,
            Some(_) => {
                if self.spent.len() == self.spent.capacity() {
                    if roomier.capacity() <= self.spent.len() {
                        return Ok(Next::Roomier(2 * self.spent.len() + 8));
                    }
                    roomier.append(&mut self.spent);
                    mem::swap(roomier, &mut self.spent);
                }
                let fresh = blocks.take()?;
                self.spent.push(mem::replace(&mut self.block, fresh));
                0
            }
            None => {
                self.block = blocks.take()?;
                0
            }
        };
        self.serials = Some(serial + 1);
        Ok(Next::Token(Token::new(self.block, serial)))
    }

    /// Whether it was given out here.
    pub(crate) fn includes(&self, token: Token) -> bool {
        let at_hand = self.serials.is_some_and(|serials| token.block() == self.block && token.serial() < serials);
        at_hand || self.spent.binary_search(&token.block()).is_ok()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sync::Lock;
    use crate::{
        Client, ClientValue, Deadline, EventLoop, FdSource, GoneId, Interest, LockRule, LoopError, Owner, Readiness,
        Registry, ThreadId, TimerSource,
    };
    use alloc::boxed::Box;
    use alloc::collections::BTreeSet;
    use alloc::sync::Arc;

    fn next(given: &mut Given, blocks: &Blocks) -> Result<Token, Spent> {
        let mut roomier = Vec::new();
        loop {
            match given.next(blocks, &mut roomier)? {
                Next::Token(token) => return Ok(token),
                Next::Roomier(wanted) => roomier = Vec::with_capacity(wanted),
            }
        }
    }

    /// As if all but the last of its block had been given out.
    fn spend(given: &mut Given) {
        given.serials = Some(Token::SERIALS - 1);
    }

    #[test]
    fn the_list_of_spent_blocks_grows_only_into_the_one_that_is_handed_in() {
        let (blocks, mut given, mut roomier) = (Blocks::starting_at(1), Given::new(), Vec::new());
        for _ in 0..200 {
            let (before, offered) = (given.spent.capacity(), roomier.capacity());
            match given.next(&blocks, &mut roomier).unwrap() {
                Next::Token(_) => {
                    let now = (given.spent.capacity(), roomier.capacity());
                    assert!(now == (before, offered) || now == (offered, before), "{before}, {offered}: {now:?}");
                    given.serials = Some(Token::SERIALS);
                }
                Next::Roomier(wanted) => {
                    assert_eq!(given.spent.len(), before, "there is room still");
                    roomier = Vec::with_capacity(wanted);
                }
            }
        }
    }

    #[test]
    fn r10_tokens_differ_however_many_registries_come_between() {
        for distance in (0..39).map(|bit| 1 << bit) {
            let blocks = Blocks::starting_at(1);
            let (mut old, mut new) = (Given::new(), Given::new());
            let first = next(&mut old, &blocks).unwrap();
            // What so many registries do.
            blocks.0.fetch_add(distance - 1, Ordering::Relaxed);
            let second = next(&mut new, &blocks).unwrap();
            assert_ne!(first, second, "{distance} registries later");
            assert!(old.includes(first) && !old.includes(second));
            assert!(new.includes(second) && !new.includes(first));
            for token in [first, second] {
                assert_eq!(Token::from_handle(token.to_handle()), Some(token));
            }
        }
    }

    #[test]
    fn r10_r14_a_registry_whose_block_is_spent_goes_on_and_knows_what_it_gave_out() {
        let blocks = Blocks::starting_at(1);
        let (mut one, mut other) = (Given::new(), Given::new());
        let mut all = Vec::new();
        for _ in 0..50 {
            all.push(next(&mut one, &blocks).unwrap());
            all.push(next(&mut other, &blocks).unwrap());
            spend(&mut one);
            all.push(next(&mut one, &blocks).unwrap());
        }
        assert!(all.iter().enumerate().all(|(at, token)| all[..at].iter().all(|before| before != token)));
        for trio in all.chunks(3) {
            assert_eq!(trio.iter().map(|&token| one.includes(token)).collect::<Vec<_>>(), [true, false, true]);
            assert_eq!(trio.iter().map(|&token| other.includes(token)).collect::<Vec<_>>(), [false, true, false]);
        }
        let last = next(&mut one, &blocks).unwrap();
        assert!(one.includes(last) && !one.includes(Token::new(last.block(), 1)), "not yet");
    }

    /// As loops are: by token, whoever's it is.
    struct ByToken(Lock<BTreeSet<Token>>);

    impl EventLoop for ByToken {
        fn add_fd(&self, source: FdSource, _: Interest) -> Result<(), LoopError> {
            self.0.lock().insert(source.token());
            Ok(())
        }
        fn modify_fd(&self, _: Token, _: Interest) -> Result<(), LoopError> {
            Ok(())
        }
        fn remove_fd(&self, token: Token) {
            self.0.lock().remove(&token);
        }
        fn add_timer(&self, _: TimerSource, _: Deadline) -> Result<(), LoopError> {
            Err(LoopError::Unsupported("keep time"))
        }
        fn modify_timer(&self, _: Token, _: Deadline) {}
        fn remove_timer(&self, _: Token) {}
        fn turn(&self, _: Option<i32>) -> Result<(), LoopError> {
            Err(LoopError::Unsupported("wait"))
        }
        fn on_gone(&self, _: Box<dyn FnOnce() + Send>) -> GoneId {
            unreachable!("the core does not ask for it");
        }
        fn forget_gone(&self, _: GoneId) {
            unreachable!("there is none");
        }
    }

    struct Silent;

    impl Client for Silent {
        fn occurred_fd(&self, _: ClientValue, _: i32, _: Interest, _: Readiness) {}
        fn occurred_timeout(&self, _: ClientValue) {}
        fn release(&self) {}
    }

    impl Owner for Silent {}

    #[test]
    fn r10_a_close_takes_nothing_of_another_client_on_the_same_loop() {
        let event_loop = Arc::new(ByToken(Lock::new(BTreeSet::new())));
        let me = || ThreadId(NonZeroU64::MIN);
        let client = || Registry::new(event_loop.clone(), LockRule::Concurrent, me, |_| Silent);
        let old = client();
        let first = old.register_fd(0, Interest::IN, ClientValue(1)).unwrap();
        // What 524,287 clients do that come and go; the counter may be ahead already.
        BLOCKS.0.fetch_max(first.block() + 524_288, Ordering::Relaxed);
        let new = client();
        let token = new.register_fd(1, Interest::IN, ClientValue(2)).unwrap();
        old.close();
        assert_eq!(*event_loop.0.lock(), BTreeSet::from([token]));
    }

    #[test]
    fn r3_when_all_blocks_are_spent_registrations_are_refused_and_none_repeats() {
        let blocks = Blocks::starting_at(Token::BLOCKS - 1);
        let (mut one, mut other) = (Given::new(), Given::new());
        let last = next(&mut one, &blocks).unwrap();
        assert_eq!(Token::from_handle(last.to_handle()), Some(last));
        assert_eq!(next(&mut other, &blocks), Err(Spent));
        spend(&mut one);
        assert_eq!(next(&mut one, &blocks).map(|token| token.block()), Ok(last.block()));
        for _ in 0..2 {
            assert_eq!(next(&mut one, &blocks), Err(Spent));
        }
        assert!(one.includes(last), "a refusal changes nothing");
    }
}
