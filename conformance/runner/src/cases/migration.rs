//! Migration on a real Xen, from one ctx of dom0 to another one, and to and from xl.

use crate::case::DomainCase;
use crate::cases::device::no_child_is_left;
use crate::cases::life::expect;
use crate::cases::peers::GREETING;
use crate::cases::progress::{percents, watched};
use crate::cases::xen::{boot_answering, end};
use crate::eventually::eventually;
use crate::hosts::{Adapter, Mode};
use crate::stage::{Opened, Stage};
use crate::tiers::xen::{Dom0, Type};
use anyhow::{Context, ensure};
use futures_lite::future::{block_on, zip};
use osevent_conformance::outcome::Skip;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;
use xenlight::{
    Abort, Ctx, DomainId, Error, EventKind, MigrationState, MigrationStep, Operation, PeerFault, Progress, Receiving,
    Sending, ShutdownReason,
};

pub(crate) static MIGRATED: DomainCase = DomainCase {
    name: "xen-migrated",
    claim: "A domain migrates to another ctx, which reports its progress, and runs on there, under its name; nothing of it is left",
    clauses: &["E9", "E11", "O12"],
    types: &[Type::Pv, Type::Pvh],
    // calloop and smol stand on the same reactor, and this takes long.
    adapters: &[Adapter::Epoll, Adapter::Glib],
    modes: Mode::ALL,
    run: migrated,
};

pub(crate) static TO_XL: DomainCase = DomainCase {
    name: "xen-migrated-to-xl",
    claim: "A domain migrates to `xl migrate-receive` and runs on there; what is no receiver is told by its words",
    clauses: &["E9", "E11", "O12"],
    types: &[Type::Pv, Type::Pvh],
    adapters: &[Adapter::Glib],
    modes: Mode::ALL,
    run: to_xl,
};

pub(crate) static FROM_XL: DomainCase = DomainCase {
    name: "xen-migrated-from-xl",
    claim: "`xl migrate` sends a domain to a ctx, where it runs on",
    clauses: &["E9", "O12"],
    types: &[Type::Pv, Type::Pvh],
    adapters: &[Adapter::Glib],
    modes: Mode::ALL,
    run: from_xl,
};

pub(crate) static CUT: DomainCase = DomainCase {
    name: "xen-migration-cut",
    claim: "Wherever the connection of a migration is cut, the domain runs once, or both sides know that nobody knows, and nothing is left",
    clauses: &["E14"],
    // A transfer of the Linux that a PV domain has takes long.
    types: &[Type::Pvh],
    adapters: &[Adapter::Glib],
    // A minute and more; the migration's own thread is the same in both.
    modes: &[Mode::Thread],
    run: cut,
};

pub(crate) static ABORTED: DomainCase = DomainCase {
    name: "xen-migration-aborted",
    claim: "A migration that is aborted at either side, or whose ctx is closed, leaves the domain running at the source; that a domain is destroyed meanwhile is told",
    clauses: &["E6", "E14", "X3"],
    // A transfer of the Linux that a PV domain has takes long.
    types: &[Type::Pvh],
    adapters: &[Adapter::Glib],
    // As above; and a close is worth trying on the loop.
    modes: &[Mode::Loop],
    run: aborted,
};

fn migrated(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let (source, target) = (stage.open()?, stage.open()?);
    let name = dom0.name("answering");
    let domid = boot_answering(dom0, &source, &name)?;
    let watch = source.ctx.watch_death(domid)?;
    let uuid = source.ctx.info(domid)?.uuid;
    let (near, far) = UnixStream::pair()?;
    let sent = send(dom0, &source.ctx, domid, near)?;
    let second = block_on(send(dom0, &source.ctx, domid, UnixStream::pair()?.0)?);
    ensure!(matches!(second, Err(Error::BeingMigrated { .. })), "a second migration of the domain: {second:?}");
    let ((sent, told_of_sending), (received, told_of_receiving)) =
        block_on(zip(watched(sent), watched(receive(&target.ctx, far)?)));
    let received = received?;
    sent?;
    let percents = percents(&told_of_sending)?;
    ensure!(percents.len() > 1 && percents.last() == Some(&100), "sending has reported {percents:?}");
    let expected = [Progress::Receiving(uuid), Progress::Console(received)];
    ensure!(told_of_receiving == expected, "receiving has reported {told_of_receiving:?}");
    expect(&source.events, domid, &watch, &EventKind::Shutdown(ShutdownReason::Suspend))?;
    expect(&source.events, domid, &watch, &EventKind::Death)?;
    drop(watch);
    runs_alone(dom0, &target.ctx, &name, received)?;
    shut_down(&target, received)?;
    end(source)?;
    end(target)
}

