//! What things are called on the bus. README.md tells the rules by which these names may change.

use uuid::Uuid;
use zbus::OwnedObjectPath;

/// The service.
pub(crate) const SERVICE: &str = "org.osevent.Xen1";
/// The object of the host, which manages the others.
pub(crate) const HOST: &str = "/org/osevent/Xen1";
pub(crate) const MANAGER: &str = "org.osevent.Xen1.Manager";
pub(crate) const DOMAIN: &str = "org.osevent.Xen1.Domain";
pub(crate) const JOB: &str = "org.osevent.Xen1.Job";

/// The object of a domain: it keeps its path through reboots, and through restarts of this service.
pub(crate) fn domain(uuid: Uuid) -> OwnedObjectPath {
    path(format!("{HOST}/domains/{}", uuid.simple()))
}

/// The object of a job, by its number.
pub(crate) fn job(number: u64) -> OwnedObjectPath {
    path(format!("{HOST}/jobs/{number}"))
}

fn path(text: String) -> OwnedObjectPath {
    OwnedObjectPath::try_from(text).expect("letters, digits and slashes")
}
