//! What can be asked of a host.
//!
//! The views and models know this module only. [`Engine`] is xenlight's; whoever adds a second way to a host makes it an enum.

mod devices;
mod endings;
mod failure;
mod files;
mod record;
mod work;
mod xen;

pub(crate) use devices::Devices;
pub(crate) use failure::Failure;
pub(crate) use record::{Change, Record, State};
pub(crate) use work::Work;
pub(crate) use xen::Engine;

/// What can be done with a domain and needs nothing else to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Pause,
    Unpause,
    ShutDown,
    Reboot,
    PowerButton,
    Destroy,
}
