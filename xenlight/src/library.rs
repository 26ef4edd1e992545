use crate::error::Error;
use std::path::Path;
use std::sync::Arc;
use xenlight_sys as sys;

pub use sys::Release;

/// A loaded libxl. It is cheap to clone, and stays loaded until the process ends.
#[derive(Clone, Debug)]
pub struct Library(Arc<sys::Library>);

impl Library {
    /// Loads the newest libxl that the dynamic linker finds in its usual directories, which `LD_LIBRARY_PATH` can extend. May be
    /// called on any thread.
    ///
    /// # Errors
    /// [`Error::Load`]: no usable libxl was found. The message says what to install.
    pub fn load() -> Result<Self, Error> {
        Ok(Self(Arc::new(sys::Library::load()?)))
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
        Ok(Self(Arc::new(unsafe { sys::Library::open(path)? })))
    }

    /// The release of Xen that it belongs to. All 4.2.x releases count as 4.2.
    pub fn release(&self) -> Release {
        self.0.release()
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The error for what only later releases have.
    pub(crate) fn lacks(&self, what: &'static str, needs: Release) -> Error {
        Error::Unsupported { what, needs, loaded: self.release() }
    }

    pub(crate) fn sys(&self) -> &sys::Library {
        &self.0
    }
}
