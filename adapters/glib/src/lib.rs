//! libxl's events on a GLib main context.
