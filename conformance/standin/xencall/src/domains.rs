//! The pretend domains and the counters, in memory shared with forked children, or with other processes by a file.

use std::{
    env,
    fs::File,
    io, mem,
    os::fd::AsRawFd,
    ptr,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Xen's DOMID_FIRST_RESERVED: no domain has this id or a higher one.
pub(crate) const FIRST_RESERVED: u32 = 0x7ff0;

/// XEN_DOMINF_dying.
pub(crate) const DYING: u32 = 1 << 0;
/// XEN_DOMINF_shutdown.
pub(crate) const SHUTDOWN: u32 = 1 << 2;
/// XEN_DOMINF_paused.
pub(crate) const PAUSED: u32 = 1 << 3;

/// A slot: bits 0-31 are XEN_DOMINF_*, bit 32 says that the domain exists.
const EXISTS: u64 = 1 << 32;

/// All that the stand-in knows. The header documents how it lies in a file.
///
/// Orderings: each word stands for itself and publishes nothing else, so all accesses are `Relaxed`; the fork that
/// shares the memory orders what came before it, and the event fd's write and read order what it announces.
#[repr(C)]
pub(crate) struct Table {
    slots: [AtomicU64; FIRST_RESERVED as usize],
    /// Hypercalls asked for.
    pub(crate) hypercalls: AtomicU64,
    /// Hypercalls answered with ENOSYS or EACCES.
    pub(crate) refused_hypercalls: AtomicU64,
    /// Refused attempts to open a Xen device.
    pub(crate) refused_opens: AtomicU64,
    /// The last interface version that was not known, with [`SOME_UNKNOWN`] and, if it was domctl's, [`DOMCTL_UNKNOWN`].
    pub(crate) unknown_version: AtomicU64,
}

/// There was an interface version that is not known.
pub(crate) const SOME_UNKNOWN: u64 = 1 << 63;
/// It was one of domctl; of sysctl otherwise.
pub(crate) const DOMCTL_UNKNOWN: u64 = 1 << 32;

/// No such domain.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoDomain;

impl Table {
    /// The flags of a domain.
    pub(crate) fn flags(&self, domid: u32) -> Option<u32> {
        let word = self.slots.get(domid as usize)?.load(Relaxed);
        exists(word)
    }

    /// Creates or changes a domain.
    pub(crate) fn set(&self, domid: u32, flags: u32) -> Result<(), NoDomain> {
        let slot = self.slots.get(domid as usize).ok_or(NoDomain)?;
        let before = exists(slot.swap(EXISTS | u64::from(flags), Relaxed)).unwrap_or(0);
        if flags & !before & (SHUTDOWN | DYING) != 0 {
            announce();
        }
        Ok(())
    }

    /// Sets or clears `bits` of an existing domain; says which they were before.
    pub(crate) fn change(&self, domid: u32, bits: u32, on: bool) -> Result<u32, NoDomain> {
        let slot = self.slots.get(domid as usize).ok_or(NoDomain)?;
        slot.fetch_update(Relaxed, Relaxed, |word| {
            let flags = exists(word)?;
            Some(EXISTS | u64::from(if on { flags | bits } else { flags & !bits }))
        })
        .map(|word| exists(word).unwrap_or(0) & bits)
        .map_err(|_| NoDomain)
    }

    /// The domain is gone.
    pub(crate) fn remove(&self, domid: u32) -> Result<(), NoDomain> {
        let slot = self.slots.get(domid as usize).ok_or(NoDomain)?;
        exists(slot.swap(0, Relaxed)).ok_or(NoDomain)?;
        announce();
        Ok(())
    }

    /// The domains from id `first` on, in ascending order.
    pub(crate) fn from(&self, first: u32) -> impl Iterator<Item = (u32, u32)> {
        (first..FIRST_RESERVED).filter_map(|domid| Some((domid, self.flags(domid)?)))
    }
}

fn exists(word: u64) -> Option<u32> {
    (word & EXISTS != 0).then_some(word as u32)
}

/// The one table of this process and the children it forks, and of all processes that name the same file in
/// `OSEVENT_XENCALL_TABLE`.
pub(crate) fn table() -> &'static Table {
    static TABLE: OnceLock<&'static Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let file = open_file().expect("the file in OSEVENT_XENCALL_TABLE can be opened and made large enough");
        let (fd, anonymous) = file.as_ref().map_or((-1, libc::MAP_ANONYMOUS), |file| (file.as_raw_fd(), 0));
        // SAFETY: a fresh mapping, at no address of our choice, takes nothing from anybody.
        let memory = unsafe {
            libc::mmap(
                ptr::null_mut(),
                mem::size_of::<Table>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | anonymous,
                fd,
                0,
            )
        };
        assert_ne!(memory, libc::MAP_FAILED, "no memory for the table of pretend domains");
        // SAFETY: the mapping is page-aligned, as large as a Table and never unmapped. Any bytes are a valid Table;
        // all of it is atomics, so that other processes' accesses are no data races.
        unsafe { &*memory.cast::<Table>() }
    })
}

