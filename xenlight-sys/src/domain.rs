//! Structs of libxl for domains, devices and operations.
//!
//! Only small structs with the same layout in all releases are defined with their fields. The others have no fields and are
//! created in an [`Opaque`] buffer.

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

/// `libxl_vminfo`: an entry of the array of [`Library::list_vm`](crate::Library::list_vm); 20 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vminfo {
    /// The domain's uuid, as its 16 bytes.
    pub uuid: [u8; 16],
    /// The domain's id.
    pub domid: u32,
}

/// `libxl_asyncop_how`: how an operation reports its completion. libxl copies it ([X1]).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct AsyncopHow {
    /// `(ctx, rc, for_callback)`: called once, with the ctx unlocked, on any thread that is inside libxl. It may be called before
    /// the call that began the operation has returned ([E1], [E9]). With `None`, the completion is an event of type
    /// `OPERATION_COMPLETE` instead.
    pub callback: Option<unsafe extern "C" fn(*mut Ctx, c_int, *mut c_void)>,
    /// Identifies the operation. Together with `callback` it must be unique while an abort may be in progress ([E6]).
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

/// `libxl_asyncprogress_how`: how an operation reports its progress. libxl copies it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct AsyncprogressHow {
    /// `(ctx, event, for_callback)`: the application has to free the event, as with `event_occurs`. With `None`, the event goes
    /// to the event hooks or `libxl_event_check`.
    pub callback: Option<unsafe extern "C" fn(*mut Ctx, *mut Event, *mut c_void)>,
    /// Becomes the event's `for_user`.
    pub for_event: u64,
    /// The callback's third parameter.
    pub for_callback: *mut c_void,
}

/// A `libxl_domain_config`: the configuration of a domain. Its layout varies by release.
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

/// A `libxl_domain_restore_params` (4.4 and later): describes the stream for a restore.
///
/// A stream of format 2, which 4.6 and later write, needs `{"stream_version": 2}`. `_init` sets 1.
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

/// A `libxl_version_info`: the version of the running hypervisor, not of the library. Its layout varies by release.
#[repr(C)]
#[derive(Debug)]
pub struct VersionInfo {
    _opaque: [u8; 0],
}

/// Zeroed memory for a `T` whose size varies by release. It is much larger than any release needs.
///
/// The largest struct, `libxl_domain_config`, has 1,232 to 1,400 bytes in the releases 4.13 to 4.22. This has [`OPAQUE_SIZE`]
/// bytes. Its address never changes.
///
/// How to use it: call libxl's `_init` function on it, because some defaults are not zero. Fill it in with a `_from_json`
/// function or another function of libxl. Use it. Call `_dispose` before it is dropped; otherwise the memory that it points to
/// leaks. An asynchronous operation may use its address until completion ([E9]).
///
/// Note on JSON: `_from_json` ignores unknown keys and values of the wrong type, and `_to_json` omits values that are false,
/// zero or nil.
#[derive(Debug)]
pub struct Opaque<T> {
    address: NonNull<u8>,
    of: PhantomData<T>,
}

/// The size of an [`Opaque`], in bytes.
pub const OPAQUE_SIZE: usize = 64 * 1024;

const OPAQUE_LAYOUT: Layout = match Layout::from_size_align(OPAQUE_SIZE, 16) {
    Ok(layout) => layout,
    Err(_) => panic!("16 is a power of two, and the size is a multiple of it"),
};

impl<T> Opaque<T> {
    /// Allocates a buffer of zero bytes.
    pub fn zeroed() -> Self {
        // SAFETY: the layout's size is not 0.
        let address = unsafe { alloc_zeroed(OPAQUE_LAYOUT) };
        match NonNull::new(address) {
            Some(address) => Self { address, of: PhantomData },
            None => handle_alloc_error(OPAQUE_LAYOUT),
        }
    }

    /// The address for libxl. It does not change until the drop.
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
