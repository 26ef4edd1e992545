//! What libxl takes and returns about domains, devices and operations.
//!
//! Few structs are laid out here: those that are small and alike in all releases. The others have no
//! fields; they are made in an [`Opaque`] buffer.

#[cfg(doc)]
use crate::contract::*;
use core::alloc::Layout;
use core::ffi::{c_int, c_void};
use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;
use std::alloc::{alloc_zeroed, dealloc, handle_alloc_error};

use crate::Ctx;
use crate::event::Event;

/// `libxl_vminfo`: an entry of what [`Library::list_vm`](crate::Library::list_vm) returns; 20 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vminfo {
    /// The domain's uuid, as its 16 bytes.
    pub uuid: [u8; 16],
    /// The domain's id.
    pub domid: u32,
}

/// `libxl_asyncop_how`: how an operation reports that it is complete. libxl copies it ([X1]).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct AsyncopHow {
    /// `(ctx, rc, for_callback)`: called once, with the ctx unlocked, on any thread that is inside
    /// libxl, perhaps before the call that began the operation has returned ([E1], [E9]). `None` makes an
    /// event of type `OPERATION_COMPLETE` instead.
    pub callback: Option<unsafe extern "C" fn(*mut Ctx, c_int, *mut c_void)>,
    /// Which operation it was. Together with `callback` it must be unique while an abort may be under
    /// way ([E6]).
    pub u: AsyncopFor,
}

/// The union of an [`AsyncopHow`].
#[repr(C)]
#[derive(Clone, Copy)]
pub union AsyncopFor {
    /// Without a callback: becomes the event's `for_user`.
    pub for_event: u64,
    /// With a callback: its third parameter.
    pub for_callback: *mut c_void,
}

/// Which field counts is not known here.
impl fmt::Debug for AsyncopFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncopFor").finish_non_exhaustive()
    }
}

/// `libxl_asyncprogress_how`: how an operation reports a step on its way. libxl copies it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct AsyncprogressHow {
    /// `(ctx, event, for_callback)`: as with `event_occurs`, the event is the application's to free.
    /// `None` leaves the event to the event hooks and `libxl_event_check`.
    pub callback: Option<unsafe extern "C" fn(*mut Ctx, *mut Event, *mut c_void)>,
    /// Becomes the event's `for_user`.
    pub for_event: u64,
    /// The callback's third parameter.
    pub for_callback: *mut c_void,
}

/// A `libxl_domain_config`: all that makes a domain. Its layout varies by release.
#[repr(C)]
#[derive(Debug)]
pub struct DomainConfig {
    _opaque: [u8; 0],
}

/// A `libxl_dominfo`: the state of a domain. Its layout varies by release.
#[repr(C)]
#[derive(Debug)]
pub struct Dominfo {
    _opaque: [u8; 0],
}

/// A `libxl_domain_restore_params` (4.4 and later): what a restore must know about the stream.
///
/// A stream of format 2, which 4.6 and later write, wants `{"stream_version": 2}`; `_init` says 1.
#[repr(C)]
#[derive(Debug)]
pub struct RestoreParams {
    _opaque: [u8; 0],
}

/// A `libxl_device_nic`. Its layout varies by release.
#[repr(C)]
#[derive(Debug)]
pub struct DeviceNic {
    _opaque: [u8; 0],
}

/// A `libxl_device_disk`. Its layout varies by release.
#[repr(C)]
#[derive(Debug)]
pub struct DeviceDisk {
    _opaque: [u8; 0],
}

/// A `libxl_version_info`: of the hypervisor that runs, not of the library. Its layout varies by release.
#[repr(C)]
#[derive(Debug)]
pub struct VersionInfo {
    _opaque: [u8; 0],
}

/// Zeroed memory for one `T` whose size varies by release, far more than any release needs.
///
/// The largest struct, `libxl_domain_config`, has 1,232 to 1,400 bytes in the releases from 4.13 to
/// 4.22; this has [`OPAQUE_SIZE`]. It does not move, whoever owns it.
///
/// To be used like this: call libxl's `_init` function on it (zeroed memory is not initialised: some
/// defaults are not zero), fill it (a `_from_json` function, or a function that returns one), use it,
/// and call `_dispose` before it is dropped, else what hangs on it leaks. What it was passed to may
/// keep its address until an asynchronous operation completes ([E9]).
///
/// JSON has catches: `_from_json` ignores keys that it does not know and values of the wrong type,
/// and `_to_json` leaves out what is false, zero or nil.
#[derive(Debug)]
pub struct Opaque<T> {
    address: NonNull<u8>,
    of: PhantomData<T>,
}

/// The bytes of an [`Opaque`].
pub const OPAQUE_SIZE: usize = 64 * 1024;

const OPAQUE_LAYOUT: Layout = match Layout::from_size_align(OPAQUE_SIZE, 16) {
    Ok(layout) => layout,
    Err(_) => panic!("16 is a power of two, and the size is a multiple of it"),
};

impl<T> Opaque<T> {
    /// Allocates it, all bytes 0.
    pub fn zeroed() -> Self {
        // SAFETY: the layout's size is not 0.
        let address = unsafe { alloc_zeroed(OPAQUE_LAYOUT) };
        match NonNull::new(address) {
            Some(address) => Self { address, of: PhantomData },
            None => handle_alloc_error(OPAQUE_LAYOUT),
        }
    }

    /// The address to give to libxl, the same until the drop.
    pub fn as_ptr(&self) -> *mut T {
        self.address.as_ptr().cast()
    }
}

impl<T> Drop for Opaque<T> {
    fn drop(&mut self) {
        // SAFETY: allocated in `zeroed` with this layout, and freed nowhere else.
        unsafe { dealloc(self.address.as_ptr(), OPAQUE_LAYOUT) }
    }
}

// SAFETY: it owns plain bytes, which libxl ties to no thread; what is done with the address is in the
// hands of whoever calls libxl, and those calls are unsafe.
unsafe impl<T> Send for Opaque<T> {}
// SAFETY: as above; a shared reference gives away the address and nothing else.
unsafe impl<T> Sync for Opaque<T> {}