fn to_xl(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let opened = stage.open()?;
    let ctx = &opened.ctx;
    let name = dom0.name("answering");
    let domid = boot_answering(dom0, &opened, &name)?;

    let (mut shell, sent) =
        send_to(dom0, ctx, domid, Command::new("sh").args(["-c", "echo sh: xl: not found; exit 127"]))?;
    let error = block_on(sent).err().context("a shell was taken for a receiver")?;
    println!("a shell: {error}");
    let (step, state, reason) = migration(error)?;
    ensure!(step == MigrationStep::Greeting && state == MigrationState::AtSource, "{step:?}, {state:?}");
    let said = PeerFault::Said("sh: xl: not found".into());
    ensure!(matches!(&reason, Error::Peer { fault, .. } if *fault == said), "{reason:?}");
    shell.wait()?;
    runs_alone(dom0, ctx, &name, domid)?;

    let (mut xl, sent) = send_to(dom0, ctx, domid, Command::new("xl").args(["migrate-receive", "-e"]))?;
    block_on(sent)?;
    ensure!(xl.wait()?.success(), "xl migrate-receive failed");
    let received = ctx.find(&name)?.context("xl has not received it")?;
    runs_alone(dom0, ctx, &name, received)?;
    shut_down(&opened, received)?;
    end(opened)
}

fn from_xl(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    if !dom0.migrates_live()? {
        return Err(Skip(
            "xl migrates live only, which this Xen cannot do with PV domains: it has no shadow paging".into(),
        )
        .into());
    }
    let opened = stage.open()?;
    let name = dom0.name("answering");
    boot_answering(dom0, &opened, &name)?;
    let (there, back) = (fifo(&stage.folder.join("there"))?, fifo(&stage.folder.join("back"))?);
    // xl's own ssh: a background job would have another standard input.
    let bridge = format!("exec 3<&0; cat <&3 >{there} & exec cat <{back}");
    let mut xl = Command::new("xl").args(["migrate", "-s", "", &name, &bridge]).spawn().context("cannot run xl")?;
    // Each open waits for the other side's.
    let (from, to) = (File::open(&there)?, File::create(&back)?);
    let received = block_on(opened.ctx.receive(Receiving::over(from, to)))?;
    ensure!(xl.wait()?.success(), "xl migrate failed");
    runs_alone(dom0, &opened.ctx, &name, received)?;
    shut_down(&opened, received)?;
    end(opened)
}

/// Where the connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Greeting,
    Configuration,
    /// After so many bytes from the source.
    Stream(usize),
    Received,
    /// The source cannot write the permission.
    Deaf,
    Permission,
    /// The target cannot write the report.
    Mute,
    Report,
}

fn cut(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let (source, target) = (stage.open()?, stage.open()?);
    let name = dom0.name("answering");
    let mut domid = boot_answering(dom0, &source, &name)?;
    let at_source = || Some(MigrationState::AtSource);
    let away = format!("{name}--migratedaway");
    let unknown = || Some(MigrationState::Unknown { name: away.clone() });
    let here = || Some(MigrationState::AtTarget { name: name.clone() });
    for (cut, at_sender, at_receiver) in [
        (Cut::Greeting, at_source(), at_source()),
        (Cut::Configuration, at_source(), at_source()),
        // In the header, and in the stream.
        (Cut::Stream(20), at_source(), at_source()),
        (Cut::Stream(100_000), at_source(), at_source()),
        (Cut::Received, at_source(), at_source()),
        (Cut::Deaf, at_source(), at_source()),
        (Cut::Permission, unknown(), at_source()),
        (Cut::Mute, unknown(), here()),
        // To the target it is sent.
        (Cut::Report, unknown(), None),
    ] {
        let (near, middle) = UnixStream::pair()?;
        let (far_middle, far) = UnixStream::pair()?;
        let cutter = thread::spawn(move || cut_at(cut, middle, far_middle));
        let (sent, received) = block_on(zip(send(dom0, &source.ctx, domid, near)?, receive(&target.ctx, far)?));
        cutter.join().expect("the cutter does not panic").with_context(|| format!("{cut:?}"))?;
        println!(
            "{cut:?}: {:?}; {:?}",
            sent.as_ref().map_err(ToString::to_string),
            received.as_ref().map_err(ToString::to_string)
        );
        let received = received.map(|_| None).unwrap_or_else(|error| migration(error).ok().map(|(_, state, _)| state));
        let sent = sent.map(|()| None).unwrap_or_else(|error| migration(error).ok().map(|(_, state, _)| state));
        ensure!((&sent, &received) == (&at_sender, &at_receiver), "{cut:?}: {sent:?} and {received:?}");
        // What an admin does where nobody knows.
        if sent == unknown() {
            let left = source.ctx.find(&away)?.context("the source has lost it")?;
            // It may run at the target: a second try must not have it go on here.
            let again = block_on(send(dom0, &source.ctx, left, UnixStream::pair()?.0)?);
            ensure!(matches!(again, Err(Error::StandsStill { .. })), "{cut:?}: {again:?}");
            ensure!(source.ctx.info(left)?.shutdown == Some(ShutdownReason::Suspend), "{cut:?}: it is not suspended");
            match target.ctx.find(&name)? {
                Some(_) => block_on(source.ctx.destroy(left))?,
                None => {
                    source.ctx.rename(left, &name)?;
                    block_on(source.ctx.resume(left))?;
                }
            }
        }
        domid = target.ctx.find(&name)?.with_context(|| format!("{cut:?}: it is gone"))?;
        runs_alone(dom0, &target.ctx, &name, domid).with_context(|| format!("{cut:?}"))?;
    }
    renamed_meanwhile(dom0, &source, domid, &name)?;
    shut_down(&target, domid)?;
    end(source)?;
    end(target)
}

