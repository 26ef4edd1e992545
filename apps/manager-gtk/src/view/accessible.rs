//! What screen readers say of a widget that shows no text.

use gtk::glib::prelude::*;
use gtk::glib::translate::ToGlibPtr;
use gtk::{ffi, glib};
use std::ffi::c_int;

/// Names the widget.
pub(super) fn label(widget: &impl IsA<gtk::Widget>, text: &str) {
    let mut property = ffi::GTK_ACCESSIBLE_PROPERTY_LABEL;
    let value = text.to_value();
    let widget: *mut ffi::GtkWidget = widget.as_ref().to_glib_none().0;
    let value: *const glib::gobject_ffi::GValue = value.to_glib_none().0;
    // SAFETY: every widget is a GtkAccessible. The widget, one property and one value of the type that this property has live during
    // the call, which copies them.
    unsafe { gtk_accessible_update_property_value(widget.cast(), 1, &mut property, value) };
}

// The bindings have it for GTK 4.10 and later only. It is in all releases.
unsafe extern "C" {
    fn gtk_accessible_update_property_value(
        widget: *mut ffi::GtkAccessible,
        count: c_int,
        properties: *mut ffi::GtkAccessibleProperty,
        values: *const glib::gobject_ffi::GValue,
    );
}
