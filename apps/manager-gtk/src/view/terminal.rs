//! A terminal's screen and keyboard, by VTE.
//!
//! Of the bindings, those of C are used: the others need a later GTK than Debian 12 has.

use gtk::glib;
use gtk::glib::prelude::*;
use gtk::glib::translate::{ToGlibPtr, from_glib_none};

/// It shows what it is fed, and tells what is typed.
pub(super) struct Terminal(gtk::Widget);

impl Terminal {
    pub(super) fn new() -> Self {
        // SAFETY: GTK is initialised wherever there are widgets, and this is a new one.
        Self(unsafe { from_glib_none(vte_sys::vte_terminal_new().cast::<gtk::ffi::GtkWidget>()) })
    }

    pub(super) fn widget(&self) -> &gtk::Widget {
        &self.0
    }

    /// Shows what was printed, with its control sequences.
    pub(super) fn feed(&self, printed: &[u8]) {
        let terminal: *mut gtk::ffi::GtkWidget = self.0.to_glib_none().0;
        let length = printed.len().try_into().expect("a slice is no longer than that");
        // SAFETY: it is a terminal, by `new`; the bytes live during the call.
        unsafe { vte_sys::vte_terminal_feed(terminal.cast(), printed.as_ptr(), length) };
    }

    /// Calls with what is typed or pasted.
    pub(super) fn connect_typed(&self, typed: impl Fn(&str) + 'static) {
        let commit = glib::closure_local!(move |_: gtk::Widget, text: String, _size: u32| typed(&text));
        self.0.connect_closure("commit", false, commit);
    }
}