/// Another program gives the domain another name during the migration: it goes on here, and is told under that name.
fn renamed_meanwhile(dom0: &Dom0, source: &Opened, domid: DomainId, name: &str) -> anyhow::Result<()> {
    let (near, mut far) = UnixStream::pair()?;
    let sent = send(dom0, &source.ctx, domid, near)?;
    far.write_all(GREETING)?;
    let mut reads = far.try_clone()?;
    let reader = thread::spawn(move || io::copy(&mut reads, &mut io::sink()));
    eventually("the domain is suspended", || {
        source.ctx.info(domid).is_ok_and(|info| info.shutdown == Some(ShutdownReason::Suspend))
    })?;
    let other = format!("{name}-renamed");
    source.ctx.rename(domid, &other)?;
    far.write_all(b"domain received, ready to unpause\0")?;
    let error = block_on(sent).err().context("the domain had another name")?;
    println!("renamed meanwhile: {error}");
    let (step, state, _) = migration(error)?;
    let expected = MigrationState::Renamed { name: other.clone() };
    ensure!((step, &state) == (MigrationStep::Permission, &expected), "{step:?}, {state:?}");
    let _ = reader.join().expect("a reader does not panic");
    runs_alone(dom0, &source.ctx, &other, domid)?;
    Ok(source.ctx.rename(domid, name)?)
}

/// Connects both sides, and closes the connections at that point.
fn cut_at(cut: Cut, mut source: UnixStream, mut target: UnixStream) -> io::Result<()> {
    let pass = |from: &mut UnixStream, to: &mut UnixStream, length: usize| {
        let mut message = vec![0; length];
        from.read_exact(&mut message)?;
        to.write_all(&message)
    };
    let hear = |from: &mut UnixStream, length: usize| {
        let mut message = vec![0; length];
        from.read_exact(&mut message).map(|()| message)
    };
    let greeting = hear(&mut target, 54)?;
    if cut == Cut::Greeting {
        return Ok(());
    }
    source.write_all(&greeting)?;
    if cut == Cut::Configuration {
        return Ok(());
    }
    if let Cut::Stream(length) = cut {
        return pass(&mut source, &mut target, length);
    }
    let stream = {
        let (mut source, mut target) = (source.try_clone()?, target.try_clone()?);
        let mut permission = Vec::new();
        thread::spawn(move || -> io::Result<Vec<u8>> {
            // The permission is the end of what the source says, and comes alone: it waits for the target.
            let mut bytes = vec![0; 1 << 16];
            loop {
                let length = source.read(&mut bytes)?;
                if length == 0 || bytes[..length].starts_with(b"domain is yours") {
                    permission.extend(&bytes[..length]);
                    return Ok(permission);
                }
                target.write_all(&bytes[..length])?;
            }
        })
    };
    let received = hear(&mut target, 34)?;
    if cut == Cut::Received || cut == Cut::Deaf {
        // The thread that copies ends with this, and nothing more can be written by the source.
        source.shutdown(Shutdown::Read)?;
        if cut == Cut::Deaf {
            source.write_all(&received)?;
        }
        let _ = stream.join().expect("it does not panic");
        return Ok(());
    }
    source.write_all(&received)?;
    let permission = stream.join().expect("it does not panic")?;
    if cut == Cut::Permission {
        return Ok(());
    }
    if cut == Cut::Mute {
        target.shutdown(Shutdown::Read)?;
        return target.write_all(&permission);
    }
    target.write_all(&permission)?;
    let report = hear(&mut target, 40)?;
    source.write_all(&report[..39])
}

