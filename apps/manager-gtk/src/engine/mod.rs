//! What can be asked of a host.
//!
//! The views and models know this module only. There are two ways to a host: xenlight in this process, and the service xenlightd.

mod autostart;
mod config;
mod connection;
mod devices;
mod draft;
mod editing;
mod endings;
mod failure;
mod files;
mod host;
mod migration;
mod record;
mod screen;
mod service;
mod work;
mod xen;

pub(crate) use config::{Config, Form};
pub(crate) use connection::{Asking, Engine, Starting};
pub(crate) use devices::{Attached, Devices, NewDevice, OfHost, host_usb};
pub(crate) use draft::{Draft, DraftDisk, Field, Format, Kind};
pub(crate) use editing::{Edit, Editable};
pub(crate) use failure::Failure;
pub(crate) use host::{Host, Usage};
pub(crate) use record::{Change, Opened, PVH_OR_HVM, Record, State};
pub(crate) use screen::Screen;
pub(crate) use work::Work;

/// What can be done with a domain and needs nothing else to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Pause,
    Unpause,
    ShutDown,
    Reboot,
    PowerButton,
    /// Ends it at once and starts it again.
    Reset,
    Destroy,
}
