//! A libxl in memory: its symbols, and what it calls itself.

use core::ffi::c_void;
use core::ptr::NonNull;
use std::ffi::OsStr;
use std::path::PathBuf;

use libloading::os::unix;

use crate::error::LoadError;
use crate::release::{BySoname, Release};
use crate::soname;

/// A shared object that has been loaded for good (RTLD_NODELETE): closing the handle unloads nothing.
pub(crate) struct SharedObject {
    handle: unix::Library,
    pub(crate) path: PathBuf,
    soname: Option<String>,
}

impl SharedObject {
    /// Loads it; what the dynamic linker says is the error.
    ///
    /// # Safety
    ///
    /// If there is a library of that name, it is a libxl.
    pub(crate) unsafe fn open(name: &OsStr) -> Result<Self, String> {
        let flags = unix::RTLD_NOW | unix::RTLD_LOCAL | libc::RTLD_NODELETE;
        // SAFETY: libxl, by the caller's promise, and the libraries it needs have no initialisers with demands on the caller,
        // and their finalisers do not run before the process ends.
        let handle = unsafe { unix::Library::open(Some(name), flags) };
        let raw = handle.map_err(|error| linker_message(&error))?.into_raw();
        // SAFETY: the handle is open.
        let identity = unsafe { soname::identify(raw) };
        // SAFETY: from `into_raw` above, and wrapped this once.
        let handle = unsafe { unix::Library::from_raw(raw) };
        let (path, soname) = match identity {
            Some(identity) => (identity.path, identity.soname),
            None => (PathBuf::from(name), None),
        };
        Ok(Self { handle, path, soname })
    }

    /// The address of a symbol that must be there.
    pub(crate) fn require(&self, symbol: &'static str) -> Result<NonNull<c_void>, LoadError> {
        self.find(symbol).ok_or_else(|| LoadError::MissingSymbol { library: self.name(), symbol })
    }

    /// The same, if it is there, in it or a library that it needs.
    pub(crate) fn find(&self, symbol: &str) -> Option<NonNull<c_void>> {
        // SAFETY: nothing is read through the pointer here; whoever does knows what is there.
        let found = unsafe { self.handle.get::<*mut c_void>(symbol) };
        NonNull::new(found.ok()?.into_raw())
    }

    pub(crate) fn release(&self) -> Result<Release, LoadError> {
        let soname = self.soname.as_deref().unwrap_or_default();
        match Release::by_soname(soname) {
            BySoname::Release(release) => Ok(release),
            BySoname::Nothing => Ok(Release::by_symbols(|symbol| self.find(symbol).is_some())),
            BySoname::TooOld => Err(LoadError::TooOld { library: self.name(), soname: soname.to_owned() }),
            BySoname::Unknown => Err(LoadError::UnknownRelease { library: self.name(), soname: soname.to_owned() }),
        }
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

/// The dynamic linker's own words.
fn linker_message(error: &libloading::Error) -> String {
    use core::error::Error;
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}