fn aborted(stage: &Stage) -> anyhow::Result<()> {
    let dom0 = stage.machine.dom0()?;
    let (source, target) = (stage.open()?, stage.open()?);
    let name = dom0.name("answering");
    let domid = boot_answering(dom0, &source, &name)?;
    // No peer says anything, then it does not read.
    for greets in [false, true] {
        let (near, mut far) = UnixStream::pair()?;
        let sent = send(dom0, &source.ctx, domid, near)?;
        if greets {
            far.write_all(GREETING)?;
            far.read_exact(&mut [0; 4096])?;
        }
        ensure!(sent.abort()? == Abort::Requested);
        let error = block_on(sent).err().context("it was aborted")?;
        println!("aborted, greeted: {greets}: {error}");
        ensure!(error.is_aborted(), "{error:?}");
        ensure!(migration(error)?.1 == MigrationState::AtSource);
        runs_alone(dom0, &source.ctx, &name, domid)?;
    }
    suspended_late(dom0, &source, domid, &name)?;
    // The target, when it has the whole domain.
    let (near, middle) = UnixStream::pair()?;
    let (far_middle, far) = UnixStream::pair()?;
    let (sent, received) = (send(dom0, &source.ctx, domid, near)?, receive(&target.ctx, far)?);
    let (mut from_target, mut to_source) = (far_middle.try_clone()?, middle.try_clone()?);
    let copier = thread::spawn(move || io::copy(&mut &middle, &mut &far_middle));
    let mut greeting = [0; 54];
    from_target.read_exact(&mut greeting)?;
    to_source.write_all(&greeting)?;
    from_target.read_exact(&mut [0; 34])?;
    let copy = target.ctx.find(&format!("{name}--incoming"))?.context("the copy has another name")?;
    ensure!(target.ctx.info(copy)?.paused, "the copy runs before the source has permitted it");
    ensure!(received.abort()? == Abort::Requested);
    let error = block_on(received).err().context("it was aborted")?;
    println!("aborted at the target: {error}");
    ensure!(error.is_aborted() && migration(error)?.1 == MigrationState::AtSource);
    to_source.shutdown(Shutdown::Both)?;
    let error = block_on(sent).err().context("its target was aborted")?;
    ensure!(migration(error)?.1 == MigrationState::AtSource);
    let _ = copier.join().expect("it does not panic");
    runs_alone(dom0, &source.ctx, &name, domid)?;

    // A close, in the middle of the stream.
    let (near, mut far) = UnixStream::pair()?;
    let sent = send(dom0, &source.ctx, domid, near)?;
    far.write_all(&greeting)?;
    far.read_exact(&mut [0; 8192])?;
    source.close()?;
    let error = block_on(sent).err().context("its ctx was closed")?;
    println!("closed: {error}");
    ensure!(error.is_aborted() && migration(error)?.1 == MigrationState::AtSource);
    runs_alone(dom0, &target.ctx, &name, domid)?;
    destroyed_meanwhile(dom0, &target, domid, &name)?;
    end(target)
}

/// Another program destroys the domain in the middle of its migration.
fn destroyed_meanwhile(dom0: &Dom0, source: &Opened, domid: DomainId, name: &str) -> anyhow::Result<()> {
    let (near, mut far) = UnixStream::pair()?;
    let sent = send(dom0, &source.ctx, domid, near)?;
    far.write_all(GREETING)?;
    far.read_exact(&mut [0; 8192])?;
    dom0.xl(&["destroy", name])?;
    let reader = thread::spawn(move || io::copy(&mut far, &mut io::sink()));
    let error = block_on(sent).err().context("the domain was destroyed")?;
    println!("destroyed meanwhile: {error}");
    let (step, state, reason) = migration(error)?;
    ensure!((step, &state) == (MigrationStep::Transfer, &MigrationState::Gone), "{step:?}, {state:?}: {reason}");
    let _ = reader.join().expect("a reader does not panic");
    eventually("nothing is left", || named(&source.ctx, name).is_ok_and(|all| all.is_empty()))
}

