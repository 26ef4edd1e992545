//! A domain as it is shown on the bus.

use std::collections::HashMap;

use uuid::Uuid;
use xenlight::DomainState;
use zbus::Variant;

/// A domain. With each field goes a property of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Domain {
    pub(crate) uuid: Uuid,
    pub(crate) id: u32,
    /// Empty if it has none, which happens while it is being created or destroyed.
    pub(crate) name: String,
    pub(crate) state: State,
    /// Empty if it has not shut down.
    pub(crate) shutdown_reason: String,
    pub(crate) kind: String,
    pub(crate) memory_kib: u64,
    /// 0 if it is not known.
    pub(crate) memory_target_kib: u64,
    pub(crate) max_memory_kib: u64,
    pub(crate) vcpus_online: u32,
    pub(crate) vcpus: u32,
    pub(crate) cpupool: u32,
}

impl From<&xenlight::Domain> for Domain {
    fn from(domain: &xenlight::Domain) -> Self {
        let info = &domain.info;
        Self {
            uuid: info.uuid,
            id: info.domid.get(),
            name: domain.name.clone().unwrap_or_default(),
            state: domain.state.into(),
            shutdown_reason: info.shutdown.map(|reason| reason.to_string()).unwrap_or_default(),
            kind: info.kind.to_string(),
            memory_kib: info.current_memory_kib,
            memory_target_kib: domain.memory_target_kib.unwrap_or_default(),
            max_memory_kib: info.max_memory_kib,
            vcpus_online: info.vcpus_online,
            vcpus: info.max_vcpu_id.saturating_add(1),
            cpupool: info.cpupool,
        }
    }
}

impl Domain {
    /// Not dying.
    pub(crate) fn is_living(&self) -> bool {
        self.state != State::Dying
    }

    /// The properties that are others than `before`.
    pub(crate) fn changes(&self, before: &Self) -> HashMap<&'static str, Variant<'static>> {
        let (now, before) = (self.properties(), before.properties());
        now.into_iter().zip(before).filter(|(now, before)| now != before).map(|(now, _)| now).collect()
    }

    /// All that can change.
    fn properties(&self) -> [(&'static str, Variant<'static>); 11] {
        [
            ("Id", self.id.into()),
            ("Name", self.name.clone().into()),
            ("State", self.state.as_str().into()),
            ("ShutdownReason", self.shutdown_reason.clone().into()),
            ("Kind", self.kind.clone().into()),
            ("MemoryKib", self.memory_kib.into()),
            ("MemoryTargetKib", self.memory_target_kib.into()),
            ("MaxMemoryKib", self.max_memory_kib.into()),
            ("VcpusOnline", self.vcpus_online.into()),
            ("Vcpus", self.vcpus.into()),
            ("CpuPool", self.cpupool.into()),
        ]
    }
}

/// Where a domain is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum State {
    Making,
    Running,
    Paused,
    Shutdown,
    Suspended,
    Crashed,
    Dying,
    /// One that this program does not know.
    Other,
}

impl State {
    pub(crate) const ALL: [Self; 8] = [
        Self::Making,
        Self::Running,
        Self::Paused,
        Self::Shutdown,
        Self::Suspended,
        Self::Crashed,
        Self::Dying,
        Self::Other,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Making => "making",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Shutdown => "shutdown",
            Self::Suspended => "suspended",
            Self::Crashed => "crashed",
            Self::Dying => "dying",
            Self::Other => "other",
        }
    }
}

impl From<DomainState> for State {
    /// By its name, which is xenlight's.
    fn from(state: DomainState) -> Self {
        let name = state.to_string();
        Self::ALL.into_iter().find(|known| known.as_str() == name).unwrap_or(Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xenlight::ShutdownReason;

    #[test]
    fn each_state_is_known_by_its_name() {
        let down = DomainState::Shutdown;
        for (state, known) in [
            (DomainState::Making, State::Making),
            (DomainState::Running, State::Running),
            (DomainState::Paused, State::Paused),
            (DomainState::Dying, State::Dying),
            (down(ShutdownReason::Suspend), State::Suspended),
            (down(ShutdownReason::Watchdog), State::Crashed),
            (down(ShutdownReason::Poweroff), State::Shutdown),
        ] {
            assert_eq!(State::from(state), known);
        }
    }
}
