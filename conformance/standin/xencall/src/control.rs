//! The control interface, as `include/osevent_xencall.h` documents it for C.

use std::{
    ffi::{c_int, c_void},
    mem::MaybeUninit,
    ptr,
    sync::atomic::Ordering::Relaxed,
};

use osevent_standin_hypervisor::NoDomain;

use crate::{
    clock,
    errno::set_errno,
    state::{self, hypervisor},
};

/// The version of this interface.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn osevent_xencall_is_standin() -> u32 {
    1
}

/// Which parts the program's global scope resolves to: bit 0 hypercalls, 1 foreign memory, 2 clock, 3 closed devices,
/// 4 the real libxencall is not mapped.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn osevent_xencall_in_force() -> u32 {
    let parts = [c"xencall_open", c"xenforeignmemory_open", c"gettimeofday", c"open"];
    // Not RTLD_DEFAULT: that includes the scope of the caller, which is us, where we are loaded RTLD_LOCAL.
    // SAFETY: NULL is the main program, which is always loaded.
    let program = unsafe { libc::dlopen(ptr::null(), libc::RTLD_LAZY) };
    let mut bits = 0;
    for (bit, name) in parts.into_iter().enumerate() {
        // SAFETY: the handle was opened above, the name is a C string.
        if is_ours(unsafe { libc::dlsym(program, name.as_ptr()) }) {
            bits |= 1 << bit;
        }
    }
    // SAFETY: gives back what was opened above; the main program stays.
    unsafe { libc::dlclose(program) };
    bits | (u32::from(alone()) << 4)
}

/// Creates or changes a pretend domain; -1 and EINVAL for a reserved id.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn osevent_xencall_set_domain(domid: u32, flags: u32) -> c_int {
    by_errno(hypervisor().set(domid, flags), libc::EINVAL)
}

/// The flags of a pretend domain; -1 and ESRCH where there is none.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn osevent_xencall_domain(domid: u32) -> i64 {
    match hypervisor().flags(domid) {
        Some(flags) => flags.into(),
        None => by_errno(Err(NoDomain), libc::ESRCH).into(),
    }
}

/// The pretend domain is gone; -1 and ESRCH where there was none.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn osevent_xencall_remove_domain(domid: u32) -> c_int {
    by_errno(hypervisor().remove(domid), libc::ESRCH)
}

/// An eventfd that becomes readable when a domain shuts down, begins to die or goes; -1 where there is none.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn osevent_xencall_dom_exc_fd() -> c_int {
    state::dom_exc_fd()
}

/// `gettimeofday(2)` lags by this many milliseconds from now on.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn osevent_xencall_set_clock_skew_ms(ms: i64) {
    clock::set_skew_ms(ms);
}

/// The wall clock goes this many milliseconds forward, once.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn osevent_xencall_step_clock_ms(ms: i64) {
    clock::step_ms(ms);
}

/// How many hypercalls were asked for.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn osevent_xencall_hypercalls() -> u64 {
    hypervisor().counters().hypercalls.load(Relaxed)
}

/// How many hypercalls were answered with ENOSYS or EACCES.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn osevent_xencall_refused_hypercalls() -> u64 {
    hypervisor().counters().refused_hypercalls.load(Relaxed)
}

/// How many attempts to open a Xen device were refused.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn osevent_xencall_refused_opens() -> u64 {
    hypervisor().counters().refused_opens.load(Relaxed)
}

/// The last interface version that a hypercall was refused for, or 0.
#[cfg_attr(not(test), unsafe(no_mangle))]
pub extern "C" fn osevent_xencall_unknown_version() -> u64 {
    hypervisor().counters().unknown_version.load(Relaxed)
}

/// Whether what goes by the name of libxencall.so.1 in this process is this very object.
fn alone() -> bool {
    // SAFETY: a C string; NOLOAD loads nothing and runs nothing.
    let library = unsafe { libc::dlopen(c"libxencall.so.1".as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
    if library.is_null() {
        return false;
    }
    // SAFETY: the handle was opened above, the name is a C string.
    let theirs = unsafe { libc::dlsym(library, c"osevent_xencall_is_standin".as_ptr()) };
    // SAFETY: gives back what was opened above; the object stays, for we are in it or others hold it.
    unsafe { libc::dlclose(library) };
    is_ours(theirs)
}

/// Whether an address lies in this object. Comparing it with a function of ours would not do: our own reference to an
/// exported name is bound to whichever object comes first, as everybody's is.
fn is_ours(address: *const c_void) -> bool {
    static HERE: u8 = 0;
    let base = |address: *const c_void| {
        let mut info = MaybeUninit::<libc::Dl_info>::uninit();
        // SAFETY: dladdr takes any address and a place for its answer.
        let found = unsafe { libc::dladdr(address, info.as_mut_ptr()) };
        // SAFETY: not zero says that the answer was written.
        (found != 0).then(|| unsafe { info.assume_init() }.dli_fbase)
    };
    !address.is_null() && base(address) == base((&raw const HERE).cast())
}

fn by_errno(result: Result<(), NoDomain>, errno: c_int) -> c_int {
    match result {
        Ok(()) => 0,
        Err(NoDomain) => {
            set_errno(errno);
            -1
        }
    }
}
