//! Which fd is watched for what, and by whom: the epoll set and what it cannot hold.
//!
//! # One entry per fd number
//! Registrations of the same number share an entry, and the kernel knows the union of their interests ([R4]). An entry
//! whose union is empty is not in the kernel's set, which would report hang-ups all the same ([R5]). Files that epoll
//! refuses, for which poll(2) always says ready, are *always ready* here ([R7]).
//!
//! # Keys
//! An event carries the key of its entry: fd number and generation. Each addition to the kernel's set takes a new
//! generation, so an event that was collected before an fd was taken out, closed, reused and put in again finds
//! nothing ([R8]). Generations repeat after 2^32 additions, all of which would have to be made while one chunk of events
//! is worked off; even then the client would only get one occurrence too many, which it tolerates ([O4]).
//!
//! # A client that closes first and tells later
//! The kernel forgets an fd with its file, or does not, where a duplicate keeps the file open; and the number may name
//! another file when we hear of it. Case by case:
//! - remove or interest 0: deletion finds nothing (ENOENT), or no file (EBADF): ignored, the aim is reached.
//! - modify, or one more registration of the number: always tells the kernel, even where the union stays the same. ENOENT
//!   then shows another file under the number, which is added under a new key. A file that epoll refuses (EPERM) is
//!   recognised likewise, and one that it takes after one that it refused.
//! - the number names no file: the caller is told, and what was in force stays.
//! - a duplicate keeps the old file in the kernel's set, and then the number names that file again: adding says EEXIST,
//!   and it is adopted under a new key.
//! - a duplicate keeps it, and the number never names it again: nobody can take it out; its events find no
//!   entry. This is the one thing that cannot be mended from here: delete before close ([S5]).

#[cfg(doc)]
use crate::contract::*;
use crate::os::{self, Change};
use osevent_core::{FdSource, Interest, LoopError, NumberHasher, Readiness, Token};
use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasherDefault;
use std::ops::Bound;
use std::os::fd::{BorrowedFd, RawFd};

#[derive(Default)]
pub(crate) struct InterestSet {
    entries: HashMap<RawFd, Entry, BuildHasherDefault<NumberHasher>>,
    fds: HashMap<Token, RawFd, BuildHasherDefault<NumberHasher>>,
    /// The entries that are [`Place::AlwaysReady`] and whose union has a bit that is always ready.
    always_ready: BTreeSet<RawFd>,
    /// The one of those that was served last: the next one's turn is after it ([O9]).
    served_last: RawFd,
    generations: u32,
    registered: u64,
}

struct Entry {
    generation: u32,
    place: Place,
    /// In order of registration.
    members: Vec<Member>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Not watched: the union is empty.
    Nowhere,
    /// In the kernel's set, as far as we know.
    Kernel,
    /// Refused by the kernel's set.
    AlwaysReady,
}

struct Member {
    /// The number of its registration, counted from the first; ties are served in this order.
    order: u64,
    interest: Interest,
    source: FdSource,
}

/// A registration to make an occurrence for.
pub(crate) struct Due {
    pub(crate) source: FdSource,
    pub(crate) readiness: Readiness,
    /// To find the next one by, if there was one.
    pub(crate) order: u64,
    pub(crate) is_last: bool,
}

/// Which entry an event is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Key {
    fd: RawFd,
    generation: u32,
}

impl Key {
    /// No entry has this one.
    pub(crate) const NONE: Self = Self { fd: -1, generation: 0 };

    pub(crate) fn to_data(self) -> u64 {
        u64::from(self.fd.cast_unsigned()) << 32 | u64::from(self.generation)
    }

    pub(crate) fn from_data(data: u64) -> Self {
        Self { fd: ((data >> 32) as u32).cast_signed(), generation: data as u32 }
    }
}

/// What poll(2) says of a file that cannot be waited for.
fn always_ready() -> Readiness {
    Readiness::IN | Readiness::OUT
}

impl InterestSet {
    /// On failure nothing has changed.
    pub(crate) fn add(&mut self, epoll: BorrowedFd<'_>, source: FdSource, interest: Interest) -> Result<(), LoopError> {
        let (token, fd) = (source.token(), source.fd());
        let nobody = Entry { generation: 0, place: Place::Nowhere, members: Vec::with_capacity(1) };
        let entry = self.entries.entry(fd).or_insert(nobody);
        entry.members.push(Member { order: self.registered, interest, source });
        self.registered += 1;
        self.fds.insert(token, fd);
        self.tell_kernel(epoll, fd).inspect_err(|_| self.take_out(token, fd))
    }

    /// On failure the old interest stays.
    pub(crate) fn modify(&mut self, epoll: BorrowedFd<'_>, token: Token, interest: Interest) -> Result<(), LoopError> {
        let fd = *self.fds.get(&token).ok_or(LoopError::UnknownToken(token))?;
        let before = std::mem::replace(&mut self.member(fd, token).interest, interest);
        self.tell_kernel(epoll, fd).inspect_err(|_| self.member(fd, token).interest = before)
    }

