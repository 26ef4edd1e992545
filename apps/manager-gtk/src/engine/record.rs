//! What is known of a domain.

use crate::i18n::gettext;
use futures_lite::stream::BoxedLocal;
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
    /// What it was asked to have. It gets there in its own time, which nothing tells of. 0 if it is not known.
    pub(crate) memory_kib: u64,
    pub(crate) vcpus: u32,
    pub(crate) max_vcpus: u32,
}

/// The kind of a domain as Xen's list has it, if it is not PV.
pub(crate) const PVH_OR_HVM: &str = "PVH or HVM";

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
    /// As it is shown.
    pub(crate) fn text(self) -> String {
        match self {
            State::Making => gettext("Being created"),
            State::Running => gettext("Running"),
            State::Paused => gettext("Paused"),
            State::PoweredOff => gettext("Powered off"),
            State::Rebooting => gettext("Rebooting"),
            State::Suspended => gettext("Suspended"),
            State::Crashed => gettext("Crashed"),
            State::Stopped => gettext("Stopped"),
            State::Dying => gettext("Being destroyed"),
        }
    }

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

/// A connection to a host that was opened.
pub(crate) struct Opened<E> {
    pub(crate) engine: E,
    /// The domains of the host.
    pub(crate) domains: Vec<Record>,
    /// What changes of them from then on, until the connection ends.
    pub(crate) changes: BoxedLocal<Change>,
}

impl<E> Opened<E> {
    pub(super) fn map<F>(self, engine: impl FnOnce(E) -> F) -> Opened<F> {
        let Self { engine: of, domains, changes } = self;
        Opened { engine: engine(of), domains, changes }
    }
}
