//! What is known of a domain.

use gtk::glib;

/// A domain at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Its number, which another domain can have later.
    pub(crate) domid: u32,
    /// What it keeps for all its life, also through a reboot.
    pub(crate) uuid: String,
    /// None while it is being created or destroyed.
    pub(crate) name: Option<String>,
    pub(crate) state: State,
    /// Such as PV.
    pub(crate) kind: String,
    /// What it was asked to have. It gets there in its own time, which nothing tells of.
    pub(crate) memory_kib: u64,
    pub(crate) vcpus: u32,
    pub(crate) max_vcpus: u32,
}

/// Where a domain is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "OseventManagerState")]
pub(crate) enum State {
    Making,
    #[default]
    Running,
    Paused,
    PoweredOff,
    Rebooting,
    Suspended,
    Crashed,
    Stopped,
    Dying,
}

impl State {
    /// Whether its virtual CPUs could go on: it neither ends nor has ended.
    pub(crate) fn is_alive(self) -> bool {
        matches!(self, Self::Making | Self::Running | Self::Paused)
    }
}

/// What has changed on the host.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Appeared(Record),
    Changed(Record),
    /// The domain with this number is no longer there.
    Gone(u32),
    /// Changes are missed for now, and why. The connection to the host is not good for anything else either.
    Stale(String),
    /// Changes are told again.
    Fresh,
}
