//! Questions before something is lost.

use crate::i18n::gettext;
use adw::prelude::*;
use gtk::glib;
use std::cell::Cell;

const GO_ON: &str = "go-on";

/// Asks, and calls `then` if the answer is to go on. `go_on` is what the button says that loses something. The dialog may be closed
/// when its cause is gone.
pub(super) fn ask(
    parent: &impl IsA<gtk::Window>,
    heading: &str,
    body: &str,
    go_on: &str,
    then: impl FnOnce() + 'static,
) -> adw::MessageDialog {
    let dialog = adw::MessageDialog::new(Some(parent), Some(heading), Some(body));
    dialog.add_response("cancel", &gettext("Cancel"));
    dialog.add_response(GO_ON, go_on);
    dialog.set_response_appearance(GO_ON, adw::ResponseAppearance::Destructive);
    dialog.set_default_response(Some("cancel"));
    dialog.set_close_response("cancel");
    let then = Cell::new(Some(then));
    dialog.connect_response(Some(GO_ON), move |_, _| then.take().into_iter().for_each(|then| then()));
    dialog.present();
    dialog
}

/// Disconnects what closes the dialog when its cause is gone, once it is answered.
pub(super) fn disconnect_after(
    dialog: &adw::MessageDialog,
    of: &impl IsA<glib::Object>,
    handler: glib::SignalHandlerId,
) {
    let (of, handler) = (of.downgrade(), Cell::new(Some(handler)));
    dialog.connect_response(None, move |_, _| {
        if let (Some(of), Some(handler)) = (of.upgrade(), handler.take()) {
            of.disconnect(handler);
        }
    });
}
