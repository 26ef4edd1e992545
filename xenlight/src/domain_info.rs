//! The state of a domain, as libxl tells it.

use crate::event::ShutdownReason;
use crate::json::{number, text};
use serde_json::{Map, Value};
use std::time::Duration;
use uuid::Uuid;
use xenlight_sys::Release;
use xenlight_types::{DomainId, DomainKind};

/// The state of a domain at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DomainInfo {
    /// Its number.
    pub domid: DomainId,
    /// Its uuid, which is nil for domain 0.
    pub uuid: Uuid,
    /// How it is virtualized.
    pub kind: DomainKind,
    /// One of its virtual CPUs runs on a physical CPU.
    pub running: bool,
    /// All its virtual CPUs are waiting.
    pub blocked: bool,
    /// It is paused.
    pub paused: bool,
    /// The reason for its shutdown, if it has shut down and still exists.
    pub shutdown: Option<ShutdownReason>,
    /// It is being destroyed.
    pub dying: bool,
    /// Memory that it has claimed and does not use yet, in KiB.
    pub outstanding_memory_kib: u64,
    /// Its current memory, in KiB.
    pub current_memory_kib: u64,
    /// Memory that it shares with other domains, in KiB.
    pub shared_memory_kib: u64,
    /// Memory that has been paged out, in KiB.
    pub paged_memory_kib: u64,
    /// Its maximum memory, in KiB.
    pub max_memory_kib: u64,
    /// The total time that its virtual CPUs have run.
    pub cpu_time: Duration,
    /// The highest number of a virtual CPU, which is one less than their count.
    pub max_vcpu_id: u32,
    /// How many virtual CPUs are online.
    pub vcpus_online: u32,
    /// The number of its CPU pool.
    pub cpupool: u32,
}

/// libxl's name for what tells the state.
pub(crate) const DOMINFO: (&str, Release) = ("dominfo", Release::V4_2);

/// What is false, zero or nil is not in the JSON.
pub(crate) fn domain_info(info: &Map<String, Value>, release: Release) -> DomainInfo {
    let flag = |key| info.get(key) == Some(&Value::Bool(true));
    let shutdown = flag("shutdown").then(|| match text(info, "shutdown_reason") {
        "poweroff" => ShutdownReason::Poweroff,
        // There it is number 0, which is left out.
        "" if release < Release::V4_4 => ShutdownReason::Poweroff,
        "reboot" => ShutdownReason::Reboot,
        "suspend" => ShutdownReason::Suspend,
        "crash" => ShutdownReason::Crash,
        "watchdog" => ShutdownReason::Watchdog,
        "soft_reset" => ShutdownReason::SoftReset,
        _ => ShutdownReason::Other(u8::MAX),
    });
    DomainInfo {
        domid: DomainId::new(number(info, "domid")),
        uuid: text(info, "uuid").parse().unwrap_or_default(),
        kind: kind(text(info, "domain_type")),
        running: flag("running"),
        blocked: flag("blocked"),
        paused: flag("paused"),
        shutdown,
        dying: flag("dying"),
        outstanding_memory_kib: number(info, "outstanding_memkb"),
        current_memory_kib: number(info, "current_memkb"),
        shared_memory_kib: number(info, "shared_memkb"),
        paged_memory_kib: number(info, "paged_memkb"),
        max_memory_kib: number(info, "max_memkb"),
        cpu_time: Duration::from_nanos(number(info, "cpu_time")),
        max_vcpu_id: number(info, "vcpu_max_id"),
        vcpus_online: number(info, "vcpu_online"),
        cpupool: number(info, "cpupool"),
    }
}

/// 4.3 and earlier tell none.
fn kind(name: &str) -> DomainKind {
    if name.is_empty() { DomainKind::Invalid } else { DomainKind::from(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, release: Release) -> DomainInfo {
        domain_info(&crate::json::object("a test", Some(json.to_owned())).expect("an object"), release)
    }

    #[test]
    fn what_libxl_leaves_out_is_zero() {
        let info = read("{}", Release::V4_13);
        assert_eq!((info.domid, info.uuid, info.cpu_time), (DomainId::DOM0, Uuid::nil(), Duration::ZERO));
        assert!(!info.running && !info.paused && info.shutdown.is_none());
    }

    #[test]
    fn numbers_keep_their_units() {
        let json = r#"{"domid": 7, "uuid": "8f0e9a5c-1111-2222-3333-444455556666", "max_memkb": 18446744073709551615,
                       "cpu_time": 1500000000, "vcpu_max_id": 1, "domain_type": "pvh", "blocked": true}"#;
        let info = read(json, Release::V4_13);
        assert_eq!((info.domid, info.max_memory_kib, info.max_vcpu_id), (DomainId::new(7), u64::MAX, 1));
        assert_eq!(info.cpu_time, Duration::from_millis(1500));
        assert_eq!(info.uuid.to_string(), "8f0e9a5c-1111-2222-3333-444455556666");
        assert_eq!((&info.kind, info.kind.to_string().as_str()), (&DomainKind::Pvh, "pvh"));
        assert!(info.blocked && !info.running);
    }

    #[test]
    fn a_reason_counts_for_domains_that_have_shut_down() {
        let down = |reason, release| read(&format!(r#"{{"shutdown": true{reason}}}"#), release).shutdown;
        assert_eq!(down(r#", "shutdown_reason": "crash""#, Release::V4_13), Some(ShutdownReason::Crash));
        assert_eq!(down("", Release::V4_13), Some(ShutdownReason::Other(u8::MAX)));
        assert_eq!(down("", Release::V4_3), Some(ShutdownReason::Poweroff));
        assert_eq!(read(r#"{"shutdown_reason": "poweroff"}"#, Release::V4_13).shutdown, None);
    }
}
