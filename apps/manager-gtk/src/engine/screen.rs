//! The screens of domains.

use super::Failure;
use super::work::elsewhere;
use super::xen::Xen;
use xenlight::DomainId;

/// Where a screen is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Screen {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Screen {
    /// Of a server that listens there.
    pub(super) fn new(host: String, port: u16) -> Self {
        // All of this host's addresses is none to connect to.
        let host = if host == "0.0.0.0" { "127.0.0.1".to_owned() } else { host };
        Self { host, port }
    }
}

impl Xen {
    /// The VNC server of a domain's screen, if it has one.
    pub(crate) async fn screen(&self, domid: u32) -> Result<Option<Screen>, Failure> {
        let (ctx, domid) = (self.ctx().clone(), DomainId::new(domid));
        let server = elsewhere(move || ctx.vnc_server(domid)).await?;
        Ok(server.map(|server| Screen::new(server.host, server.port)))
    }
}
