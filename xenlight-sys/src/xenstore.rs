//! libxenstore, which libxl is built on: what libxl keeps in xenstore and has no function for.

use core::ffi::{c_char, c_int, c_uint, c_ulong, c_void};

use crate::by_release::function;
use crate::symbols::Library;

/// The functions of libxenstore that read and watch, alike from 4.2.0 on. Each takes the locks of its handle, so that any thread may
/// call it, but for [`close`](Self::close).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct XenstoreFunctions {
    /// `xs_open(flags)`: connects to xenstored; NULL on failure, with errno. `flags` are 0.
    pub open: unsafe extern "C" fn(flags: c_ulong) -> *mut c_void,
    /// `xs_close(handle)`: ends the connection, and with it its watches and its thread. No other thread may use the handle.
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
    /// `xs_watch(handle, path, token)`: has changes of a node and of those below it told, and tells of it once at the start; false on
    /// failure, with errno. The first one of a handle starts a thread, which reads from xenstored until the handle is closed or the
    /// connection breaks, with all signals blocked. Waits for xenstored's answer.
    pub watch: unsafe extern "C" fn(handle: *mut c_void, path: *const c_char, token: *const c_char) -> bool,
    /// `xs_unwatch(handle, path, token)`: ends a watch; false on failure, with errno. What it told before may still be read
    /// afterwards. Waits for xenstored's answer.
    pub unwatch: unsafe extern "C" fn(handle: *mut c_void, path: *const c_char, token: *const c_char) -> bool,
    /// `xs_fileno(handle)`: a pipe that is readable while something that was told has not been taken. The first call makes it; -1 on
    /// failure, with errno. It is not close-on-exec before 4.22. It does not become readable when the connection breaks.
    pub fileno: unsafe extern "C" fn(handle: *mut c_void) -> c_int,
    /// `xs_check_watch(handle)`: takes the next that was told, without waiting: an array of two strings, the path and the token, to be
    /// freed as one with free(3); NULL with errno EAGAIN if there is none, and with another errno if the connection is broken.
    pub check_watch: unsafe extern "C" fn(handle: *mut c_void) -> *mut *mut c_char,
    /// `xs_is_domain_introduced(handle, domid)`: whether xenstored serves the domain; false on failure, too. Waits for xenstored's
    /// answer.
    pub is_domain_introduced: unsafe extern "C" fn(handle: *mut c_void, domid: c_uint) -> bool,
}

/// # xenstore
impl Library {
    /// The functions of the libxenstore that this libxl stands on; `None` if it stands on something else. Looks them up each time.
    pub fn xenstore(&self) -> Option<XenstoreFunctions> {
        let find = |symbol| self.object.find(symbol);
        let (open, close, read) = (find("xs_open")?, find("xs_close")?, find("xs_read")?);
        let (watch, unwatch) = (find("xs_watch")?, find("xs_unwatch")?);
        let (fileno, check_watch) = (find("xs_fileno")?, find("xs_check_watch")?);
        let is_domain_introduced = find("xs_is_domain_introduced")?;
        // SAFETY: the functions of these names have these types in every release, and are never unloaded: a SharedObject is not, nor are
        // the libraries that it needs.
        Some(unsafe {
            XenstoreFunctions {
                open: function(open),
                close: function(close),
                read: function(read),
                watch: function(watch),
                unwatch: function(unwatch),
                fileno: function(fileno),
                check_watch: function(check_watch),
                is_domain_introduced: function(is_domain_introduced),
            }
        })
    }
}
