use crate::buffer::Spare;
use crate::error::Error;
use core::ffi::c_void;
use std::path::Path;
use std::sync::Arc;
use xenlight_sys as sys;
use xenlight_sys::domain::Opaque;

pub use sys::Release;

/// A loaded libxl. It is cheap to clone, and stays loaded until the process ends.
#[derive(Clone, Debug)]
pub struct Library(Arc<Loaded>);

#[derive(Debug)]
struct Loaded {
    libxl: sys::Library,
    spare: Spare,
}

impl Library {
    /// Loads the newest libxl that the dynamic linker finds in its usual directories, which `LD_LIBRARY_PATH` can extend. May be
    /// called on any thread.
    ///
    /// # Errors
    /// [`Error::Load`]: no usable libxl was found. The message says what to install.
    pub fn load() -> Result<Self, Error> {
        Ok(Self::of(sys::Library::load()?))
    }

    /// Loads the libxl at `path`, for instance that of a second Xen installation.
    ///
    /// # Safety
    /// The file must be a libxl, built from Xen's sources. Loading a library runs code in it, and its functions are called as
    /// libxl's headers declare them.
    ///
    /// # Errors
    /// The same as for [`load`](Self::load).
    pub unsafe fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        // SAFETY: the caller's promise.
        Ok(Self::of(unsafe { sys::Library::open(path)? }))
    }

    fn of(libxl: sys::Library) -> Self {
        Self(Arc::new(Loaded { libxl, spare: Spare::default() }))
    }

    /// The release of Xen that it belongs to. All 4.2.x releases count as 4.2.
    pub fn release(&self) -> Release {
        self.0.libxl.release()
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        self.0.libxl.path()
    }

    /// The error for what only later releases have.
    pub(crate) fn lacks(&self, what: &'static str, needs: Release) -> Error {
        Error::Unsupported { what, needs, loaded: self.release() }
    }

    pub(crate) fn sys(&self) -> &sys::Library {
        &self.0.libxl
    }

    /// Memory for a struct, to be put back.
    pub(crate) fn take_buffer(&self) -> Opaque<c_void> {
        self.0.spare.take()
    }

    pub(crate) fn put_back(&self, buffer: Opaque<c_void>) {
        self.0.spare.put_back(buffer);
    }
}
