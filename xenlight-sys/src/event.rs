//! The structs of libxl's event interface: hooks, callbacks, events and their generators.

#[cfg(doc)]
use crate::contract::*;
use core::ffi::{c_char, c_int, c_short, c_uint, c_void};
use core::fmt;

use libc::timeval;

/// `libxl_osevent_hooks`: how libxl asks its host to watch fds and timeouts.
///
/// The first parameter of each hook is the user pointer of
/// [`Library::osevent_register_hooks`](crate::Library::osevent_register_hooks). libxl calls the hooks on any thread that is
/// inside libxl, under the ctx lock ([R1]). A hook must not wait, call libxl on that ctx, or unwind ([R15]). libxl keeps the
/// pointer to this struct until the ctx is freed ([X1]).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct OseventHooks {
    /// `(user, fd, for_app_out, events, for_libxl)`: watch `fd` for poll(2)'s `events`, which may be 0 ([R5]). The hook writes to
    /// `for_app_out` the value that later hooks get as `for_app`; the old value there has no meaning ([R2]). A nonzero result
    /// refuses ([R3]).
    pub fd_register: unsafe extern "C" fn(*mut c_void, c_int, *mut *mut c_void, c_short, *mut c_void) -> c_int,
    /// `(user, fd, for_app_update, events)`: change the interest. libxl keeps a value that is written to `for_app_update`, even if
    /// the hook fails ([R2]). A nonzero result refuses ([R3]).
    pub fd_modify: unsafe extern "C" fn(*mut c_void, c_int, *mut *mut c_void, c_short) -> c_int,
    /// `(user, fd, for_app)`: stop watching. libxl may close the fd as soon as this returns ([R8]).
    pub fd_deregister: unsafe extern "C" fn(*mut c_void, c_int, *mut c_void),
    /// `(user, for_app_out, deadline, for_libxl)`: register a timeout. The deadline is absolute, by gettimeofday(2) ([R11]). A
    /// nonzero result refuses ([R3]).
    pub timeout_register: unsafe extern "C" fn(*mut c_void, *mut *mut c_void, timeval, *mut c_void) -> c_int,
    /// `(user, for_app_update, deadline)`: from 4.2.2 on always called with {0, 0}, which means: occur at once ([R13]). It is also
    /// called for timeouts that have been taken already ([R14]). libxl ignores a refusal ([R3]).
    pub timeout_modify: unsafe extern "C" fn(*mut c_void, *mut *mut c_void, timeval) -> c_int,
    /// `(user, for_app)`: called only by 4.2.0, with the address of the value instead of the value, and by 4.2.1 ([R13]).
    pub timeout_deregister: unsafe extern "C" fn(*mut c_void, *mut c_void),
}

/// `libxl_event_hooks`: callbacks for events and disasters.
///
/// libxl keeps the pointer to this struct until the ctx is freed ([X1]).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct EventHooks {
    /// The types of events that go to `event_occurs` and not to `libxl_event_check`; see
    /// [`codes::event_mask`](crate::codes::event_mask).
    pub event_occurs_mask: u64,
    /// `(user, event)`: runs with the ctx unlocked, on any thread that is inside libxl ([E1]). The application has to free the
    /// event with [`Library::event_free`](crate::Library::event_free) before the ctx is freed ([E3]).
    pub event_occurs: Option<unsafe extern "C" fn(*mut c_void, *mut Event)>,
    /// `(user, type, message, errno)`: events of this type, or of all types if it is 0, may be missing from now on. The callback
    /// must not call libxl. Without it a disaster ends the process ([E4]).
    pub disaster: Option<unsafe extern "C" fn(*mut c_void, c_uint, *const c_char, c_int)>,
}

/// The head of a `libxl_event`, which has the same layout in all releases ([E3]).
///
/// libxl allocates events, and they are larger than this struct. So never copy or create one, and do not use its size.
#[repr(C)]
#[derive(Debug)]
pub struct Event {
    _link: [*mut c_void; 2],
    /// The domain.
    pub domid: u32,
    /// The domain's uuid.
    pub domuuid: [u8; 16],
    /// The value that was passed to the evgen or in an `AsyncopHow`; always 0 with 4.2.0 ([E3]). Use it as an id and not as a
    /// pointer, because an event can arrive after its evgen was disabled ([E10]).
    pub for_user: u64,
    /// The type, `codes::EVENT_TYPE_…`. It determines which field of `detail` is valid.
    pub kind: c_uint,
    /// The data of this type of event.
    pub detail: EventDetail,
}

/// The union of a `libxl_event`, as far as it is the same in all releases.
#[repr(C)]
pub union EventDetail {
    /// With `EVENT_TYPE_DOMAIN_SHUTDOWN`: `codes::SHUTDOWN_REASON_…`, one byte.
    pub shutdown_reason: u8,
    /// With `EVENT_TYPE_DISK_EJECT`: the virtual device, valid until the event is freed. The layout of the disk behind it varies
    /// by release; read it with [`Library::event_to_json`](crate::Library::event_to_json).
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

/// A `libxl_evgen_domain_death`: while it exists, libxl reports the shutdown and death of one domain.
#[repr(C)]
#[derive(Debug)]
pub struct EvgenDomainDeath {
    _opaque: [u8; 0],
}

/// A `libxl_evgen_disk_eject`: while it exists, libxl reports ejects of one virtual device.
#[repr(C)]
#[derive(Debug)]
pub struct EvgenDiskEject {
    _opaque: [u8; 0],
}

/// A `libxl_event_predicate`: a nonzero result means that `libxl_event_check` returns this event. It cannot fail, and runs under
/// the ctx lock.
pub type EventPredicate = unsafe extern "C" fn(*const Event, *mut c_void) -> c_int;
