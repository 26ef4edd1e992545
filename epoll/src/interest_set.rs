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
//! # Added and deleted without the lock
//! An fd that nobody watches yet is added to the kernel's set in two steps: the entry is made, and then the caller tells the
//! kernel, without the lock under which this is ([`Addition`]). For if the fd is ready, this wakes a thread that sleeps in the set,
//! often on the processor of the one that registers, and there it would find the lock held. And where a thread's time is up, the
//! kernel stops it at the end of a system call: with the lock held, all others would wait until it goes on. The entry is whole before the
//! kernel can report it, with the key under which it will; if the kernel refuses, nobody has got it by this key. An fd that
//! nobody watches any more is deleted likewise: the entry is taken out, and then the caller tells the kernel ([`Deletion`]). What that
//! reports until then finds no entry.
//!
//! Meanwhile nobody else changes what is watched of that fd: whoever does takes the lock of its number first, which dispatches do not
//! need. All other changes are made under both. Whoever finds a registration or an entry taken out waits for that lock, and
//! so until the kernel has been told.
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
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasherDefault;
use std::ops::Bound;
use std::os::fd::{BorrowedFd, RawFd};
use std::slice;

#[derive(Default)]
pub(crate) struct InterestSet {
    entries: HashMap<RawFd, Entry, BuildHasherDefault<NumberHasher>>,
    fds: HashMap<Token, RawFd, BuildHasherDefault<NumberHasher>>,
    watched: Watched,
}

/// What there is beside the entries.
#[derive(Default)]
struct Watched {
    /// The entries that are [`Place::AlwaysReady`] and whose union has a bit that is always ready.
    always_ready: BTreeSet<RawFd>,
    /// The one of those that was served last: the next one's turn is after it ([O9]).
    served_last: RawFd,
    generations: u32,
}

struct Entry {
    generation: u32,
    place: Place,
    members: Members,
}

/// Mostly one, which needs no memory of its own. In order of registration.
enum Members {
    One(Member),
    Several(Vec<Member>),
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
    /// One more than that of the member before it had when this one came; they are served in this order. It repeats after
    /// 2^32 registrations of one number that was never without any.
    order: u32,
    interest: Interest,
    source: FdSource,
}

/// A registration to make an occurrence for.
pub(crate) struct Due {
    pub(crate) source: FdSource,
    pub(crate) readiness: Readiness,
    /// To find the next one by, if there was one.
    pub(crate) order: u32,
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

    pub(crate) fn fd(self) -> RawFd {
        self.fd
    }

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

/// What the kernel has to be told for an entry that has just been made, without the lock: see the head of this file.
#[must_use]
pub(crate) struct Addition {
    interest: Interest,
    key: Key,
}

impl Addition {
    /// True if the kernel has accepted it. Otherwise [`InterestSet::add_otherwise`] does what is left.
    #[must_use]
    pub(crate) fn make(&self, epoll: BorrowedFd<'_>) -> bool {
        os::control(epoll, Change::Add, self.key.fd, self.interest.to_poll(), self.key.to_data()).is_ok()
    }
}

/// What the kernel has to be told for an entry that has just been taken out, without the lock.
#[must_use]
pub(crate) struct Deletion {
    fd: RawFd,
}

impl Deletion {
    pub(crate) fn make(&self, epoll: BorrowedFd<'_>) {
        // See the head of this file.
        let _ = os::control(epoll, Change::Delete, self.fd, 0, 0);
    }
}

impl InterestSet {
    /// Adds it, or leaves an addition to the caller, who makes it without the lock. On failure nothing has changed.
    pub(crate) fn add(
        &mut self,
        epoll: BorrowedFd<'_>,
        source: FdSource,
        interest: Interest,
    ) -> Result<Option<Addition>, LoopError> {
        let (token, fd) = (source.token(), source.fd());
        let mut member = Member { order: 0, interest, source };
        self.fds.insert(token, fd);
        match self.entries.entry(fd) {
            Vacant(vacant) => {
                let (place, addition) = if interest.is_empty() {
                    (Place::Nowhere, None)
                } else {
                    let key = Key { fd, generation: self.watched.next_generation() };
                    (Place::Kernel, Some(Addition { interest, key }))
                };
                let generation = self.watched.generations;
                vacant.insert(Entry { generation, place, members: Members::One(member) });
                Ok(addition)
            }
            Occupied(mut occupied) => {
                let entry = occupied.get_mut();
                member.order = entry.members.last().order.wrapping_add(1);
                entry.members.push(member);
                let told = entry.tell_kernel(&mut self.watched, epoll, fd);
                told.map(|()| None).inspect_err(|_| self.take_out(token))
            }
        }
    }

    /// What is left of an addition that the kernel has refused. On failure nothing of the registration is left.
    pub(crate) fn add_otherwise(
        &mut self,
        epoll: BorrowedFd<'_>,
        addition: &Addition,
        token: Token,
    ) -> Result<(), LoopError> {
        let fd = addition.key.fd;
        let entry = self.entries.get_mut(&fd).expect("whoever adds keeps the others out");
        entry.place = Place::Nowhere;
        // Again, as it may be refused for another reason now.
        entry.tell_kernel(&mut self.watched, epoll, fd).inspect_err(|_| self.take_out(token))
    }

    /// On failure the old interest stays.
    pub(crate) fn modify(&mut self, epoll: BorrowedFd<'_>, token: Token, interest: Interest) -> Result<(), LoopError> {
        let fd = *self.fds.get(&token).ok_or(LoopError::UnknownToken(token))?;
        let entry = self.entries.get_mut(&fd).expect("each fd has an entry");
        let before = std::mem::replace(&mut entry.members.of(token).interest, interest);
        entry.tell_kernel(&mut self.watched, epoll, fd).inspect_err(|_| entry.members.of(token).interest = before)
    }

