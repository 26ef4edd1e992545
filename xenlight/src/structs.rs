//! Libxl's structs whose layout varies by release: initialised on arrival, disposed of when dropped.

#[cfg(doc)]
use crate::contract::*;
use crate::library::Library;
use std::fmt;
use xenlight_sys as sys;
use xenlight_sys::domain::{DeviceDisk, DeviceNic, DomainConfig, Dominfo, Opaque, RestoreParams};

/// A struct that libxl initialises and disposes of.
pub(crate) trait Struct {
    /// # Safety
    /// `this` is memory that is large enough in every release.
    unsafe fn init(library: &sys::Library, this: *mut Self);

    /// # Safety
    /// `this` was initialised, and is not used after.
    unsafe fn dispose(library: &sys::Library, this: *mut Self);
}

/// An initialised `T` that does not move. Whoever gives its address to an operation keeps this until
/// the operation has ended ([E9]).
pub(crate) struct Owned<T: Struct> {
    opaque: Opaque<T>,
    library: Library,
}

impl<T: Struct> Owned<T> {
    pub(crate) fn new(library: &Library) -> Self {
        let opaque = Opaque::zeroed();
        // SAFETY: far larger than any release needs.
        unsafe { T::init(library.sys(), opaque.as_ptr()) };
        Self { opaque, library: library.clone() }
    }

    pub(crate) fn as_ptr(&self) -> *mut T {
        self.opaque.as_ptr()
    }
}

impl<T: Struct> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, and the memory goes right after.
        unsafe { T::dispose(self.library.sys(), self.as_ptr()) };
    }
}

impl<T: Struct> fmt::Debug for Owned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owned").finish_non_exhaustive()
    }
}

/// The libxl functions of a struct that every release has.
macro_rules! structs {
    ($( $of:ty: $init:ident, $dispose:ident; )*) => { $(
        impl Struct for $of {
            unsafe fn init(library: &sys::Library, this: *mut Self) {
                // SAFETY: the caller's promise.
                unsafe { library.$init(this) };
            }

            unsafe fn dispose(library: &sys::Library, this: *mut Self) {
                // SAFETY: the caller's promise.
                unsafe { library.$dispose(this) };
            }
        }
    )* };
}

structs! {
    DomainConfig: domain_config_init, domain_config_dispose;
    Dominfo: dominfo_init, dominfo_dispose;
    DeviceNic: device_nic_init, device_nic_dispose;
    DeviceDisk: device_disk_init, device_disk_dispose;
}

/// 4.3 and earlier have none, and no function that takes one: it stays zeroed memory there.
impl Struct for RestoreParams {
    unsafe fn init(library: &sys::Library, this: *mut Self) {
        if let Some(init) = library.domain_restore_params_init() {
            // SAFETY: the caller's promise.
            unsafe { init(this) };
        }
    }

    unsafe fn dispose(library: &sys::Library, this: *mut Self) {
        if let Some(dispose) = library.domain_restore_params_dispose() {
            // SAFETY: the caller's promise.
            unsafe { dispose(this) };
        }
    }
}
