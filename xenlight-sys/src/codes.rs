//! Error codes, event types, shutdown reasons and flags, as libxl defines them.
//!
//! The values are the same in all releases; newer releases only add some. Other codes are possible: libxl returns the code of a
//! hook ([R3]), and a newer libxl may have more codes.

#[cfg(doc)]
use crate::contract::*;
use core::ffi::{c_int, c_uint};

/// The only `version` that `libxl_ctx_alloc` accepts (`LIBXL_VERSION`).
pub const LIBXL_VERSION: c_int = 0;

/// An error without a code of its own (`ERROR_NONSPECIFIC`).
pub const ERROR_NONSPECIFIC: c_int = -1;
/// The `version` given to `libxl_ctx_alloc` is not supported.
pub const ERROR_VERSION: c_int = -2;
/// Failed; the reason is in the log.
pub const ERROR_FAIL: c_int = -3;
/// Not implemented.
pub const ERROR_NI: c_int = -4;
/// Out of memory.
pub const ERROR_NOMEM: c_int = -5;
/// An argument or the configuration is wrong.
pub const ERROR_INVAL: c_int = -6;
/// Failed, and cleaning up failed as well.
pub const ERROR_BADFAIL: c_int = -7;
/// The domain did not answer in time.
pub const ERROR_GUEST_TIMEDOUT: c_int = -8;
/// A time limit of libxl has expired.
pub const ERROR_TIMEDOUT: c_int = -9;
/// The domain does not have the paravirtual drivers that are needed.
pub const ERROR_NOPARAVIRT: c_int = -10;
/// Not available yet: from `libxl_event_check`, there is no such event.
pub const ERROR_NOT_READY: c_int = -11;
/// The code for a hook that cannot register ([R3]).
pub const ERROR_OSEVENT_REG_FAIL: c_int = -12;
/// A buffer is too small.
pub const ERROR_BUFFERFULL: c_int = -13;
/// The child is not libxl's: from `libxl_childproc_reaped` and for `reaped_callback` ([S2]).
pub const ERROR_UNKNOWN_CHILD: c_int = -14;
/// A lock could not be taken; 4.5 and later.
pub const ERROR_LOCK_FAIL: c_int = -15;
/// The domain has no stored configuration; 4.5 and later.
pub const ERROR_JSON_CONFIG_EMPTY: c_int = -16;
/// The device exists already; 4.5 and later.
pub const ERROR_DEVICE_EXISTS: c_int = -17;
/// The checkpoint's device operations do not match; 4.5 and later, where 4.5 and 4.6 call it
/// `ERROR_REMUS_DEVOPS_DOES_NOT_MATCH`.
pub const ERROR_CHECKPOINT_DEVOPS_DOES_NOT_MATCH: c_int = -18;
/// The device cannot be checkpointed; 4.5 and later, where 4.5 and 4.6 call it
/// `ERROR_REMUS_DEVICE_NOT_SUPPORTED`.
pub const ERROR_CHECKPOINT_DEVICE_NOT_SUPPORTED: c_int = -19;
/// The virtual NUMA configuration is wrong; 4.6 and later.
pub const ERROR_VNUMA_CONFIG_INVALID: c_int = -20;
/// There is no such domain; 4.6 and later.
pub const ERROR_DOMAIN_NOTFOUND: c_int = -21;
/// The operation was aborted, or has been asked to abort before ([E6]); 4.6 and later.
pub const ERROR_ABORTED: c_int = -22;
/// Not found: from `libxl_ao_abort`, the operation has ended or is completing ([E6]); 4.6 and later.
pub const ERROR_NOTFOUND: c_int = -23;
/// The domain was destroyed during the operation; 4.6 and later.
pub const ERROR_DOMAIN_DESTROYED: c_int = -24;
/// This release no longer has the feature; 4.6 and later.
pub const ERROR_FEATURE_REMOVED: c_int = -25;
/// QEMU violated its monitor protocol; 4.12 and later.
pub const ERROR_PROTOCOL_ERROR_QMP: c_int = -26;
/// QEMU's monitor sent an error of unknown class; 4.12 and later.
pub const ERROR_UNKNOWN_QMP_ERROR: c_int = -27;
/// QEMU's `GenericError`; 4.12 and later.
pub const ERROR_QMP_GENERIC_ERROR: c_int = -28;
/// QEMU's `CommandNotFound`; 4.12 and later.
pub const ERROR_QMP_COMMAND_NOT_FOUND: c_int = -29;
/// QEMU's `DeviceNotActive`; 4.12 and later.
pub const ERROR_QMP_DEVICE_NOT_ACTIVE: c_int = -30;
/// QEMU's `DeviceNotFound`; 4.12 and later.
pub const ERROR_QMP_DEVICE_NOT_FOUND: c_int = -31;
/// QEMU's answer is not what this libxl expects; 4.12 and later.
pub const ERROR_QEMU_API: c_int = -32;

