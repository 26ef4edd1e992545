//! What a bar tells of a domain, and what can be done with one.

use std::fmt;

use clap::ValueEnum;
use uuid::Uuid;
use xenlight::{Ctx, DomainId, DomainState, Operation, ShutdownReason};

/// A domain, as far as the bar shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Domain {
    pub(crate) domid: DomainId,
    pub(crate) uuid: Uuid,
    pub(crate) name: String,
    pub(crate) state: State,
    pub(crate) memory_kib: u64,
    pub(crate) vcpus: u32,
}

impl From<&xenlight::Domain> for Domain {
    fn from(domain: &xenlight::Domain) -> Self {
        Self {
            domid: domain.domid(),
            uuid: domain.uuid(),
            name: domain.name.clone().unwrap_or_else(|| format!("({})", domain.domid())),
            state: State::from(domain.state),
            memory_kib: domain.info.current_memory_kib,
            vcpus: domain.info.vcpus_online,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Making,
    Running,
    Paused,
    Shutdown,
    Suspended,
    Crashed,
    Dying,
}

impl State {
    pub(crate) const ALL: [Self; 7] =
        [Self::Making, Self::Running, Self::Paused, Self::Shutdown, Self::Suspended, Self::Crashed, Self::Dying];

    /// The class in a style sheet.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Making => "making",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Shutdown => "shutdown",
            Self::Suspended => "suspended",
            Self::Crashed => "crashed",
            Self::Dying => "dying",
        }
    }
}

impl Domain {
    /// What can be done with it now, the harmless first.
    pub(crate) fn actions(&self) -> &'static [Action] {
        match self.state {
            // The host itself.
            _ if self.domid == DomainId::DOM0 => &[],
            State::Making | State::Dying => &[],
            State::Running => &[Action::Pause, Action::Shutdown, Action::Reboot, Action::Destroy],
            State::Paused => &[Action::Unpause, Action::Destroy],
            State::Suspended => &[Action::Resume, Action::Destroy],
            State::Shutdown | State::Crashed => &[Action::Destroy],
        }
    }
}

impl From<DomainState> for State {
    fn from(state: DomainState) -> Self {
        match state {
            DomainState::Making => Self::Making,
            DomainState::Paused => Self::Paused,
            DomainState::Dying => Self::Dying,
            DomainState::Shutdown(ShutdownReason::Suspend) => Self::Suspended,
            DomainState::Shutdown(ShutdownReason::Crash | ShutdownReason::Watchdog) => Self::Crashed,
            DomainState::Shutdown(_) => Self::Shutdown,
            // Running, and what later releases tell.
            _ => Self::Running,
        }
    }
}

/// What a click or a command does with a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Action {
    /// Stop its virtual CPUs
    Pause,
    /// Let a paused domain go on
    Unpause,
    /// Let a suspended domain go on
    Resume,
    /// Ask its operating system to shut down
    Shutdown,
    /// Ask its operating system to restart
    Reboot,
    /// End it at once; unsaved data is lost
    Destroy,
}

impl Action {
    pub(crate) fn begin(self, ctx: &Ctx, domid: DomainId) -> Operation<()> {
        match self {
            Self::Pause => ctx.pause(domid),
            Self::Unpause => ctx.unpause(domid),
            Self::Resume => ctx.resume(domid),
            Self::Shutdown => ctx.shutdown(domid),
            Self::Reboot => ctx.reboot(domid),
            Self::Destroy => ctx.destroy(domid),
        }
    }

    /// Whether it wants a second click.
    pub(crate) const fn loses_data(self) -> bool {
        matches!(self, Self::Destroy)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pause => "Pause",
            Self::Unpause => "Continue",
            Self::Resume => "Resume",
            Self::Shutdown => "Shut down",
            Self::Reboot => "Reboot",
            Self::Destroy => "Destroy",
        })
    }
}
