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

impl Xen {
    /// The VNC server of a domain's screen, if it has one.
    pub(crate) async fn screen(&self, domid: u32) -> Result<Option<Screen>, Failure> {
        let (ctx, domid) = (self.ctx().clone(), DomainId::new(domid));
        let server = elsewhere(move || ctx.vnc_server(domid)).await?;
        Ok(server.map(|server| {
            // All of this host's addresses is none to connect to.
            let host = if server.host == "0.0.0.0" { "127.0.0.1".to_owned() } else { server.host };
            Screen { host, port: server.port }
        }))
    }
}
