//! libxenstore, which libxl is built on: what libxl keeps in xenstore and has no function for.

use core::ffi::{c_char, c_uint, c_ulong, c_void};

use crate::by_release::function;
use crate::symbols::Library;

/// The functions of libxenstore that read, alike from 4.2.0 on.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct XenstoreFunctions {
    /// `xs_open(flags)`: connects to xenstored; NULL on failure, with errno. `flags` are 0.
    pub open: unsafe extern "C" fn(flags: c_ulong) -> *mut c_void,
    /// `xs_close(handle)`: ends the connection.
    pub close: unsafe extern "C" fn(handle: *mut c_void),
    /// `xs_read(handle, transaction, path, length)`: returns the value of a node, to be freed with free(3), with a NUL behind it, and
    /// writes its length without that; NULL on failure, with errno (ENOENT: there is no such node). `transaction` is 0 for none.
    /// Waits for xenstored's answer.
    pub read: unsafe extern "C" fn(
        handle: *mut c_void,
        transaction: c_uint,
        path: *const c_char,
        length: *mut c_uint,
    ) -> *mut c_void,
}

/// # xenstore
impl Library {
    /// The functions of the libxenstore that this libxl stands on; `None` if it stands on something else. Looks them up each time.
    pub fn xenstore(&self) -> Option<XenstoreFunctions> {
        let (open, close, read) =
            (self.object.find("xs_open")?, self.object.find("xs_close")?, self.object.find("xs_read")?);
        // SAFETY: the functions of these names have these types in every release, and are never unloaded: a SharedObject is not, nor are
        // the libraries that it needs.
        Some(unsafe { XenstoreFunctions { open: function(open), close: function(close), read: function(read) } })
    }
}
