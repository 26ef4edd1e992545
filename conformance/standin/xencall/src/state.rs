//! The simulated hypervisor of this process.

use std::{env, os::fd::AsRawFd, sync::OnceLock};

use osevent_standin_hypervisor::Hypervisor;

/// That of this process and the children it forks, and of all processes that name the same file in `OSEVENT_XENCALL_TABLE`.
pub(crate) fn hypervisor() -> &'static Hypervisor {
    static HYPERVISOR: OnceLock<Hypervisor> = OnceLock::new();
    HYPERVISOR.get_or_init(|| match env::var_os("OSEVENT_XENCALL_TABLE") {
        Some(path) => Hypervisor::at(path.as_ref()).expect("the files of OSEVENT_XENCALL_TABLE can be opened or made"),
        None => Hypervisor::anonymous().expect("there is memory for the table of pretend domains"),
    })
}

/// What becomes readable when a domain ends. -1 where it could not be made.
pub(crate) fn dom_exc_fd() -> libc::c_int {
    hypervisor().ends().map_or(-1, |fd| fd.as_raw_fd())
}
