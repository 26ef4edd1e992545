//! The memory that is shared, and how it is mapped.

use std::error::Error;
use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::{fmt, io, mem, ptr};

use crate::events::Events;
use crate::record::Record;
use crate::{DYING, PAUSED, SHUTDOWN};

/// Xen's `DOMID_FIRST_RESERVED`: no domain has this id or a higher one.
pub const FIRST_RESERVED: u32 = 0x7ff0;

/// A slot: bits 0-31 are `XEN_DOMINF_*`, bit 32 says that the domain exists.
const EXISTS: u64 = 1 << 32;
/// The id of a domain that does not exist yet.
const TAKEN: u64 = 1 << 33;

/// A simulated hypervisor.
#[derive(Debug)]
pub struct Hypervisor {
    table: &'static Table,
    events: Events,
}

/// All that it knows. `osevent_xencall.h` documents how the slots and the counters lie in a file.
///
/// Orderings: each word stands for itself and publishes nothing else, so all accesses are `Relaxed`, but for a slot that
/// says that a domain exists: it publishes the domain's record. The fork that shares the memory orders what came before it,
/// and the events' write and read order what they announce.
#[repr(C)]
#[derive(Debug)]
struct Table {
    slots: [AtomicU64; FIRST_RESERVED as usize],
    counters: Counters,
    /// The id that the last domain got which asked for any.
    last_domid: AtomicU64,
    /// Pages that domains have.
    used_pages: AtomicU64,
    records: [Record; FIRST_RESERVED as usize],
}

/// What the stand-in for libxencall counts.
#[repr(C)]
#[derive(Debug)]
pub struct Counters {
    /// Hypercalls asked for.
    pub hypercalls: AtomicU64,
    /// Hypercalls answered with `ENOSYS` or `EACCES`.
    pub refused_hypercalls: AtomicU64,
    /// Refused attempts to open a Xen device.
    pub refused_opens: AtomicU64,
    /// The last interface version that was not known.
    pub unknown_version: AtomicU64,
}

/// There is no such domain, or the id is reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoDomain;

impl fmt::Display for NoDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no such domain on the simulated machine")
    }
}

impl Error for NoDomain {}

