//! Where the screen of a domain is.

use crate::ctx::Ctx;
use crate::error::Error;
use crate::store::Store;
use crate::task::Task;
use std::fmt;
use xenlight_types::DomainId;

/// The VNC server of a domain's screen. Shown as `host:port`.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VncServer {
    /// The address that it listens on, such as `127.0.0.1`. `0.0.0.0` stands for all of this host.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The password that it asks for. VNC heeds the first eight characters.
    pub password: Option<String>,
}

impl fmt::Display for VncServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Without the password, which logs should not have.
impl fmt::Debug for VncServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VncServer").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// # Screens
impl Ctx {
    /// The VNC server of a domain's screen, which its device model runs; `None` if it has none, or not yet. Its
    /// [`Vnc`](crate::types::Vnc) tells what was asked for; this is the port that was found.
    ///
    /// A SPICE server is where the domain's configuration says: [`Spice`](crate::types::Spice).
    ///
    /// # Errors
    /// [`Error::XenstoredLost`], [`Error::Io`]; [`Error::NoSuchDomain`], [`Error::Closed`], [`Error::Format`].
    pub fn vnc_server(&self, domid: DomainId) -> Result<Option<VncServer>, Error> {
        const DEFAULT: &str = "127.0.0.1";
        self.ask(Task::on("find a domain's screen", domid), |question| {
            // A xenstored that is gone would be waited for, for ever (E15).
            question.hosted.link.check()?;
            let store = Store::open(question.hosted.library())?;
            let read = |node: &str| store.read(&format!("/local/domain/{domid}/console/vnc-{node}"));
            let Some(port) = read("port")? else { return Ok(None) };
            let misread = |_| Error::Format { what: "the port of a VNC server", problem: format!("{port:?} is none") };
            let port = port.parse().map_err(misread)?;
            let host = read("listen")?.filter(|host| !host.is_empty()).unwrap_or_else(|| DEFAULT.to_owned());
            let password = read("pass")?.filter(|password| !password.is_empty());
            Ok(Some(VncServer { host, port, password }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shown_as_an_address_and_never_with_its_password() {
        let server = |host: &str| VncServer { host: host.into(), port: 5901, password: Some("secret".into()) };
        assert_eq!(server("127.0.0.1").to_string(), "127.0.0.1:5901");
        assert_eq!(server("::1").to_string(), "[::1]:5901");
        assert!(!format!("{:?}", server("::1")).contains("secret"));
    }
}