    pub(crate) fn remove(&mut self, epoll: BorrowedFd<'_>, token: Token) {
        let Some(&fd) = self.fds.get(&token) else { return };
        // First, so that an entry without members is not in the kernel's set. It cannot matter that the kernel refuses:
        // where another registration remains, it has what it had, and more than its interest is masked out; where
        // none does, only deletion is asked, which does not fail.
        self.member(fd, token).interest = Interest::NONE;
        let _ = self.tell_kernel(epoll, fd);
        self.take_out(token, fd);
    }

    fn take_out(&mut self, token: Token, fd: RawFd) {
        self.fds.remove(&token);
        let entry = self.entries.get_mut(&fd).expect("each fd has an entry");
        entry.members.retain(|member| member.source.token() != token);
        if entry.members.is_empty() {
            self.entries.remove(&fd);
        }
    }

    /// The first member after `after` in the entry of `key` that wants something of `readiness`.
    pub(crate) fn next_due(&self, key: Key, readiness: Readiness, after: Option<u64>) -> Option<Due> {
        let entry = self.entries.get(&key.fd).filter(|entry| entry.generation == key.generation)?;
        entry.members.iter().enumerate().find_map(|(at, member)| {
            let readiness = readiness.for_interest(member.interest);
            let is_due = !readiness.is_empty() && after.is_none_or(|after| member.order > after);
            is_due.then(|| Due {
                source: member.source.clone(),
                readiness,
                order: member.order,
                is_last: at + 1 == entry.members.len(),
            })
        })
    }

    /// How many fds are always ready.
    pub(crate) fn always_ready(&self) -> usize {
        self.always_ready.len()
    }

    /// The always ready fd whose turn it is, and its readiness.
    pub(crate) fn next_always_ready(&mut self) -> Option<(Key, Readiness)> {
        let later = (Bound::Excluded(self.served_last), Bound::Unbounded);
        let fd = *self.always_ready.range(later).next().or_else(|| self.always_ready.first())?;
        self.served_last = fd;
        let generation = self.entries.get(&fd)?.generation;
        Some((Key { fd, generation }, always_ready()))
    }

    fn member(&mut self, fd: RawFd, token: Token) -> &mut Member {
        let entry = self.entries.get_mut(&fd).expect("each fd has an entry");
        let member = entry.members.iter_mut().find(|member| member.source.token() == token);
        member.expect("each token is a member of its fd's entry")
    }

    /// Brings the entry's place up to date with its members. On failure the place is what it was.
    fn tell_kernel(&mut self, epoll: BorrowedFd<'_>, fd: RawFd) -> Result<(), LoopError> {
        let entry = self.entries.get_mut(&fd).expect("the caller has just had it");
        let union = entry.members.iter().fold(Interest::NONE, |union, member| union | member.interest);
        let control =
            |change, generation| os::control(epoll, change, fd, union.to_poll(), Key { fd, generation }.to_data());
        if union.is_empty() {
            if entry.place == Place::Kernel {
                // See the head of this file.
                let _ = control(Change::Delete, 0);
            }
            entry.place = Place::Nowhere;
        } else {
            let fresh = self.generations.wrapping_add(1);
            let (mut change, mut generation) = match entry.place {
                Place::Kernel => (Change::Modify, entry.generation),
                Place::Nowhere | Place::AlwaysReady => (Change::Add, fresh),
            };
            let mut result = control(change, generation);
            // At most once: it is in the set, or it is not, and nobody else changes that.
            if let Some(other) = match result {
                Err(libc::ENOENT) if change == Change::Modify => Some(Change::Add),
                Err(libc::EEXIST) if change == Change::Add => Some(Change::Modify),
                _ => None,
            } {
                (change, generation) = (other, fresh);
                result = control(change, generation);
            }
            entry.place = match result {
                Ok(()) => Place::Kernel,
                Err(libc::EPERM) => Place::AlwaysReady,
                Err(libc::EBADF) => return Err(LoopError::BadFd(fd)),
                Err(errno) => return Err(LoopError::Os(errno)),
            };
            self.generations = fresh;
            entry.generation = generation;
        }
        if entry.place == Place::AlwaysReady && !always_ready().for_interest(union).is_empty() {
            self.always_ready.insert(fd);
        } else {
            self.always_ready.remove(&fd);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r8_keys_survive_the_way_through_the_kernel_and_are_told_apart() {
        let keys = [(0, 0), (0, 1), (1, 0), (i32::MAX, u32::MAX), (-1, 0)];
        let data = keys.map(|(fd, generation)| {
            let key = Key { fd, generation };
            assert_eq!(Key::from_data(key.to_data()), key);
            key.to_data()
        });
        assert_eq!(data.iter().collect::<BTreeSet<_>>().len(), keys.len());
    }
}