/// The file that the environment names, if it does, at least as large as a table.
fn open_file() -> io::Result<Option<File>> {
    let Some(path) = env::var_os("OSEVENT_XENCALL_TABLE") else { return Ok(None) };
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    if file.metadata()?.len() < mem::size_of::<Table>() as u64 {
        file.set_len(mem::size_of::<Table>() as u64)?;
    }
    Ok(Some(file))
}

/// The event fd of [`announce`]; children inherit it. -1 where none could be made.
pub(crate) fn dom_exc_fd() -> libc::c_int {
    static FD: OnceLock<libc::c_int> = OnceLock::new();
    // SAFETY: eventfd takes no pointer.
    *FD.get_or_init(|| unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })
}

/// Says that a domain shut down, began to die or went: Xen's VIRQ_DOM_EXC.
fn announce() {
    let one = 1u64.to_ne_bytes();
    // The counter can only overflow where nobody ever reads; what it says then is still true.
    // SAFETY: the buffer is 8 bytes long and outlives the call.
    unsafe { libc::write(dom_exc_fd(), one.as_ptr().cast(), one.len()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    // The table is one for the process: each test has domain ids of its own.

    #[test]
    fn a_domain_is_there_from_set_to_remove() {
        assert_eq!(table().flags(100), None);
        table().set(100, PAUSED).unwrap();
        assert_eq!(table().flags(100), Some(PAUSED));
        table().remove(100).unwrap();
        assert_eq!(table().flags(100), None);
        assert_eq!(table().remove(100), Err(NoDomain));
    }

    #[test]
    fn reserved_ids_are_no_domains() {
        assert_eq!(table().set(FIRST_RESERVED, 0), Err(NoDomain));
        assert_eq!(table().remove(u32::MAX), Err(NoDomain));
        assert_eq!(table().flags(0x7fff), None);
    }

    #[test]
    fn change_tells_what_was_before_and_needs_a_domain() {
        assert_eq!(table().change(200, PAUSED, true), Err(NoDomain));
        table().set(200, SHUTDOWN).unwrap();
        assert_eq!(table().change(200, PAUSED, true), Ok(0));
        assert_eq!(table().change(200, PAUSED, true), Ok(PAUSED));
        assert_eq!(table().change(200, PAUSED, false), Ok(PAUSED));
        assert_eq!(table().flags(200), Some(SHUTDOWN));
    }

    #[test]
    fn a_forked_child_changes_the_parents_table() {
        table().set(300, 0).unwrap();
        // SAFETY: the child only touches atomics and ends with _exit.
        match unsafe { libc::fork() } {
            0 => {
                let gone = table().remove(300).is_ok();
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
        assert_eq!(table().flags(300), None);
    }
}