/// The name of `code` in libxl's headers. `None` for 0 and for codes that are not listed.
pub const fn error_name(code: c_int) -> Option<&'static str> {
    Some(match code {
        ERROR_NONSPECIFIC => "ERROR_NONSPECIFIC",
        ERROR_VERSION => "ERROR_VERSION",
        ERROR_FAIL => "ERROR_FAIL",
        ERROR_NI => "ERROR_NI",
        ERROR_NOMEM => "ERROR_NOMEM",
        ERROR_INVAL => "ERROR_INVAL",
        ERROR_BADFAIL => "ERROR_BADFAIL",
        ERROR_GUEST_TIMEDOUT => "ERROR_GUEST_TIMEDOUT",
        ERROR_TIMEDOUT => "ERROR_TIMEDOUT",
        ERROR_NOPARAVIRT => "ERROR_NOPARAVIRT",
        ERROR_NOT_READY => "ERROR_NOT_READY",
        ERROR_OSEVENT_REG_FAIL => "ERROR_OSEVENT_REG_FAIL",
        ERROR_BUFFERFULL => "ERROR_BUFFERFULL",
        ERROR_UNKNOWN_CHILD => "ERROR_UNKNOWN_CHILD",
        ERROR_LOCK_FAIL => "ERROR_LOCK_FAIL",
        ERROR_JSON_CONFIG_EMPTY => "ERROR_JSON_CONFIG_EMPTY",
        ERROR_DEVICE_EXISTS => "ERROR_DEVICE_EXISTS",
        ERROR_CHECKPOINT_DEVOPS_DOES_NOT_MATCH => "ERROR_CHECKPOINT_DEVOPS_DOES_NOT_MATCH",
        ERROR_CHECKPOINT_DEVICE_NOT_SUPPORTED => "ERROR_CHECKPOINT_DEVICE_NOT_SUPPORTED",
        ERROR_VNUMA_CONFIG_INVALID => "ERROR_VNUMA_CONFIG_INVALID",
        ERROR_DOMAIN_NOTFOUND => "ERROR_DOMAIN_NOTFOUND",
        ERROR_ABORTED => "ERROR_ABORTED",
        ERROR_NOTFOUND => "ERROR_NOTFOUND",
        ERROR_DOMAIN_DESTROYED => "ERROR_DOMAIN_DESTROYED",
        ERROR_FEATURE_REMOVED => "ERROR_FEATURE_REMOVED",
        ERROR_PROTOCOL_ERROR_QMP => "ERROR_PROTOCOL_ERROR_QMP",
        ERROR_UNKNOWN_QMP_ERROR => "ERROR_UNKNOWN_QMP_ERROR",
        ERROR_QMP_GENERIC_ERROR => "ERROR_QMP_GENERIC_ERROR",
        ERROR_QMP_COMMAND_NOT_FOUND => "ERROR_QMP_COMMAND_NOT_FOUND",
        ERROR_QMP_DEVICE_NOT_ACTIVE => "ERROR_QMP_DEVICE_NOT_ACTIVE",
        ERROR_QMP_DEVICE_NOT_FOUND => "ERROR_QMP_DEVICE_NOT_FOUND",
        ERROR_QEMU_API => "ERROR_QEMU_API",
        _ => return None,
    })
}

/// The domain shut down. Reported once per evgen; a save also causes it ([E11]).
pub const EVENT_TYPE_DOMAIN_SHUTDOWN: c_uint = 1;
/// The domain was destroyed.
pub const EVENT_TYPE_DOMAIN_DEATH: c_uint = 2;
/// The domain ejected a removable disk.
pub const EVENT_TYPE_DISK_EJECT: c_uint = 3;
/// An operation whose `AsyncopHow` had no callback is complete.
pub const EVENT_TYPE_OPERATION_COMPLETE: c_uint = 4;
/// The console of a domain under creation can be connected to (an `AsyncprogressHow`).
pub const EVENT_TYPE_DOMAIN_CREATE_CONSOLE_AVAILABLE: c_uint = 5;

/// A mask of every type of event, the unknown ones included (`LIBXL_EVENTMASK_ALL`).
pub const EVENTMASK_ALL: u64 = u64::MAX;

/// The mask for a single type of event. `kind` must be less than 64.
pub const fn event_mask(kind: c_uint) -> u64 {
    1 << kind
}

/// Xen gave a reason that libxl does not know, or the domain has not shut down; 4.4 and later.
pub const SHUTDOWN_REASON_UNKNOWN: c_int = -1;
/// The domain powered itself off.
pub const SHUTDOWN_REASON_POWEROFF: c_int = 0;
/// The domain asked for a reboot.
pub const SHUTDOWN_REASON_REBOOT: c_int = 1;
/// The domain suspended, for instance for a save. This is not its end ([E11]).
pub const SHUTDOWN_REASON_SUSPEND: c_int = 2;
/// The domain crashed.
pub const SHUTDOWN_REASON_CRASH: c_int = 3;
/// The domain's watchdog expired.
pub const SHUTDOWN_REASON_WATCHDOG: c_int = 4;
/// The domain asked for a soft reset; 4.7 and later.
pub const SHUTDOWN_REASON_SOFT_RESET: c_int = 5;

/// For [`Library::domain_suspend`](crate::Library::domain_suspend): log more (`LIBXL_SUSPEND_DEBUG`).
pub const SUSPEND_DEBUG: c_int = 1;
/// For [`Library::domain_suspend`](crate::Library::domain_suspend): the domain continues to run while most of its memory is
/// written (`LIBXL_SUSPEND_LIVE`).
pub const SUSPEND_LIVE: c_int = 2;
