//! A connection of this crate's own to xenstored, through the libxenstore that libxl stands on.

use crate::error::Error;
use core::ffi::{c_char, c_void};
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::RawFd;
use xenlight_sys::{Library, XenstoreFunctions};
use xenlight_types::DomainId;

/// Each question waits for xenstored's answer.
pub(crate) struct Store {
    functions: XenstoreFunctions,
    handle: *mut c_void,
}

// SAFETY: libxenstore locks its handle, which is closed when nobody has the value any more.
unsafe impl Send for Store {}
// SAFETY: as above.
unsafe impl Sync for Store {}

const READ: &str = "read xenstore";
const WATCH: &str = "watch xenstore";

impl Store {
    pub(crate) fn open(library: &Library) -> Result<Self, Error> {
        let missing = || Error::Format { what: "libxl", problem: "it does not stand on libxenstore".to_owned() };
        let functions = library.xenstore().ok_or_else(missing)?;
        // SAFETY: no flags.
        let handle = unsafe { (functions.open)(0) };
        if handle.is_null() {
            return Err(failed(READ));
        }
        Ok(Self { functions, handle })
    }

    /// `None` if there is no such node.
    pub(crate) fn read(&self, path: &str) -> Result<Option<String>, Error> {
        const NO_TRANSACTION: u32 = 0;
        let path = c_string(path)?;
        let mut length = 0;
        // SAFETY: the handle is open, path and length are good for the call.
        let value = unsafe { (self.functions.read)(self.handle, NO_TRANSACTION, path.as_ptr(), &mut length) };
        if value.is_null() {
            let reason = io::Error::last_os_error();
            return if reason.kind() == io::ErrorKind::NotFound {
                Ok(None)
            } else {
                Err(Error::Io { doing: READ, reason })
            };
        }
        // SAFETY: libxenstore puts a NUL behind the value.
        let text = unsafe { text(value.cast()) };
        // SAFETY: allocated with malloc(3), for its caller to free.
        unsafe { libc::free(value) };
        Ok(Some(text))
    }

    /// Has changes of the node told under this token, and one at once.
    pub(crate) fn watch(&self, path: &str, token: &str) -> Result<(), Error> {
        let (path, token) = (c_string(path)?, c_string(token)?);
        // SAFETY: the handle is open, both strings are good for the call.
        if unsafe { (self.functions.watch)(self.handle, path.as_ptr(), token.as_ptr()) } {
            Ok(())
        } else {
            Err(failed(WATCH))
        }
    }

    pub(crate) fn unwatch(&self, path: &str, token: &str) -> Result<(), Error> {
        let (path, token) = (c_string(path)?, c_string(token)?);
        // SAFETY: as above.
        if unsafe { (self.functions.unwatch)(self.handle, path.as_ptr(), token.as_ptr()) } {
            Ok(())
        } else {
            Err(failed(WATCH))
        }
    }

    /// What is readable while [`told`](Self::told) has something, until the connection is closed.
    pub(crate) fn fd(&self) -> Result<RawFd, Error> {
        // SAFETY: the handle is open.
        let fd = unsafe { (self.functions.fileno)(self.handle) };
        // SAFETY: the handle's own fd; earlier releases leave it open for programs that are executed.
        if fd < 0 || unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
            return Err(failed(WATCH));
        }
        Ok(fd)
    }

    /// The next change that was told, if there is one: of which node, and the token of the watch.
    pub(crate) fn told(&self) -> Result<Option<(String, String)>, Error> {
        const TOKEN: usize = 1;
        // SAFETY: the handle is open.
        let change = unsafe { (self.functions.check_watch)(self.handle) };
        if change.is_null() {
            let reason = io::Error::last_os_error();
            return if reason.kind() == io::ErrorKind::WouldBlock {
                Ok(None)
            } else {
                Err(Error::Io { doing: WATCH, reason })
            };
        }
        // SAFETY: an array of at least two strings.
        let told = unsafe { (text(*change), text(*change.add(TOKEN))) };
        // SAFETY: allocated as one with malloc(3), for its caller to free.
        unsafe { libc::free(change.cast()) };
        Ok(Some(told))
    }

    /// Whether xenstored serves the domain. Not if it does not answer.
    pub(crate) fn is_introduced(&self, domid: DomainId) -> bool {
        // SAFETY: the handle is open.
        unsafe { (self.functions.is_domain_introduced)(self.handle, domid.get()) }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: open, and not used after.
        unsafe { (self.functions.close)(self.handle) };
    }
}

/// # Safety
/// A C string of libxenstore's.
unsafe fn text(string: *const c_char) -> String {
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned()
}

fn c_string(text: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error::Nul("the path of a node"))
}

fn failed(doing: &'static str) -> Error {
    Error::Io { doing, reason: io::Error::last_os_error() }
}
