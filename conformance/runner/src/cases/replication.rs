//! Replication on a real Xen: checkpoint after checkpoint, until the other side goes.

use crate::case::DomainCase;
use crate::cases::migration::shut_down;
use crate::cases::xen::end;
use crate::hosts::{Adapter, Mode};
use crate::stage::Stage;
use crate::tiers::console::Console;
use crate::tiers::xen::{Image, Type};
use anyhow::{bail, ensure};
use futures_lite::future::block_on;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;
use xenlight::types::RemusInfo;
use xenlight::{Error, ShutdownReason};

pub(crate) static REPLICATED: DomainCase = DomainCase {
    name: "xen-replicated",
    claim: "A domain is replicated, checkpoint after checkpoint; libxl is not asked to abort that, which would end the process; the domain runs on once the other side has gone",
    clauses: &["E6", "E9", "O12"],
    // Not every Xen can note what a PV domain writes; and the kernel of a PVH domain begins anew after each checkpoint, and says so.
    types: &[Type::Pvh],
    adapters: &[Adapter::Glib],
    modes: &[Mode::Loop],
    run: replicated,
};

fn replicated(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let domid = block_on(ctx.create(&dom0.config(Image::Answering, &dom0.name("answering"))?))?;
    block_on(ctx.unpause(domid))?;
    let mut console = Console::of(domid);
    console.expect(dom0.says_up())?;

    let (near, far) = UnixStream::pair()?;
    let mut stream = far.try_clone()?;
    let other_side = thread::spawn(move || io::copy(&mut stream, &mut io::sink()));
    let info = RemusInfo::default().interval(100).colo(false).allow_unsafe(true).netbuf(false).diskbuf(false);
    let replication = ctx.replicate(domid, &info, near.try_clone()?, near);
    for _checkpoint in 0..2 {
        console.expect(dom0.says_up())?;
    }
    let aborted = replication.abort();
    ensure!(matches!(&aborted, Err(Error::NotAbortable { .. })), "{aborted:?}");
    console.expect(dom0.says_up())?;

    far.shutdown(Shutdown::Both)?;
    let result = block_on(replication);
    println!("the other side has gone: {result:?}");
    // libxl may call that a success.
    ensure!(matches!(&result, Ok(()) | Err(Error::Libxl { .. })), "a replication to nobody ended with {result:?}");
    other_side.join().expect("it does not panic")?;
    match ctx.info(domid)?.shutdown {
        None => {}
        Some(ShutdownReason::Suspend) => block_on(ctx.resume(domid))?,
        Some(other) => bail!("it has shut down: {other:?}"),
    }
    shut_down(&opened, domid)?;
    end(opened)
}