    /// The fd of a registration.
    pub(crate) fn fd(&self, token: Token) -> Option<RawFd> {
        self.fds.get(&token).copied()
    }

    /// Removes it, or leaves a deletion to the caller, who makes it without the lock.
    pub(crate) fn remove(&mut self, epoll: BorrowedFd<'_>, token: Token) -> Option<Deletion> {
        let fd = self.fd(token)?;
        let entry = self.entries.get_mut(&fd).expect("each fd has an entry");
        if entry.place == Place::Kernel && entry.members.all().len() == 1 {
            self.take_out(token);
            return Some(Deletion { fd });
        }
        // It cannot matter that the kernel refuses: what remains has what it had, and more than its interest is masked out.
        entry.members.of(token).interest = Interest::NONE;
        let _ = entry.tell_kernel(&mut self.watched, epoll, fd);
        self.take_out(token);
        None
    }

    fn take_out(&mut self, token: Token) {
        let Some(fd) = self.fds.remove(&token) else { return };
        let Occupied(mut entry) = self.entries.entry(fd) else { return };
        if entry.get_mut().members.is_empty_without(token) {
            entry.remove();
        }
    }

    /// The first member after `after` in the entry of `key` that wants something of `readiness`.
    pub(crate) fn next_due(&self, key: Key, readiness: Readiness, after: Option<u32>) -> Option<Due> {
        let entry = self.entries.get(&key.fd).filter(|entry| entry.generation == key.generation)?;
        let members = entry.members.all();
        members.iter().enumerate().find_map(|(at, member)| {
            let readiness = readiness.for_interest(member.interest);
            let is_due = !readiness.is_empty() && after.is_none_or(|after| member.order > after);
            is_due.then(|| Due {
                source: member.source.clone(),
                readiness,
                order: member.order,
                is_last: at + 1 == members.len(),
            })
        })
    }

    /// Whether there is an entry of this key.
    pub(crate) fn has(&self, key: Key) -> bool {
        self.entries.get(&key.fd).is_some_and(|entry| entry.generation == key.generation)
    }

    /// How many fds are always ready.
    pub(crate) fn always_ready(&self) -> usize {
        self.watched.always_ready.len()
    }

    /// The always ready fd whose turn it is, and its readiness.
    pub(crate) fn next_always_ready(&mut self) -> Option<(Key, Readiness)> {
        let Watched { always_ready: those, served_last, .. } = &mut self.watched;
        let later = (Bound::Excluded(*served_last), Bound::Unbounded);
        let fd = *those.range(later).next().or_else(|| those.first())?;
        *served_last = fd;
        let generation = self.entries.get(&fd)?.generation;
        Some((Key { fd, generation }, always_ready()))
    }
}

impl Watched {
    fn next_generation(&mut self) -> u32 {
        self.generations = self.generations.wrapping_add(1);
        self.generations
    }
}

impl Members {
    fn all(&self) -> &[Member] {
        match self {
            Self::One(member) => slice::from_ref(member),
            Self::Several(members) => members,
        }
    }

    fn all_mut(&mut self) -> &mut [Member] {
        match self {
            Self::One(member) => slice::from_mut(member),
            Self::Several(members) => members,
        }
    }

    fn last(&self) -> &Member {
        self.all().last().expect("an entry has members")
    }

    fn of(&mut self, token: Token) -> &mut Member {
        let member = self.all_mut().iter_mut().find(|member| member.source.token() == token);
        member.expect("each token is a member of its fd's entry")
    }

    fn push(&mut self, member: Member) {
        match self {
            Self::One(_) => {
                let Self::One(first) = std::mem::replace(self, Self::Several(Vec::with_capacity(2))) else {
                    unreachable!()
                };
                self.push(first);
                self.push(member);
            }
            Self::Several(members) => members.push(member),
        }
    }

    /// Takes out the one of `token`; true if no other is left, and then it may still be there.
    fn is_empty_without(&mut self, token: Token) -> bool {
        match self {
            Self::One(_) => true,
            Self::Several(members) => {
                members.retain(|member| member.source.token() != token);
                members.is_empty()
            }
        }
    }
}

impl Entry {
    /// Brings the entry's place up to date with its members. On failure the place is what it was.
    fn tell_kernel(&mut self, watched: &mut Watched, epoll: BorrowedFd<'_>, fd: RawFd) -> Result<(), LoopError> {
        let union = self.members.all().iter().fold(Interest::NONE, |union, member| union | member.interest);
        let control =
            |change, generation| os::control(epoll, change, fd, union.to_poll(), Key { fd, generation }.to_data());
        if union.is_empty() {
            if self.place == Place::Kernel {
                // See the head of this file.
                let _ = control(Change::Delete, 0);
            }
            self.place = Place::Nowhere;
        } else {
            let fresh = watched.generations.wrapping_add(1);
            let (mut change, mut generation) = match self.place {
                Place::Kernel => (Change::Modify, self.generation),
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
            self.place = match result {
                Ok(()) => Place::Kernel,
                Err(libc::EPERM) => Place::AlwaysReady,
                Err(libc::EBADF) => return Err(LoopError::BadFd(fd)),
                Err(errno) => return Err(LoopError::Os(errno)),
            };
            watched.generations = fresh;
            self.generation = generation;
        }
        if self.place == Place::AlwaysReady && !always_ready().for_interest(union).is_empty() {
            watched.always_ready.insert(fd);
        } else {
            watched.always_ready.remove(&fd);
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
