//! Finding and loading libxl.

#[cfg(doc)]
use crate::contract::*;
use core::fmt;
use std::path::Path;

use crate::control::Control;
use crate::error::LoadError;
use crate::log::Logger;
use crate::release::Release;
use crate::shared_object::SharedObject;
use crate::symbols::{Library, Table};

impl Library {
    /// Loads the newest libxl that the dynamic linker finds: it tries `libxenlight.so.4.40` down to `libxenlight.so.4.3`, then
    /// `libxenlight.so.2.0`, the name of all 4.2.x.
    ///
    /// May be called on any thread. It takes the dynamic linker's lock and reads files. Of libxl's code it runs only the
    /// initializers.
    ///
    /// # Errors
    ///
    /// [`LoadError::NotFound`] if none can be loaded. The other errors are about the first library that could be loaded.
    pub fn load() -> Result<Self, LoadError> {
        let names = (3..=40).rev().map(|minor| format!("libxenlight.so.4.{minor}"));
        Self::load_first(names.chain(["libxenlight.so.2.0".to_owned()]))
    }

    /// Loads the libxl at `path`, with any file name. The dynamic linker searches its directories for a name without a slash.
    ///
    /// # Safety
    ///
    /// The file must be a libxl, built from Xen's sources. Loading a library runs code in it, and its functions are called as
    /// libxl's headers declare them.
    ///
    /// # Errors
    ///
    /// Any [`LoadError`].
    pub unsafe fn open(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let path = path.as_ref();
        // SAFETY: the caller's promise.
        let object = unsafe { SharedObject::open(path.as_os_str()) }
            .map_err(|message| LoadError::NotFound { tried: vec![path.display().to_string()], message })?;
        Self::of(object)
    }

    /// The release of this libxl. All of 4.2.x count as 4.2. If the SONAME does not tell the release, this is the newest release
    /// of contract V whose symbol the library exports.
    pub fn release(&self) -> Release {
        self.release
    }

    /// The path of the file, as the dynamic linker found it.
    pub fn path(&self) -> &Path {
        &self.object.path
    }

    /// Takes and releases each lock that Xen's libraries share between their handles. Call it in a child that was just forked. It
    /// opens and closes a handle of libxenctrl, as libxl's own children do. If another thread held one of the locks at the
    /// fork, this never returns, because the lock is never released in the child ([S9]).
    ///
    /// # Safety
    ///
    /// The logger must be valid during the call.
    pub unsafe fn try_locks(&self, logger: *mut Logger) {
        if let Some(control) = &self.control {
            // SAFETY: the caller's promise.
            unsafe { control.open_and_close(logger) };
        }
    }

    fn load_first(names: impl Iterator<Item = String>) -> Result<Self, LoadError> {
        let mut tried = Vec::new();
        let mut telling = None;
        let mut last = String::new();
        for name in names {
            // SAFETY: libxl's own name, which the linker looks for where all programs' libraries come from.
            match unsafe { SharedObject::open(name.as_ref()) } {
                Ok(object) => return Self::of(object),
                // A message about the name itself says that there is no such file. Any other is about
                // one that is there, and tells more. (The texts vary with the locale.)
                Err(message) if !message.starts_with(&format!("{name}:")) && telling.is_none() => {
                    telling = Some(message);
                }
                Err(message) => last = message,
            }
            tried.push(name);
        }
        Err(LoadError::NotFound { tried, message: telling.unwrap_or(last) })
    }

    fn of(object: SharedObject) -> Result<Self, LoadError> {
        let release = object.release()?;
        let table = Table::find(&object, release)?;
        let control = Control::find(&object);
        Ok(Self { table, control, release, object })
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library")
            .field("path", &self.object.path)
            .field("release", &self.release)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_is_an_error_that_says_what_to_install() {
        let names = ["libxenlight.so.4.98", "libxenlight.so.4.97", "libxenlight.so.4.96"];
        let error = Library::load_first(names.iter().map(|&name| name.to_owned())).unwrap_err();
        let text = error.to_string();
        for part in
            ["3 names, libxenlight.so.4.98 to libxenlight.so.4.96", "apt-get install libxenmisc4.17", "xen-libs"]
        {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
        let LoadError::NotFound { tried, message } = error else { panic!("{error:?}") };
        assert_eq!(tried, names);
        assert!(message.contains("libxenlight.so.4.96"), "{message:?}");
    }

    #[test]
    fn a_path_that_does_not_exist_is_in_the_error() {
        // SAFETY: there is no such file.
        let error = unsafe { Library::open("/nonexistent/libxenlight.so.4.17") }.unwrap_err();
        assert!(error.to_string().contains("tried /nonexistent/libxenlight.so.4.17)"), "{error}");
    }

    /// In a process of its own, as the linker reads its search path at the start.
    #[test]
    fn a_library_that_is_there_but_cannot_be_loaded_is_the_one_that_is_reported() {
        const CHILD: &str = "XENLIGHT_SYS_TEST_PRINTS_WHY_NOTHING_LOADS";
        const NAME: &str = "library::tests::a_library_that_is_there_but_cannot_be_loaded_is_the_one_that_is_reported";
        if std::env::var_os(CHILD).is_some() {
            let names = ["libxenlight.so.4.98", "libxenlight.so.4.97", "libxenlight.so.4.96"];
            let error = Library::load_first(names.iter().map(|&name| name.to_owned())).unwrap_err();
            println!("{error}");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let broken = folder.path().join("libxenlight.so.4.97");
        std::fs::write(&broken, "no ELF file").unwrap();
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture"])
            .env(CHILD, "1")
            .env("LD_LIBRARY_PATH", folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let message = format!("libxl cannot be loaded: {}: ", broken.display());
        assert!(text.contains(&message), "{message:?} is not in {text:?}");
    }
}
