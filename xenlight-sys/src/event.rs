//! The structs of libxl's event interface: hooks, callbacks, events and their generators.

#[cfg(doc)]
use crate::contract::*;
use core::ffi::{c_char, c_int, c_short, c_uint, c_void};
use core::fmt;

use libc::timeval;

/// `libxl_osevent_hooks`: how libxl asks its host to watch fds and timeouts.
///
/// The first parameter of each is the user pointer given to
/// [`Library::osevent_register_hooks`](crate::Library::osevent_register_hooks). They come on any
/// thread that is inside libxl, with the ctx lock held ([R1]): none may wait, call libxl on that ctx
/// or unwind ([R15]). libxl keeps the pointer to this struct until the ctx is freed ([X1]).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct OseventHooks {
    /// `(user, fd, for_app_out, events, for_libxl)`: watch `fd` for poll(2)'s `events`, 0 included
    /// ([R5]). Writes what the later hooks shall be given to `for_app_out`, whose old value means
    /// nothing ([R2]). Non-zero refuses ([R3]).
    pub fd_register: unsafe extern "C" fn(*mut c_void, c_int, *mut *mut c_void, c_short, *mut c_void) -> c_int,
    /// `(user, fd, for_app_update, events)`: a new interest. A value written counts even if it fails
    /// ([R2]). Non-zero refuses ([R3]).
    pub fd_modify: unsafe extern "C" fn(*mut c_void, c_int, *mut *mut c_void, c_short) -> c_int,
    /// `(user, fd, for_app)`: watch no longer. The fd may be closed as soon as this returns ([R8]).
    pub fd_deregister: unsafe extern "C" fn(*mut c_void, c_int, *mut c_void),
    /// `(user, for_app_out, deadline, for_libxl)`: one timeout, absolute, by gettimeofday(2) ([R11]).
    /// Non-zero refuses ([R3]).
    pub timeout_register: unsafe extern "C" fn(*mut c_void, *mut *mut c_void, timeval, *mut c_void) -> c_int,
    /// `(user, for_app_update, deadline)`: from 4.2.2 on always with {0, 0}: occur at once ([R13]), and
    /// also for a timeout that has been taken already ([R14]). libxl ignores a refusal ([R3]).
    pub timeout_modify: unsafe extern "C" fn(*mut c_void, *mut *mut c_void, timeval) -> c_int,
    /// `(user, for_app)`: called by 4.2.0, with the address of the value instead of the value, and by
    /// 4.2.1; never again later ([R13]).
    pub timeout_deregister: unsafe extern "C" fn(*mut c_void, *mut c_void),
}

/// `libxl_event_hooks`: where events and disasters go.
///
/// libxl keeps the pointer to this struct until the ctx is freed ([X1]).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct EventHooks {
    /// The types whose events go to `event_occurs` instead of to `libxl_event_check`; see
    /// [`codes::event_mask`](crate::codes::event_mask).
    pub event_occurs_mask: u64,
    /// `(user, event)`: runs with the ctx unlocked, on any thread that is inside libxl ([E1]). The event
    /// is now the application's, to be freed with
    /// [`Library::event_free`](crate::Library::event_free) before the ctx is ([E3]).
    pub event_occurs: Option<unsafe extern "C" fn(*mut c_void, *mut Event)>,
    /// `(user, type, message, errno)`: events of this type, or of all for 0, may be missing from now
    /// on. libxl may not be called from it, and without it a disaster ends the process ([E4]).
    pub disaster: Option<unsafe extern "C" fn(*mut c_void, c_uint, *const c_char, c_int)>,
}

/// The head of a `libxl_event`, which lies alike in all releases ([E3]).
///
/// libxl allocates events, and they are longer than this: never copy one, take its size or make one.
#[repr(C)]
#[derive(Debug)]
pub struct Event {
    _link: [*mut c_void; 2],
    /// The domain.
    pub domid: u32,
    /// The domain's uuid.
    pub domuuid: [u8; 16],
    /// What was given to the evgen or in an `AsyncopHow`; 0 for all with 4.2.0 ([E3]). An id, not a
    /// pointer: an event can arrive after its evgen was disabled ([E10]).
    pub for_user: u64,
    /// The type, `codes::EVENT_TYPE_…`; it decides which field of `detail` counts.
    pub kind: c_uint,
    /// What this type of event says.
    pub detail: EventDetail,
}

/// The union of a `libxl_event`, as far as it is alike in all releases.
#[repr(C)]
pub union EventDetail {
    /// With `EVENT_TYPE_DOMAIN_SHUTDOWN`: `codes::SHUTDOWN_REASON_…`, one byte.
    pub shutdown_reason: u8,
    /// With `EVENT_TYPE_DISK_EJECT`: the virtual device, valid until the event is freed. The disk that
    /// follows it varies by release: [`Library::event_to_json`](crate::Library::event_to_json).
    pub vdev: *const c_char,
    /// With `EVENT_TYPE_OPERATION_COMPLETE`: the operation's result.
    pub rc: c_int,
}

/// Which field counts is not known here.
impl fmt::Debug for EventDetail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventDetail").finish_non_exhaustive()
    }
}

/// A `libxl_evgen_domain_death`: while it lives, libxl reports the shutdown and death of one domain.
#[repr(C)]
#[derive(Debug)]
pub struct EvgenDomainDeath {
    _opaque: [u8; 0],
}

/// A `libxl_evgen_disk_eject`: while it lives, libxl reports ejects of one virtual device.
#[repr(C)]
#[derive(Debug)]
pub struct EvgenDiskEject {
    _opaque: [u8; 0],
}

/// A `libxl_event_predicate`: whether `libxl_event_check` shall return this event (non-zero) or leave
/// it. It cannot fail, and runs with the ctx lock held.
pub type EventPredicate = unsafe extern "C" fn(*const Event, *mut c_void) -> c_int;
