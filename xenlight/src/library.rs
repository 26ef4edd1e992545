use crate::error::Error;
use std::path::Path;
use std::sync::Arc;
use xenlight_sys as sys;

pub use sys::Release;

/// A loaded libxl. Cheap to clone; it stays loaded until the process ends.
#[derive(Clone, Debug)]
pub struct Library(Arc<sys::Library>);

impl Library {
    /// Loads the newest libxl that the dynamic linker finds, where it looks for every program's libraries: whoever sets
    /// `LD_LIBRARY_PATH` for this process chooses it, as he chooses the C library. From any thread.
    ///
    /// # Errors
    /// [`Error::Load`]: there is none, or it is none that can be used. The message says what to install.
    pub fn load() -> Result<Self, Error> {
        Ok(Self(Arc::new(sys::Library::load()?)))
    }

    /// Loads the libxl at `path`, as for a Xen that is installed beside the system's.
    ///
    /// # Safety
    /// The file is a libxl, as Xen's sources make it: loading a library runs what is in it, and what it exports is called
    /// as libxl's headers declare it.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub unsafe fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        // SAFETY: the caller's promise.
        Ok(Self(Arc::new(unsafe { sys::Library::open(path)? })))
    }

    /// Which release of Xen it belongs to; all of 4.2.x count as 4.2.
    pub fn release(&self) -> Release {
        self.0.release()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn sys(&self) -> &sys::Library {
        &self.0
    }
}
