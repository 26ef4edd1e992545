//! The peer: does what a case on another host asks for.

use crate::cases::migration::{named, runs_alone, shut_down};
use crate::cases::pair::hands;
use crate::cases::xen::boot;
use crate::eventually::eventually;
use crate::hosts::{Adapter, Mode};
use crate::stage::{Opened, Stage};
use crate::tiers::peer::{By, Call, Ended, PATIENCE, Reply, Request, hear, say};
use crate::tiers::xen::{self, Dom0, Image};
use crate::tiers::{self, Machine, Tier};
use anyhow::{Context, ensure};
use futures_lite::future::block_on;
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Serves whoever connects, until the process is ended.
pub(crate) fn serve(address: SocketAddr, linux: Option<&Path>, libxl: Option<&Path>) -> anyhow::Result<()> {
    xen::check()?;
    let listener = TcpListener::bind(address).with_context(|| format!("cannot listen at {address}"))?;
    eprintln!("serving the cases of another host at {}", listener.local_addr()?);
    thread::scope(|scope| {
        for connection in listener.incoming() {
            let connection = connection?;
            scope.spawn(move || {
                // Whoever only looked whether this serves has said nothing.
                if let Err(error) = answer(connection, linux, libxl) {
                    eprintln!("a request: {error:#}");
                }
            });
        }
        Ok(())
    })
}

fn answer(mut connection: TcpStream, linux: Option<&Path>, libxl: Option<&Path>) -> anyhow::Result<()> {
    if connection.peek(&mut [0])? == 0 {
        return Ok(());
    }
    let Call { kind, request } = hear(&mut BufReader::new(&connection))?;
    let folder = tempfile::tempdir().context("no folder for a request's files")?;
    let done = (|| {
        let machine = Machine::start(Tier::Xen, folder.path(), linux, Some(kind), None)?;
        let (library, host) = (tiers::library(libxl)?, Adapter::Epoll.start()?);
        let stage = Stage::set(machine, Tier::Pair.limits(), host, Mode::Thread, folder.path(), library)?;
        let opened = stage.open()?;
        let reply = carry_out(&stage, &opened, request, &mut connection);
        opened.close()?;
        stage.finish()?;
        reply
    })();
    say(&mut connection, &done.unwrap_or_else(|error: anyhow::Error| Reply::Failed(format!("{error:#}"))))
}

fn carry_out(stage: &Stage, opened: &Opened, request: Request, connection: &mut TcpStream) -> anyhow::Result<Reply> {
    let (dom0, ctx) = (stage.machine.dom0()?, &opened.ctx);
    let find = |name: &str| ctx.find(name)?.with_context(|| format!("there is no {name}"));
    match request {
        Request::Release => {
            let release = stage.library.release();
            return Ok(Reply::Release(release.major(), release.minor()));
        }
        Request::Boot { name, memory_kib } => {
            boot(dom0, opened, &dom0.config_of(Image::Answering, &name, memory_kib)?)?;
        }
        Request::Fill { name, until_kib } => fill(dom0, opened, &name, until_kib)?,
        Request::RunsAlone { name } => runs_alone(dom0, ctx, &name, find(&name)?)?,
        Request::IsGone { name } => is_gone(opened, &name)?,
        Request::Speaks { name } => speaks(opened, &name)?,
        Request::ShutDown { name } => shut_down(opened, find(&name)?)?,
        Request::Destroy { name } => {
            for domid in named(ctx, &name)? {
                block_on(ctx.destroy(domid))?;
            }
        }
        Request::CleanUp { process } => xen::clean_up(process)?,
        Request::Receive { by, cut } => {
            let listener = TcpListener::bind((connection.local_addr()?.ip(), 0))?;
            say(connection, &Reply::Listening(listener.local_addr()?.port()))?;
            let (from, _) = listener.accept()?;
            let ended = match cut {
                None => hands::receive(opened, by, from)?,
                Some(length) => receive_until_cut(opened, by, from, length)?,
            };
            return Ok(Reply::Ended(ended));
        }
        Request::Send { by, name, port } => {
            let to = SocketAddr::new(connection.peer_addr()?.ip(), port);
            return Ok(Reply::Ended(hands::send(dom0, opened, by, &name, to)?));
        }
    }
    Ok(Reply::Done)
}

/// Waits for it without a pause only once there is a console to wait at: before, the migration has the processors.
fn speaks(opened: &Opened, name: &str) -> anyhow::Result<()> {
    const PAUSE: Duration = Duration::from_millis(10);
    let incoming = format!("{name}--incoming");
    let begun = Instant::now();
    let console = loop {
        let domid = opened.ctx.find(&incoming)?;
        let domid = if domid.is_none() { opened.ctx.find(name)? } else { domid };
        if let Some(console) = domid.and_then(|domid| opened.ctx.open_console(domid).ok()) {
            break console;
        }
        ensure!(begun.elapsed() < PATIENCE, "{name} does not come");
        thread::sleep(PAUSE);
    };
    let mut fds = [libc::pollfd { fd: console.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
    // SAFETY: one pollfd, writable during the call, of a file that lives longer.
    let found = unsafe { libc::poll(fds.as_mut_ptr(), 1, PATIENCE.as_millis() as i32) };
    ensure!(
        found == 1 && fds[0].revents & libc::POLLIN != 0,
        "{name} writes nothing: {:?}",
        io::Error::last_os_error()
    );
    Ok(())
}

/// No domain has a name that begins so.
pub(crate) fn is_gone(opened: &Opened, name: &str) -> anyhow::Result<()> {
    eventually("nothing of it is left", || named(&opened.ctx, name).is_ok_and(|left| left.is_empty()))
}

fn fill(dom0: &Dom0, opened: &Opened, name: &str, until_kib: u64) -> anyhow::Result<()> {
    // Not all that Xen counts as free can be had. In powers of two: a domain's memory is a number of pages.
    let mut size = 1 << (opened.ctx.free_memory_kib()? / 2).ilog2();
    let mut number = 0;
    while size >= until_kib {
        let config = dom0.config_of(Image::Idle, &format!("{name}-{number}"), Some(size))?;
        match block_on(opened.ctx.create(&config)) {
            Ok(_) => number += 1,
            Err(_) => size /= 2,
        }
    }
    Ok(())
}

/// Closes the connection when so many bytes have come, with more on the way.
fn receive_until_cut(opened: &Opened, by: By, mut source: TcpStream, length: usize) -> anyhow::Result<Ended> {
    let (mut near, far) = UnixStream::pair()?;
    let cutter = thread::spawn(move || -> io::Result<()> {
        let mut greeting = [0; 54];
        near.read_exact(&mut greeting)?;
        source.write_all(&greeting)?;
        io::copy(&mut (&source).take(length as u64), &mut near)?;
        // What has come and was not read has the source's kernel told of a reset.
        source.peek(&mut [0])?;
        Ok(())
    });
    let ended = hands::receive(opened, by, far);
    cutter.join().expect("it does not panic")?;
    ended
}
