//! A program that does nothing but watch the domains of its arguments, for the goal P16: it prints what memory it has, in KiB.

#[path = "../memory_of.rs"]
mod memory_of;

use osevent_epoll::Reactor;
use rustix::event::{PollFd, PollFlags, poll};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::thread;
use xenlight::{Ctx, DomainId, Library};

fn main() -> anyhow::Result<()> {
    let domids = std::env::args().skip(1).map(|domid| domid.parse()).collect::<Result<Vec<u32>, _>>()?;
    let reactor = Reactor::new()?;
    let ctx = Ctx::open(&Library::load()?, reactor.clone())?;
    thread::spawn(move || -> anyhow::Result<()> {
        loop {
            // SAFETY: the reactor, which this thread keeps, has the fd open.
            let fd = unsafe { BorrowedFd::borrow_raw(reactor.as_raw_fd()) };
            poll(&mut [PollFd::new(&fd, PollFlags::IN)], None)?;
            reactor.dispatch()?;
        }
    });
    let watches =
        domids.into_iter().map(|domid| ctx.watch_death(DomainId::new(domid))).collect::<Result<Vec<_>, _>>()?;
    println!("{:?}", memory_of::this_process()?);
    drop(watches);
    Ok(())
}
