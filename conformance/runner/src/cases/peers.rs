//! Migration with peers that are none: what libxl does of it without a hypervisor, up to its helper.

use crate::case::Case;
use crate::cases::device::no_child_is_left;
use crate::cases::save_file::{STREAM, header};
use crate::hosts::{Adapter, Mode};
use crate::stage::Stage;
use crate::tiers::Tier;
use anyhow::{Context, ensure};
use futures_lite::future::block_on;
use std::fs::File;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;
use xenlight::{Ctx, DomainConfig, DomainId, Error, MigrationState, MigrationStep, PeerFault, Receiving, Sending};

pub(crate) static TO_NOBODY: Case = Case {
    name: "migration-to-nobody",
    claim: "A target that is none, or that leaves before the transfer, is told, and the domain stays; so is one that leaves a pipe to which a domain is saved",
    clauses: &["E12", "E14"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: to_nobody,
};

pub(crate) static FROM_NOBODY: Case = Case {
    name: "migration-from-nobody",
    claim: "A source that is none, or that leaves anywhere before the transfer, is told, and no domain is left; nor of a pipe that ends there, or of a file when that is aborted at once",
    clauses: &["E14"],
    tiers: &[Tier::Libxl],
    adapters: Adapter::ALL,
    modes: Mode::ALL,
    run: from_nobody,
};

pub(crate) const GREETING: &[u8] = b"xl migration receiver ready, send binary domain data.\n";
const DOMAIN: DomainId = DomainId::new(5);

fn config() -> anyhow::Result<DomainConfig> {
    Ok(DomainConfig::from_json(
        r#"{"c_info":{"type":"pv","name":"tiny"},
            "b_info":{"max_vcpus":1,"max_memkb":4096,"target_memkb":4096,"kernel":"/nowhere","type.pv":{}}}"#,
    )?)
}

fn to_nobody(stage: &Stage) -> anyhow::Result<()> {
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    for (says, reads, fault) in [
        (&b""[..], 0, Some(PeerFault::Gone)),
        (
            b"bash: line 1: xl: command not found\n",
            0,
            Some(PeerFault::Said("bash: line 1: xl: command not found".into())),
        ),
        (&GREETING[..20], 0, Some(PeerFault::Said("xl migration receive".into()))),
        // It leaves without reading, and inside the header. Libxl finds then that the stand-in's domain cannot be saved.
        (GREETING, 0, None),
        (GREETING, 40, None),
    ] {
        let (near, mut far) = UnixStream::pair()?;
        let peer = thread::spawn(move || {
            far.write_all(says)?;
            far.read_exact(&mut vec![0; reads])
        });
        let error = block_on(ctx.migrate(DOMAIN, Sending::over(near.try_clone()?, near).config(config()?)));
        let error = error.err().with_context(|| format!("{says:?} was a target"))?;
        println!("{}, then {reads} bytes: {error}", String::from_utf8_lossy(says));
        peer.join().expect("a peer does not panic")?;
        let Error::Migration { step, state, reason } = error else { return Err(error.into()) };
        ensure!(state == MigrationState::AtSource && step <= MigrationStep::Transfer, "{step:?}, {state:?}");
        if let Some(fault) = fault {
            ensure!(matches!(&*reason, Error::Peer { fault: told, .. } if *told == fault), "{reason:?}");
        }
    }
    // A reader of a pipe that leaves at once, inside the header, and after it.
    for reads in [0, 40, header(&config()?.to_json()).len()] {
        let (mut from, to) = std::io::pipe()?;
        let reader = thread::spawn(move || from.read_exact(&mut vec![0; reads]));
        let error = block_on(ctx.save(DOMAIN, to, &config()?)).err().with_context(|| format!("{reads} bytes"))?;
        println!("saved to one who reads {reads} bytes: {error}");
        reader.join().expect("a reader does not panic")?;
    }
    let info = ctx.info(DOMAIN)?;
    ensure!(info.shutdown.is_none() && !info.paused && !info.dying, "it does not run: {info:?}");
    no_child_is_left()?;
    opened.close()
}

fn from_nobody(stage: &Stage) -> anyhow::Result<()> {
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let domids = || ctx.domains().map(|domains| domains.iter().map(|domain| domain.domid).collect::<Vec<_>>());
    let before = domids()?;
    let header = header(&config()?.to_json());
    let junk = [&header[..], &[7; 5000]].concat();
    let whole = [&header[..], STREAM].concat();
    for says in [
        &b""[..],
        b"GET / HTTP/1.1\r\nHost: example.com\r\nAccept: everything\r\n\r\n",
        &header[..20],
        &header[..header.len() - 1],
        &header,
        &junk,
        &whole[..whole.len() - 1],
        // Libxl gets this far, and destroys the domain that it made for it.
        &whole,
    ] {
        let error = refused(ctx, says)?;
        println!("{} bytes: {error}", says.len());
        let Error::Migration { step, state, .. } = &error else { return Err(error.into()) };
        let expected = if says.len() == whole.len() { MigrationStep::Transfer } else { MigrationStep::Greeting };
        ensure!(*step == expected && *state == MigrationState::AtSource, "{step:?}, {state:?}");
        ensure!(*step == MigrationStep::Greeting || !error.words().is_empty(), "without libxl's words: {error:?}");
        // A restore from a pipe that ends there.
        let (from, mut to) = std::io::pipe()?;
        to.write_all(says)?;
        drop(to);
        let error = block_on(ctx.restore(from)).err().context("it was a save file")?;
        println!("{} bytes in a pipe: {error}", says.len());
        ensure!(matches!(error, Error::SaveFile(_)) == (expected == MigrationStep::Greeting), "{error:?}");
    }
    // Before libxl has its helper.
    let path = stage.folder.join("saved");
    std::fs::write(&path, &whole)?;
    let restore = ctx.restore(File::open(&path)?);
    restore.abort()?;
    let error = block_on(restore).err().context("it was a save file")?;
    println!("a restore from a file, aborted at once: {error}");
    ensure!(domids()? == before, "a domain is left: {:?}", domids()?);
    no_child_is_left()?;
    opened.close()
}

/// What becomes of a source that says this and leaves.
fn refused(ctx: &Ctx, says: &[u8]) -> anyhow::Result<Error> {
    let (near, mut far) = UnixStream::pair()?;
    let received = ctx.receive(Receiving::over(near.try_clone()?, near));
    far.read_exact(&mut [0; GREETING.len()])?;
    far.write_all(says)?;
    far.shutdown(Shutdown::Write)?;
    block_on(received).err().context("it was a source")
}
