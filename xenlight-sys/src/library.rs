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
    /// Loads the newest libxl that the dynamic linker finds: `libxenlight.so.4.40` down to
    /// `libxenlight.so.4.3`, then `libxenlight.so.2.0`, the name that all of 4.2.x have.
    ///
    /// From any thread. Takes the dynamic linker's lock and reads files; it runs no code of libxl's
    /// but its initialisers.
    ///
    /// # Errors
    ///
    /// [`LoadError::NotFound`] if there is none that can be loaded; the other kinds are about the first
    /// that could.
    pub fn load() -> Result<Self, LoadError> {
        let names = (3..=40).rev().map(|minor| format!("libxenlight.so.4.{minor}"));
        Self::load_first(names.chain(["libxenlight.so.2.0".to_owned()]))
    }

    /// Loads the libxl at `path`, whatever the file is called. A name without a slash is looked for
    /// as the dynamic linker does it.
    ///
    /// # Safety
    ///
    /// The file is a libxl, as Xen's sources make it: loading a library runs what is in it, and what it exports is called as
    /// libxl's headers declare it.
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

    /// The release that this libxl belongs to. All of 4.2.x count as 4.2; if its SONAME does not tell
    /// the release, this is the last one that changed something that matters here (contract V).
    pub fn release(&self) -> Release {
        self.release
    }

    /// The file, as the dynamic linker found it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// In a child that was just forked: takes each lock that Xen's libraries share between all their
    /// handles, by opening and closing one of libxenctrl's, as libxl's own children do. Never returns if another
    /// thread held one of them at the fork: nobody frees it in the child ([S9]).
    ///
    /// # Safety
    ///
    /// The logger is good for the length of the call.
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
        Ok(Self { table, control, release, path: object.path })
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library").field("path", &self.path).field("release", &self.release).finish_non_exhaustive()
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