impl Hypervisor {
    /// One of this process and the children that it forks.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn anonymous() -> io::Result<Self> {
        Ok(Self { table: map(None)?, events: Events::anonymous() })
    }

    /// The one in that file, which is made if it is not there, and all processes that name it share. What [`ends`](Self::ends)
    /// and [`starts`](Self::starts) read are two FIFOs beside it.
    ///
    /// # Errors
    /// The files cannot be made or opened.
    pub fn at(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        if file.metadata()?.len() < mem::size_of::<Table>() as u64 {
            file.set_len(mem::size_of::<Table>() as u64)?;
        }
        Ok(Self { table: map(Some(&file))?, events: Events::beside(path)? })
    }

    /// What the stand-in for libxencall counts.
    pub fn counters(&self) -> &Counters {
        &self.table.counters
    }

    /// Becomes readable when a domain shuts down, begins to die or goes: Xen's `VIRQ_DOM_EXC`. Non-blocking; who reads it, reads 8
    /// bytes. `None` where it could not be made.
    pub fn ends(&self) -> Option<BorrowedFd<'_>> {
        self.events.ends()
    }

    /// Becomes readable when a domain begins to run: when it is unpaused. Otherwise like [`ends`](Self::ends).
    pub fn starts(&self) -> Option<BorrowedFd<'_>> {
        self.events.starts()
    }

    /// The flags of a domain, `XEN_DOMINF_*`.
    pub fn flags(&self, domid: u32) -> Option<u32> {
        exists(self.table.slots.get(domid as usize)?.load(Acquire))
    }

    /// Sets the flags of a domain. One that does not exist is made, with 4 MiB, one virtual processor and a uuid made of its id.
    ///
    /// # Errors
    /// The id is reserved.
    pub fn set(&self, domid: u32, flags: u32) -> Result<(), NoDomain> {
        let slot = self.table.slots.get(domid as usize).ok_or(NoDomain)?;
        if exists(slot.load(Relaxed)).is_none() {
            self.record(domid)?.plain(domid, &self.table.used_pages);
        }
        let before = exists(slot.swap(EXISTS | u64::from(flags), Relaxed)).unwrap_or(PAUSED);
        self.became(domid, before, flags)
    }

    /// Sets or clears `bits` of an existing domain; says which they were before.
    ///
    /// # Errors
    /// It does not exist.
    pub fn change(&self, domid: u32, bits: u32, on: bool) -> Result<u32, NoDomain> {
        let slot = self.table.slots.get(domid as usize).ok_or(NoDomain)?;
        let with = |flags| if on { flags | bits } else { flags & !bits };
        let before = slot.fetch_update(Relaxed, Relaxed, |word| Some(EXISTS | u64::from(with(exists(word)?))));
        let before = before.ok().and_then(exists).ok_or(NoDomain)?;
        self.became(domid, before, with(before))?;
        Ok(before & bits)
    }

    /// The domain is gone, and its memory is free.
    ///
    /// # Errors
    /// It does not exist.
    pub fn remove(&self, domid: u32) -> Result<(), NoDomain> {
        let slot = self.table.slots.get(domid as usize).ok_or(NoDomain)?;
        exists(slot.swap(0, Relaxed)).ok_or(NoDomain)?;
        self.record(domid)?.clear(&self.table.used_pages);
        self.events.ended();
        Ok(())
    }

    /// The domains from id `first` on, in ascending order, with their flags.
    pub fn from(&self, first: u32) -> impl Iterator<Item = (u32, u32)> {
        (first..FIRST_RESERVED).filter_map(|domid| Some((domid, self.flags(domid)?)))
    }

    /// An id that no domain has: `asked`, or the one after the last that was given. Nobody else gets it; [`exists`](Self::exists)
    /// says that its record is complete.
    pub(crate) fn take_id(&self, asked: Option<u32>) -> Option<u32> {
        let take = |domid: u32| {
            let slot = self.table.slots.get(domid as usize)?;
            slot.compare_exchange(0, TAKEN, Relaxed, Relaxed).ok().map(|_| domid)
        };
        if let Some(domid) = asked {
            return take(domid);
        }
        (1..FIRST_RESERVED).find_map(|_| {
            let after = self.table.last_domid.fetch_add(1, Relaxed) % u64::from(FIRST_RESERVED - 1);
            take(after as u32 + 1)
        })
    }

    /// The domain with that id exists from now on, with these flags.
    pub(crate) fn exists(&self, domid: u32, flags: u32) -> Option<()> {
        self.table.slots.get(domid as usize)?.store(EXISTS | u64::from(flags), Release);
        Some(())
    }

    /// The record of an id, whether or not a domain has it.
    pub(crate) fn record(&self, domid: u32) -> Result<&Record, NoDomain> {
        self.table.records.get(domid as usize).ok_or(NoDomain)
    }

    /// Pages that domains have.
    pub(crate) fn used_pages(&self) -> &AtomicU64 {
        &self.table.used_pages
    }

    /// Accounts for a change of a domain's flags, and tells of it.
    fn became(&self, domid: u32, before: u32, after: u32) -> Result<(), NoDomain> {
        const STOPPED: u32 = DYING | SHUTDOWN | PAUSED;
        let record = self.record(domid)?;
        match (before & STOPPED == 0, after & STOPPED == 0) {
            (false, true) => {
                record.runs();
                self.events.started();
            }
            (true, false) => record.stops(domid),
            _ => {}
        }
        if after & !before & (SHUTDOWN | DYING) != 0 {
            self.events.ended();
        }
        Ok(())
    }
}

fn exists(word: u64) -> Option<u32> {
    (word & EXISTS != 0).then_some(word as u32)
}

