//! The hypercalls that are answered.
//!
//! Layouts and interface versions are those of `xen/include/public` at the tags RELEASE-4.14.0 to RELEASE-4.22.0: sysctl 0x13 to
//! 0x16, domctl 0x12 to 0x18.

mod cpu_policy;
mod domctl;
mod hvm_context;
mod memory;
mod other;
mod sysctl;

use std::sync::atomic::Ordering::Relaxed;

use osevent_standin_hypervisor::{Hypervisor, NoDomain};

use crate::state::hypervisor;

/// Executes a hypercall; the value, or the errno.
///
/// # Safety
/// Where the hypercall's arguments are addresses, they must be those of structs as Xen's public headers of the
/// interface version in them lay them out, valid until the return, as the caller of any hypercall promises.
pub unsafe fn execute(number: u64, arguments: &[u64; 5]) -> Result<i64, i32> {
    let hypervisor = hypervisor();
    let counters = hypervisor.counters();
    // Relaxed: a counter that publishes nothing.
    counters.hypercalls.fetch_add(1, Relaxed);
    let [first, second, ..] = *arguments;
    let argument = first as *mut u8;
    let result = match number {
        // SAFETY: the caller's promise for the struct at the first argument.
        SYSCTL => unsafe { sysctl::execute(hypervisor, argument.cast()) },
        // SAFETY: as above.
        DOMCTL => unsafe { domctl::execute(hypervisor, argument.cast()) },
        // SAFETY: as above, for the struct at the second argument.
        MEMORY => unsafe { memory::execute(hypervisor, first, second as *mut u8) },
        // SAFETY: as above, for an array of the length in the second argument and for what its entries point to.
        MULTICALL => unsafe { multicall(argument.cast(), second) },
        // SAFETY: the caller's promise.
        _ => unsafe { other::execute(hypervisor, number, arguments) },
    };
    if matches!(result, Err(libc::ENOSYS | libc::EACCES)) {
        counters.refused_hypercalls.fetch_add(1, Relaxed);
    }
    result
}

/// libxenctrl wraps memory_op in these.
///
/// # Safety
/// `calls` points to `count` entries, which keep the promise of [`execute`].
unsafe fn multicall(calls: *mut MulticallEntry, count: u64) -> Result<i64, i32> {
    for index in 0..count as usize {
        // SAFETY: within the array that the caller promised, and used by nobody else during the hypercall.
        let call = unsafe { &mut *calls.add(index) };
        let [a, b, c, d, e, _] = call.arguments;
        // SAFETY: the caller's promise.
        call.result = match unsafe { execute(call.number, &[a, b, c, d, e]) } {
            Ok(value) => value,
            Err(errno) => -i64::from(errno),
        };
    }
    Ok(0)
}

/// `multicall_entry`.
#[repr(C)]
struct MulticallEntry {
    number: u64,
    result: i64,
    arguments: [u64; 6],
}

/// What `xen_sysctl` and `xen_domctl` begin with.
#[repr(C)]
struct Head {
    command: u32,
    interface_version: u32,
}

/// What Xen answers to a version that is not its own. It is remembered: whoever uses the stand-in wants to know why nothing works.
fn unknown(hypervisor: &Hypervisor, interface: u64, version: u32) -> i32 {
    // Relaxed: a word that stands for itself.
    hypervisor.counters().unknown_version.store(SOME_UNKNOWN | interface | u64::from(version), Relaxed);
    libc::EACCES
}

/// There was an interface version that is not known.
const SOME_UNKNOWN: u64 = 1 << 63;
/// It was one of domctl; of sysctl otherwise.
const DOMCTL_UNKNOWN: u64 = 1 << 32;

fn no_domain(_: NoDomain) -> i32 {
    libc::ESRCH
}

const MEMORY: u64 = 12;
const MULTICALL: u64 = 13;
const SYSCTL: u64 = 35;
const DOMCTL: u64 = 36;

/// The version of both interfaces from which on a domain's information is as in 4.16.
const GROWN: u32 = 0x14;

#[cfg(test)]
mod tests;
