//! One side of a migration between two hosts: by a ctx, or by xl.

use crate::stage::Opened;
use crate::tiers::peer::{By, Ended};
use crate::tiers::xen::Dom0;
use anyhow::Context;
use futures_lite::future::block_on;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use xenlight::{Error, Receiving, Sending};

impl Ended {
    fn of<T>(result: Result<T, Error>) -> anyhow::Result<Self> {
        match result {
            Ok(_) => Ok(Self::Well),
            Err(Error::Migration { step, state, reason }) => {
                let (step, state) = (format!("{step:?}"), format!("{state:?}"));
                Ok(Self::Failed { step, state, reason: reason.to_string() })
            }
            Err(error) => Err(error.into()),
        }
    }

    fn of_xl(command: &mut Command) -> anyhow::Result<Self> {
        let output = command.stderr(Stdio::piped()).spawn().context("cannot run xl")?.wait_with_output()?;
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Ok(if output.status.success() { Self::Well } else { Self::Xl { words } })
    }
}

/// Sends the domain to whoever listens there.
pub(crate) fn send(dom0: &Dom0, opened: &Opened, by: By, name: &str, to: SocketAddr) -> anyhow::Result<Ended> {
    match by {
        By::Xenlight => {
            let domid = opened.ctx.find(name)?.context("it is not there")?;
            let connection = TcpStream::connect(to)?;
            let sending = Sending::over(connection.try_clone()?, connection).live(dom0.migrates_live()?);
            Ended::of(block_on(opened.ctx.migrate(domid, sending)))
        }
        By::Xl => {
            let bridge = format!("exec nc {} {}", to.ip(), to.port());
            Ended::of_xl(Command::new("xl").args(["migrate", "-s", "", name, &bridge]).stdin(Stdio::null()))
        }
    }
}

/// Receives a domain over the connection.
pub(crate) fn receive(opened: &Opened, by: By, connection: impl Into<OwnedFd>) -> anyhow::Result<Ended> {
    let (from, to) = {
        let fd: OwnedFd = connection.into();
        (fd.try_clone()?, fd)
    };
    match by {
        By::Xenlight => Ended::of(block_on(opened.ctx.receive(Receiving::over(from, to)))),
        By::Xl => Ended::of_xl(Command::new("xl").args(["migrate-receive", "-e"]).stdin(from).stdout(to)),
    }
}