/// A table in that file, which is large enough, or one of its own.
fn map(file: Option<&File>) -> io::Result<&'static Table> {
    let (fd, anonymous) = file.map_or((-1, libc::MAP_ANONYMOUS), |file| (file.as_raw_fd(), 0));
    // SAFETY: a fresh mapping, at no address of our choice, takes nothing from anybody.
    let memory = unsafe {
        libc::mmap(
            ptr::null_mut(),
            mem::size_of::<Table>(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_NORESERVE | anonymous,
            fd,
            0,
        )
    };
    if memory == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the mapping is page-aligned, as large as a Table and never unmapped. Any bytes are a valid Table;
    // all of it is atomics, so that other processes' accesses are no data races.
    Ok(unsafe { &*memory.cast::<Table>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_there_from_set_to_remove() {
        let hypervisor = Hypervisor::anonymous().unwrap();
        assert_eq!(hypervisor.flags(100), None);
        hypervisor.set(100, PAUSED).unwrap();
        assert_eq!(hypervisor.flags(100), Some(PAUSED));
        hypervisor.remove(100).unwrap();
        assert_eq!(hypervisor.flags(100), None);
        assert_eq!(hypervisor.remove(100), Err(NoDomain));
    }

    #[test]
    fn reserved_ids_are_no_domains() {
        let hypervisor = Hypervisor::anonymous().unwrap();
        assert_eq!(hypervisor.set(FIRST_RESERVED, 0), Err(NoDomain));
        assert_eq!(hypervisor.remove(u32::MAX), Err(NoDomain));
        assert_eq!(hypervisor.flags(0x7fff), None);
    }

    #[test]
    fn change_tells_what_was_before_and_needs_a_domain() {
        let hypervisor = Hypervisor::anonymous().unwrap();
        assert_eq!(hypervisor.change(200, PAUSED, true), Err(NoDomain));
        hypervisor.set(200, SHUTDOWN).unwrap();
        assert_eq!(hypervisor.change(200, PAUSED, true), Ok(0));
        assert_eq!(hypervisor.change(200, PAUSED, true), Ok(PAUSED));
        assert_eq!(hypervisor.change(200, PAUSED, false), Ok(PAUSED));
        assert_eq!(hypervisor.flags(200), Some(SHUTDOWN));
    }

    #[test]
    fn a_forked_child_changes_the_parents_table() {
        let hypervisor = Hypervisor::anonymous().unwrap();
        hypervisor.set(300, 0).unwrap();
        // SAFETY: the child only touches atomics and ends with _exit.
        match unsafe { libc::fork() } {
            0 => {
                let gone = hypervisor.remove(300).is_ok();
                // SAFETY: ends the child without running the parent's exit handlers.
                unsafe { libc::_exit(if gone { 0 } else { 1 }) }
            }
            child => {
                assert!(child > 0, "fork failed");
                let mut status = 0;
                // SAFETY: our own child, and a status that outlives the call.
                assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
                assert_eq!(status, 0);
            }
        }
        assert_eq!(hypervisor.flags(300), None);
    }

    #[test]
    fn what_one_process_does_the_other_one_of_the_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let [ours, theirs] = [(); 2].map(|()| Hypervisor::at(&folder.path().join("domains")).unwrap());
        ours.set(5, PAUSED).unwrap();
        assert_eq!(theirs.flags(5), Some(PAUSED));
        assert_eq!([theirs.starts(), theirs.ends()].map(was_told), [false, false]);
        ours.change(5, PAUSED, false).unwrap();
        assert_eq!([theirs.starts(), theirs.ends()].map(was_told), [true, false]);
        ours.change(5, SHUTDOWN, true).unwrap();
        assert_eq!([theirs.starts(), theirs.ends()].map(was_told), [false, true]);
        ours.remove(5).unwrap();
        assert_eq!([theirs.starts(), theirs.ends()].map(was_told), [false, true]);
    }

    fn was_told(fd: Option<BorrowedFd<'_>>) -> bool {
        let mut bytes = [0u8; 8];
        // SAFETY: the descriptor is open and the buffer 8 bytes long.
        let length = unsafe { libc::read(fd.unwrap().as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len()) };
        length == 8
    }
}
