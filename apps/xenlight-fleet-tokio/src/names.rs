//! What things are called in NATS. README.md describes them.

/// The stream of all events.
pub(crate) const STREAM: &str = "XEN_EVENTS";
/// The hosts that there are, with their beats.
pub(crate) const HOSTS: &str = "xen_hosts";

/// Where answers go begins with this.
pub(crate) const INBOX: &str = "_INBOX.";

/// What happens on a host, told by itself.
pub(crate) fn events(host: &str) -> String {
    format!("xen.events.{host}")
}

/// Whether a host is lost, told by those who watch.
pub(crate) fn watch(host: &str) -> String {
    format!("xen.watch.{host}")
}

/// Requests to a host.
pub(crate) fn command(host: &str, command: &str) -> String {
    format!("xen.command.{host}.{command}")
}

/// A host's name is a part of subjects.
///
/// # Errors
/// It cannot be one.
pub(crate) fn check_host(name: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !name.is_empty() && name.bytes().all(is_plain) {
        Ok(name.to_owned())
    } else {
        Err("the name of a host has letters, digits, - and _ only; give another one by --host".to_owned())
    }
}
