//! Hypercalls of one or two operations: event channels, parameters of PVH domains, grants, page tables, Xen's version, shutdown.

use std::ptr;

use osevent_standin_hypervisor::{HVM_GUEST, Hypervisor, REASON_SHIFT, SHUTDOWN};

use super::no_domain;

/// # Safety
/// That of [`super::execute`].
pub(super) unsafe fn execute(hypervisor: &Hypervisor, number: u64, arguments: &[u64; 5]) -> Result<i64, i32> {
    let [operation, argument, ..] = *arguments;
    let argument = argument as *mut u8;
    match (number, operation) {
        (EVENT_CHANNEL, ALLOC_UNBOUND) => {
            // SAFETY: the caller's promise for this operation's struct.
            let asked = unsafe { &mut *argument.cast::<AllocUnbound>() };
            asked.port = hypervisor.new_port(asked.domid.into()).map_err(no_domain)?;
            Ok(0)
        }
        (HVM, SET_PARAM) => {
            // SAFETY: as above.
            let asked = unsafe { argument.cast::<HvmParam>().read() };
            hypervisor.flags(asked.domid.into()).map(|_| 0).ok_or(libc::ESRCH)
        }
        (HVM, GET_PARAM) => {
            // SAFETY: as above.
            let asked = unsafe { &mut *argument.cast::<HvmParam>() };
            let flags = hypervisor.flags(asked.domid.into()).ok_or(libc::ESRCH)?;
            if flags & HVM_GUEST == 0 {
                return Err(libc::EINVAL);
            }
            // A system that has drivers for Xen says by which interrupt it wants to be called.
            let answers = asked.index == CALLBACK_IRQ && hypervisor.has_booted(asked.domid.into());
            asked.value = u64::from(answers);
            Ok(0)
        }
        (SCHED, REMOTE_SHUTDOWN) => {
            // SAFETY: as above.
            let asked = unsafe { argument.cast::<RemoteShutdown>().read() };
            hypervisor.change(asked.domid.into(), SHUTDOWN | asked.reason << REASON_SHIFT, true).map_err(no_domain)?;
            Ok(0)
        }
        (VERSION, _) => {
            // SAFETY: as above.
            unsafe { version(operation, argument) }
        }
        // Page tables of PV domains, which are in memory that is not kept.
        (MMU_UPDATE | MMUEXT, _) => Ok(0),
        _ => Err(libc::ENOSYS),
    }
}

/// # Safety
/// `answer` has room for what the operation tells.
unsafe fn version(operation: u64, answer: *mut u8) -> Result<i64, i32> {
    match operation {
        // The release that the stand-in is most like.
        0 => Ok(4 << 16 | 17),
        // XENVER_extraversion and XENVER_capabilities: text.
        1 | 3 => {
            let text: &[u8] = match operation {
                1 => b".0-standin\0",
                _ => b"xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 \0",
            };
            // SAFETY: the caller's promise: 16 and 1024 bytes.
            unsafe { ptr::copy_nonoverlapping(text.as_ptr(), answer, text.len()) };
            Ok(0)
        }
        // XENVER_platform_parameters: where Xen's memory begins.
        5 => {
            // SAFETY: the caller's promise: an unsigned long.
            unsafe { answer.cast::<u64>().write(0xffff_8000_0000_0000) };
            Ok(0)
        }
        // XENVER_pagesize
        7 => Ok(4096),
        _ => Err(libc::ENOSYS),
    }
}

/// `evtchn_alloc_unbound`.
#[repr(C)]
struct AllocUnbound {
    domid: u16,
    remote: u16,
    port: u32,
}

/// `xen_hvm_param`.
#[repr(C)]
struct HvmParam {
    domid: u16,
    pad: u16,
    index: u32,
    value: u64,
}

/// `sched_remote_shutdown`.
#[repr(C)]
struct RemoteShutdown {
    domid: u16,
    reason: u32,
}

const MMU_UPDATE: u64 = 1;
const VERSION: u64 = 17;
const MMUEXT: u64 = 26;
const SCHED: u64 = 29;
const EVENT_CHANNEL: u64 = 32;
const HVM: u64 = 34;

const ALLOC_UNBOUND: u64 = 6;
const SET_PARAM: u64 = 0;
const GET_PARAM: u64 = 1;
/// HVM_PARAM_CALLBACK_IRQ
const CALLBACK_IRQ: u32 = 0;
const REMOTE_SHUTDOWN: u64 = 4;

/// What the structs and numbers above are in Xen's headers.
#[cfg(test)]
pub(super) fn layout() -> Vec<(&'static str, usize)> {
    use std::mem::offset_of;

    vec![
        ("offsetof(struct evtchn_alloc_unbound, dom)", offset_of!(AllocUnbound, domid)),
        ("offsetof(struct evtchn_alloc_unbound, remote_dom)", offset_of!(AllocUnbound, remote)),
        ("offsetof(struct evtchn_alloc_unbound, port)", offset_of!(AllocUnbound, port)),
        ("offsetof(struct xen_hvm_param, domid)", offset_of!(HvmParam, domid)),
        ("offsetof(struct xen_hvm_param, index)", offset_of!(HvmParam, index)),
        ("offsetof(struct xen_hvm_param, value)", offset_of!(HvmParam, value)),
        ("offsetof(struct sched_remote_shutdown, domain_id)", offset_of!(RemoteShutdown, domid)),
        ("offsetof(struct sched_remote_shutdown, reason)", offset_of!(RemoteShutdown, reason)),
        ("__HYPERVISOR_mmu_update", MMU_UPDATE as usize),
        ("__HYPERVISOR_xen_version", VERSION as usize),
        ("__HYPERVISOR_mmuext_op", MMUEXT as usize),
        ("__HYPERVISOR_sched_op", SCHED as usize),
        ("__HYPERVISOR_event_channel_op", EVENT_CHANNEL as usize),
        ("__HYPERVISOR_hvm_op", HVM as usize),
        ("EVTCHNOP_alloc_unbound", ALLOC_UNBOUND as usize),
        ("HVMOP_set_param", SET_PARAM as usize),
        ("HVMOP_get_param", GET_PARAM as usize),
        ("HVM_PARAM_CALLBACK_IRQ", CALLBACK_IRQ as usize),
        ("SCHEDOP_remote_shutdown", REMOTE_SHUTDOWN as usize),
        ("XENVER_extraversion", 1),
        ("XENVER_capabilities", 3),
        ("XENVER_platform_parameters", 5),
        ("XENVER_pagesize", 7),
    ]
}
