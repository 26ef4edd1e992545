//! Migration between two hosts, each with a Xen of its own.

pub(crate) mod figures;
mod hands;
pub(crate) mod serve;

use crate::case::DomainCase;
use crate::cases::migration::{runs_alone, shut_down};
use crate::cases::xen::{boot, end};
use crate::eventually::eventually;
use crate::hosts::{Adapter, Mode};
use crate::stage::{Opened, Stage};
use crate::tiers::peer::{By, Ended, Peer, Request};
use crate::tiers::xen::{Dom0, Image, Type};
use anyhow::{Context, ensure};
use serve::is_gone;
use std::net::{SocketAddr, TcpListener};
use xenlight::Release;

pub(crate) static THERE: DomainCase = DomainCase {
    name: "pair-there",
    claim: "A domain migrates to another host and runs on there, or, if that one's Xen is older and refuses it, here",
    clauses: &["E9", "O12"],
    types: &[Type::Pv, Type::Pvh],
    adapters: &[Adapter::Glib],
    modes: Mode::ALL,
    run: there,
};

pub(crate) static BACK: DomainCase = DomainCase {
    name: "pair-back",
    claim: "A domain of another host migrates to this one and runs on, or, if this one's Xen is older and refuses it, there",
    clauses: &["E9", "O12"],
    types: &[Type::Pv, Type::Pvh],
    adapters: &[Adapter::Glib],
    modes: Mode::ALL,
    run: back,
};

pub(crate) static TO_XL: DomainCase = DomainCase {
    name: "pair-to-xl",
    claim: "A domain migrates to `xl migrate-receive` on another host",
    clauses: &["E9", "O12"],
    types: &[Type::Pvh],
    adapters: &[Adapter::Glib],
    modes: &[Mode::Loop],
    run: to_xl,
};

pub(crate) static FROM_XL: DomainCase = DomainCase {
    name: "pair-from-xl",
    claim: "`xl migrate` on another host sends a domain here",
    clauses: &["E9", "O12"],
    types: &[Type::Pvh],
    adapters: &[Adapter::Glib],
    modes: &[Mode::Thread],
    run: from_xl,
};

pub(crate) static CUT: DomainCase = DomainCase {
    name: "pair-cut",
    claim: "When the connection to another host is reset in mid-stream, the domain runs on here, and nothing of it is left there",
    clauses: &["E14"],
    types: &[Type::Pvh],
    adapters: &[Adapter::Glib],
    modes: &[Mode::Loop],
    run: cut,
};

pub(crate) static NO_MEMORY: DomainCase = DomainCase {
    name: "pair-no-memory",
    claim: "A domain that is too large for the other host's free memory runs on here, and both sides say so",
    clauses: &["E14"],
    types: &[Type::Pvh],
    adapters: &[Adapter::Glib],
    modes: &[Mode::Thread],
    run: no_memory,
};

pub(crate) static NAME_TAKEN: DomainCase = DomainCase {
    name: "pair-name-taken",
    claim: "A domain whose name is taken at the other host runs on here, and both sides say so; the other one runs on, too",
    clauses: &["E14"],
    types: &[Type::Pvh],
    adapters: &[Adapter::Glib],
    modes: &[Mode::Loop],
    run: name_taken,
};

/// The memory of a domain without a system, in KiB: enough for a stream that takes a while.
const SIZE: u64 = 32 << 10;

fn there(stage: &Stage) -> anyhow::Result<()> {
    to_the_peer(stage, By::Xenlight)
}

fn to_xl(stage: &Stage) -> anyhow::Result<()> {
    to_the_peer(stage, By::Xl)
}

fn back(stage: &Stage) -> anyhow::Result<()> {
    from_the_peer(stage, By::Xenlight)
}

fn from_xl(stage: &Stage) -> anyhow::Result<()> {
    from_the_peer(stage, By::Xl)
}

fn to_the_peer(stage: &Stage, target: By) -> anyhow::Result<()> {
    let (dom0, peer, opened) = (stage.machine.dom0()?, stage.machine.peer()?, stage.open()?);
    let name = dom0.name("answering");
    boot(dom0, &opened, &dom0.config_of(Image::Answering, &name, size(dom0))?)?;
    let [sent, received] = send(dom0, peer, &opened, &name, target, None)?;
    println!("from here: {sent}\nat the other host: {received}");
    if is_taken(stage.library.release(), peer.release()?, &sent, &received)? {
        is_gone(&opened, &name)?;
        peer.tell(Request::RunsAlone { name: name.clone() })?;
        peer.tell(Request::ShutDown { name })?;
        end(opened)
    } else {
        ended_here(dom0, peer, opened, &name)
    }
}

fn from_the_peer(stage: &Stage, source: By) -> anyhow::Result<()> {
    let (dom0, peer, opened) = (stage.machine.dom0()?, stage.machine.peer()?, stage.open()?);
    let name = dom0.name("answering");
    peer.tell(Request::Boot { name: name.clone(), memory_kib: size(dom0) })?;
    let listener = TcpListener::bind(("0.0.0.0", 0))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let mut sending = peer.ask(Request::Send { by: source, name: name.clone(), port })?;
    let mut connection = None;
    eventually("the other host connects", || {
        connection = listener.accept().ok();
        connection.is_some()
    })?;
    let (connection, _) = connection.context("just seen")?;
    connection.set_nonblocking(false)?;
    let received = hands::receive(&opened, By::Xenlight, connection)?;
    let sent = sending.ended()?;
    println!("from the other host: {sent}\nhere: {received}");
    if is_taken(peer.release()?, stage.library.release(), &sent, &received)? {
        peer.tell(Request::IsGone { name: name.clone() })?;
        let domid = opened.ctx.find(&name)?.context("it is not here")?;
        runs_alone(dom0, &opened.ctx, &name, domid)?;
        shut_down(&opened, domid)?;
    } else {
        is_gone(&opened, &name)?;
        peer.tell(Request::RunsAlone { name: name.clone() })?;
        peer.tell(Request::ShutDown { name })?;
    }
    end(opened)
}