/// One that is paused does not suspend before it goes on, long after the abort.
fn suspended_late(dom0: &Dom0, source: &Opened, domid: DomainId, name: &str) -> anyhow::Result<()> {
    const LONGER_THAN_MOST: Duration = Duration::from_secs(4);
    block_on(source.ctx.pause(domid))?;
    let (near, mut far) = UnixStream::pair()?;
    let sent = send(dom0, &source.ctx, domid, near)?;
    far.write_all(GREETING)?;
    let reader = thread::spawn(move || io::copy(&mut far, &mut io::sink()));
    let request = format!("/local/domain/{domid}/control/shutdown");
    eventually("it is asked to suspend", || {
        dom0.store("read", &[&request]).is_ok_and(|request| request.trim() == "suspend")
    })?;
    ensure!(sent.abort()? == Abort::Requested);
    // How late it is, is what is tried.
    thread::sleep(LONGER_THAN_MOST);
    block_on(source.ctx.unpause(domid))?;
    let error = block_on(sent).err().context("it was aborted")?;
    println!("aborted, and suspended late: {error}");
    ensure!(error.is_aborted() && migration(error)?.1 == MigrationState::AtSource);
    let _ = reader.join().expect("a reader does not panic");
    runs_alone(dom0, &source.ctx, name, domid)
}

pub(crate) fn send(dom0: &Dom0, ctx: &Ctx, domid: DomainId, connection: UnixStream) -> anyhow::Result<Operation<()>> {
    let sending = Sending::over(connection.try_clone()?, connection).live(dom0.migrates_live()?);
    Ok(ctx.migrate(domid, sending))
}

pub(crate) fn receive(ctx: &Ctx, connection: UnixStream) -> io::Result<Operation<DomainId>> {
    Ok(ctx.receive(Receiving::over(connection.try_clone()?, connection)))
}

/// Sends it to the standard input of a program.
fn send_to(dom0: &Dom0, ctx: &Ctx, domid: DomainId, program: &mut Command) -> anyhow::Result<(Child, Operation<()>)> {
    let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot run it")?;
    let (to, from) = (child.stdin.take().context("piped")?, child.stdout.take().context("piped")?);
    Ok((child, ctx.migrate(domid, Sending::over(to, from).live(dom0.migrates_live()?))))
}

fn migration(error: Error) -> anyhow::Result<(MigrationStep, MigrationState, Error)> {
    match error {
        Error::Migration { step, state, reason } => Ok((step, state, *reason)),
        error => Err(error.into()),
    }
}

/// The domain runs, and no other has a name that begins like its own.
pub(crate) fn runs_alone(dom0: &Dom0, ctx: &Ctx, name: &str, domid: DomainId) -> anyhow::Result<()> {
    let info = ctx.info(domid)?;
    ensure!(info.shutdown.is_none() && !info.paused && !info.dying, "it does not run: {info:?}");
    ensure!(ctx.name(domid)?.as_deref() == Some(name), "its name is {:?}", ctx.name(domid)?);
    eventually("there is no other", || named(ctx, name).is_ok_and(|all| all.len() == 1))
        .with_context(|| dom0.xl(&["list"]).unwrap_or_default())
}

/// The domains whose names begin so, without those that are destroyed and that Xen lists for a while.
pub(crate) fn named(ctx: &Ctx, name: &str) -> anyhow::Result<Vec<DomainId>> {
    let is_named = |domid| ctx.name(domid).ok().flatten().is_some_and(|other| other.starts_with(name));
    let domains = ctx.domains()?.into_iter().filter(|domain| !domain.dying && is_named(domain.domid));
    Ok(domains.map(|domain| domain.domid).collect())
}

/// That it answers shows that it runs.
pub(crate) fn shut_down(opened: &Opened, domid: DomainId) -> anyhow::Result<()> {
    let watch = opened.ctx.watch_death(domid)?;
    block_on(opened.ctx.shutdown(domid))?;
    expect(&opened.events, domid, &watch, &EventKind::Shutdown(ShutdownReason::Poweroff))?;
    block_on(opened.ctx.destroy(domid))?;
    expect(&opened.events, domid, &watch, &EventKind::Death)?;
    drop(watch);
    no_child_is_left()
}

fn fifo(path: &Path) -> anyhow::Result<String> {
    let path = path.to_str().context("a path of ours")?.to_owned();
    ensure!(Command::new("mkfifo").arg(&path).status()?.success(), "cannot make {path}");
    Ok(path)
}
