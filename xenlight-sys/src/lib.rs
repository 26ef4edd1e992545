//! Raw bindings to Xen's libxl, loaded at run time.
