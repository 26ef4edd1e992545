//! The consoles of a domain.

use crate::ctx::Ctx;
use crate::error::{Error, fits, numbered};
use crate::hosted::Hosted;
use crate::task::Task;
use core::ffi::{c_char, c_int};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::ptr;
use xenlight_types::{ConsoleKind, DomainId};

/// # Consoles
///
/// A console is a terminal of this host: read it to see what the domain writes, write to it to type. xenconsoled or the device model
/// makes it, a moment after the domain is there.
impl Ctx {
    /// The terminal of the console that a user wants: the serial port of an HVM domain, the PV console of another one.
    ///
    /// # Errors
    /// [`Error::Libxl`] if there is none, or not yet; [`Error::NoSuchDomain`], [`Error::Closed`].
    pub fn primary_console_path(&self, domid: DomainId) -> Result<PathBuf, Error> {
        self.terminal(domid, |library, ctx, path| {
            // SAFETY: the ctx lives during `ask`; the address is written during the call.
            unsafe { library.primary_console_get_tty(ctx, domid.get(), path) }
        })
    }

    /// The terminal of one console: of this kind, and of this number, which counts from 0.
    ///
    /// # Errors
    /// [`Error::Libxl`] if there is none, or not yet; [`Error::NoSuchDomain`], [`Error::Closed`].
    pub fn console_path(&self, domid: DomainId, kind: &ConsoleKind, number: u32) -> Result<PathBuf, Error> {
        let kind = numbered("kind", kind.number(), kind)?;
        let number: c_int = fits("number of the console", number.into())?;
        self.terminal(domid, |library, ctx, path| {
            // SAFETY: the ctx lives during `ask`; the address is written during the call.
            unsafe { library.console_get_tty(ctx, domid.get(), number, kind, path) }
        })
    }

    /// Opens the [primary console](Self::primary_console_path), to be read and written by any loop that watches fds. It does not
    /// block: a read without anything to read ends with [`WouldBlock`](std::io::ErrorKind::WouldBlock). Reading takes what it reads
    /// away from other readers, such as `xl console`.
    ///
    /// The terminal is as xenconsoled has set it up, raw. It ends with an error or with 0 bytes when the domain is gone.
    ///
    /// # Errors
    /// Those of [`primary_console_path`](Self::primary_console_path); [`Error::Io`] if it cannot be opened.
    ///
    /// ```no_run
    /// use std::io::Write;
    ///
    /// # fn example(ctx: xenlight::Ctx, domid: xenlight::DomainId) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut console = ctx.open_console(domid)?;
    /// console.write_all(b"poweroff\n")?;
    /// # Ok(()) }
    /// ```
    pub fn open_console(&self, domid: DomainId) -> Result<File, Error> {
        let path = self.primary_console_path(domid)?;
        let flags = libc::O_NOCTTY | libc::O_NONBLOCK;
        let opened = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path);
        opened.map_err(|reason| Error::Io { doing: "open a domain's console", reason })
    }

    fn terminal(
        &self,
        domid: DomainId,
        get: impl FnOnce(&xenlight_sys::Library, *mut xenlight_sys::Ctx, *mut *mut c_char) -> c_int,
    ) -> Result<PathBuf, Error> {
        self.ask(Task::on("find a domain's console", domid), |question| {
            let mut path: *mut c_char = ptr::null_mut();
            question.succeeded(get(question.hosted.library(), question.ctx, &mut path))?;
            // SAFETY: the string is ours to free.
            let path = unsafe { Hosted::take_string(path) }.unwrap_or_default();
            let none = || Error::Format { what: "the console's terminal", problem: "xenstore has none yet".to_owned() };
            if path.is_empty() { Err(none()) } else { Ok(path.into()) }
        })
    }
}
