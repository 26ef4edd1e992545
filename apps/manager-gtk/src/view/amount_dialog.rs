//! Another amount of something.

use super::accessible;
use crate::i18n::gettext;
use adw::prelude::*;

const APPLY: &str = "apply";

/// An amount that can be chosen.
pub(super) struct Amount<'a> {
    pub(super) heading: &'a str,
    /// What it is the amount of, with its unit.
    pub(super) unit: &'a str,
    pub(super) now: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

/// Asks for an amount, and calls `then` with the one that is wanted.
pub(super) fn ask(parent: &impl IsA<gtk::Window>, amount: &Amount<'_>, then: impl Fn(f64) + 'static) {
    let dialog = adw::MessageDialog::new(Some(parent), Some(amount.heading), Some(amount.unit));
    dialog.add_response("cancel", &gettext("Cancel"));
    dialog.add_response(APPLY, &gettext("Apply"));
    dialog.set_response_appearance(APPLY, adw::ResponseAppearance::Suggested);
    dialog.set_default_response(Some(APPLY));
    dialog.set_close_response("cancel");
    let adjustment = gtk::Adjustment::new(amount.now, amount.least, amount.most, 1.0, 16.0, 0.0);
    let scale = gtk::Scale::builder().adjustment(&adjustment).hexpand(true).build();
    accessible::label(&scale, amount.unit);
    let number = gtk::SpinButton::builder().adjustment(&adjustment).numeric(true).build();
    accessible::label(&number, amount.unit);
    let both = gtk::Box::new(gtk::Orientation::Horizontal, 12);
    both.append(&scale);
    both.append(&number);
    dialog.set_extra_child(Some(&both));
    dialog.connect_response(Some(APPLY), move |_, _| {
        number.update();
        then(adjustment.value());
    });
    dialog.present();
}