fn cut(stage: &Stage) -> anyhow::Result<()> {
    let (dom0, peer, opened) = (stage.machine.dom0()?, stage.machine.peer()?, stage.open()?);
    let name = dom0.name("answering");
    boot(dom0, &opened, &dom0.config_of(Image::Answering, &name, Some(SIZE))?)?;
    let [sent, received] = send(dom0, peer, &opened, &name, By::Xenlight, Some(10_000_000))?;
    println!("here: {sent}\nat the other host: {received}");
    failed(&["Transfer"], "the end of the transfer", &sent)?;
    failed(&["Transfer"], "", &received)?;
    ended_here(dom0, peer, opened, &name)
}

fn no_memory(stage: &Stage) -> anyhow::Result<()> {
    let (dom0, peer, opened) = (stage.machine.dom0()?, stage.machine.peer()?, stage.open()?);
    let (name, large) = (dom0.name("answering"), dom0.name("large"));
    boot(dom0, &opened, &dom0.config_of(Image::Answering, &name, Some(2 * SIZE))?)?;
    peer.tell(Request::Fill { name: large.clone(), until_kib: SIZE / 2 })?;
    for target in [By::Xenlight, By::Xl] {
        let [sent, received] = send(dom0, peer, &opened, &name, target, None)?;
        println!("here: {sent}\nat the other host: {received}");
        refused(&sent, &received)?;
        let domid = opened.ctx.find(&name)?.context("it is not here any more")?;
        runs_alone(dom0, &opened.ctx, &name, domid)?;
        peer.tell(Request::IsGone { name: name.clone() })?;
    }
    peer.tell(Request::Destroy { name: large })?;
    ended_here(dom0, peer, opened, &name)
}

fn name_taken(stage: &Stage) -> anyhow::Result<()> {
    let (dom0, peer, opened) = (stage.machine.dom0()?, stage.machine.peer()?, stage.open()?);
    let name = dom0.name("answering");
    let domid = boot(dom0, &opened, &dom0.config(Image::Answering, &name)?)?;
    peer.tell(Request::Boot { name: name.clone(), memory_kib: None })?;
    for target in [By::Xenlight, By::Xl] {
        let [sent, received] = send(dom0, peer, &opened, &name, target, None)?;
        println!("here: {sent}\nat the other host: {received}");
        failed(&["Start"], "it failed", &sent)?;
        failed(&["Start"], &name, &received)?;
        runs_alone(dom0, &opened.ctx, &name, domid)?;
        // And no NAME--incoming.
        peer.tell(Request::RunsAlone { name: name.clone() })?;
    }
    peer.tell(Request::ShutDown { name: name.clone() })?;
    ended_here(dom0, peer, opened, &name)
}

/// Has the domain sent from here to there; how it ended at both sides.
fn send(
    dom0: &Dom0,
    peer: &Peer,
    opened: &Opened,
    name: &str,
    target: By,
    cut: Option<usize>,
) -> anyhow::Result<[Ended; 2]> {
    let mut receiving = peer.ask(Request::Receive { by: target, cut })?;
    let to = SocketAddr::new(peer.host(), receiving.listening()?);
    let sent = hands::send(dom0, opened, By::Xenlight, name, to)?;
    Ok([sent, receiving.ended()?])
}

/// Whether a domain of that release has moved to this one. Only an older one may refuse it, and both sides say what has become of it.
fn is_taken(source: Release, target: Release, sent: &Ended, received: &Ended) -> anyhow::Result<bool> {
    if source > target && *received != Ended::Well {
        refused(sent, received)?;
        return Ok(false);
    }
    ensure!((sent, received) == (&Ended::Well, &Ended::Well), "{sent}; {received}");
    Ok(true)
}

/// The target's libxl said why it does not take the domain, and the source noticed that while it sent it or when all was sent.
fn refused(sent: &Ended, received: &Ended) -> anyhow::Result<()> {
    failed(&["Transfer", "Received"], "", sent)?;
    failed(&["Transfer"], "libxl", received)
}

/// It failed at one of these steps, the domain is at the source, and that is part of the reason.
fn failed(at: &[&str], why: &str, ended: &Ended) -> anyhow::Result<()> {
    let is_so = match ended {
        Ended::Failed { step, state, reason } => at.contains(&&**step) && state == "AtSource" && reason.contains(why),
        Ended::Xl { words } => words.contains(why),
        Ended::Well => false,
    };
    ensure!(is_so, "instead of {at:?}, {why:?}: {ended}");
    Ok(())
}

/// The domain has stayed here, and nothing of it is there.
fn ended_here(dom0: &Dom0, peer: &Peer, opened: Opened, name: &str) -> anyhow::Result<()> {
    peer.tell(Request::IsGone { name: name.to_owned() })?;
    let domid = opened.ctx.find(name)?.context("it is not here any more")?;
    runs_alone(dom0, &opened.ctx, name, domid)?;
    shut_down(&opened, domid)?;
    end(opened)
}

/// A Linux has the memory that it needs.
fn size(dom0: &Dom0) -> Option<u64> {
    (dom0.kind != Type::Pv).then_some(SIZE)
}
