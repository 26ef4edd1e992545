//! How states and amounts are written.

use crate::engine::State;
use crate::i18n::{gettext, ngettext, with};
use crate::model::Domain;

pub(super) fn state_icon(state: State) -> &'static str {
    match state {
        State::Running => "media-playback-start-symbolic",
        State::Paused => "media-playback-pause-symbolic",
        State::Making | State::Rebooting => "view-refresh-symbolic",
        State::PoweredOff | State::Suspended | State::Stopped => "system-shutdown-symbolic",
        State::Crashed => "dialog-warning-symbolic",
        State::Dying => "window-close-symbolic",
    }
}

/// The style of a state, of those that libadwaita has.
pub(super) fn state_class(state: State) -> &'static str {
    match state {
        State::Running => "success",
        State::Paused | State::Making | State::Rebooting => "warning",
        State::Crashed => "error",
        State::PoweredOff | State::Suspended | State::Stopped | State::Dying => "dim-label",
    }
}

pub(super) const STATE_CLASSES: [&str; 4] = ["success", "warning", "error", "dim-label"];

/// In the unit that shows it best. What libxl reports can differ a little from what was asked for, hence no decimals in MiB.
pub(super) fn memory(kib: u64) -> String {
    const MIB: u64 = 1024;
    const GIB: u64 = 1024 * MIB;
    if kib >= GIB {
        format!("{:.1} GiB", kib as f64 / GIB as f64)
    } else if kib >= MIB {
        format!("{} MiB", (kib + MIB / 2) / MIB)
    } else {
        format!("{kib} KiB")
    }
}

/// The memory of a domain, if it is known.
pub(super) fn memory_of(domain: &Domain) -> String {
    match domain.memory_kib() {
        0 => gettext("memory unknown"),
        kib => memory(kib),
    }
}

pub(super) fn vcpus(count: u32) -> String {
    with(ngettext("{count} vCPU", "{count} vCPUs", count), &[("count", &count.to_string())])
}

/// What a domain is called on the screen.
pub(super) fn name(domain: &Domain) -> String {
    let name = domain.name();
    if name.is_empty() { with(gettext("Domain {number}"), &[("number", &domain.domid().to_string())]) } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_written_in_the_unit_that_shows_it_best() {
        let written = [0, 4096, 262_100, 1024 * 1024, 3 * 512 * 1024].map(memory);
        assert_eq!(written, ["0 KiB", "4 MiB", "256 MiB", "1.0 GiB", "1.5 GiB"]);
    }
}
