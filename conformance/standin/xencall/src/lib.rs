//! A stand-in for libxencall: libxl without a hypervisor.
