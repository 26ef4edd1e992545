//! libxenctrl, which libxl is built on: opened and closed, nothing else.

use core::ffi::{c_int, c_uint, c_void};

use crate::by_release::function;
use crate::log::Logger;
use crate::shared_object::SharedObject;

/// The two functions, alike from 4.2.0 on.
pub(crate) struct Control {
    open: unsafe extern "C" fn(*mut Logger, *mut Logger, c_uint) -> *mut c_void,
    close: unsafe extern "C" fn(*mut c_void) -> c_int,
}

impl Control {
    /// Finds them among the libraries that libxl needs; `None` in a libxl that stands on something else.
    pub(crate) fn find(object: &SharedObject) -> Option<Self> {
        let open = object.find("xc_interface_open")?;
        let close = object.find("xc_interface_close")?;
        // SAFETY: the functions of these names have these types in every release, and a SharedObject is
        // never unloaded, nor are the libraries it needs.
        Some(unsafe { Self { open: function(open), close: function(close) } })
    }

    /// Opens an interface to the hypervisor and closes it again.
    ///
    /// # Safety
    /// The logger is good for the length of the call.
    pub(crate) unsafe fn open_and_close(&self, logger: *mut Logger) {
        // SAFETY: the caller's promise; no flags.
        let interface = unsafe { (self.open)(logger, logger, 0) };
        if !interface.is_null() {
            // SAFETY: just opened, and not used any more.
            unsafe { (self.close)(interface) };
        }
    }
}
