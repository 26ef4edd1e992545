use osevent_core::{Client, ClientValue, Interest, LockRule, OuterLock, Owner, Readiness, Registry, current_thread};
use osevent_epoll::Reactor;
use std::io::{PipeReader, Read, Write, pipe};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// The lock of libxl 4.2, which tells when somebody has to wait for it.
struct Outer {
    held: Mutex<bool>,
    freed: Condvar,
    waits: Sender<()>,
}

impl OuterLock for Outer {
    fn lock(&self) {
        let held = self.held.lock().unwrap();
        if *held {
            // Nobody listens any more after the first time.
            let _ = self.waits.send(());
        }
        *self.freed.wait_while(held, |held| *held).unwrap() = true;
    }

    fn unlock(&self) {
        *self.held.lock().unwrap() = false;
        self.freed.notify_one();
    }
}

/// Reads as libxl 4.2.0 does: it would wait for ever where nothing is there.
struct Trusting {
    reader: PipeReader,
    /// What happens first in an occurrence.
    act: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    /// What it was told, and whether that was so.
    seen: Mutex<Vec<(i16, bool)>>,
}

impl Client for Trusting {
    fn occurred_fd(&self, _: ClientValue, fd: RawFd, _: Interest, readiness: Readiness) {
        let act = self.act.lock().unwrap().take();
        if let Some(act) = act {
            act();
        }
        let mut now = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd, exclusively ours for the call.
        let is_there = unsafe { libc::poll(&raw mut now, 1, 0) } == 1;
        if is_there {
            (&self.reader).read_exact(&mut [0]).unwrap();
        }
        self.seen.lock().unwrap().push((readiness.to_poll(), is_there));
    }
    fn occurred_timeout(&self, _: ClientValue) {}
    fn release(&self) {}
}

impl Owner for Trusting {}

const READ: (i16, bool) = (libc::POLLIN, true);

#[test]
fn o4_of_two_threads_that_dispatch_one_does_not_report_what_the_other_has_read() {
    let reactor = Reactor::new().unwrap();
    let (reader, mut writer) = pipe().unwrap();
    let fd = reader.as_raw_fd();
    let (waits, told) = channel();
    let outer = Outer { held: Mutex::new(false), freed: Condvar::new(), waits };
    let rule = LockRule::Serialized(Box::new(outer));
    let registry = Registry::new(reactor.clone(), rule, current_thread, |_| Trusting {
        reader,
        act: Mutex::default(),
        seen: Mutex::default(),
    });
    let call = registry.enter().unwrap();
    registry.register_fd(fd, Interest::IN, ClientValue(1)).unwrap();
    drop(call);
    let seen = || std::mem::take(&mut *registry.client().seen.lock().unwrap());

    let (hand_over, handed_over) = channel();
    let other = reactor.clone();
    *registry.client().act.lock().unwrap() = Some(Box::new(move || {
        hand_over.send(thread::spawn(move || other.dispatch())).unwrap();
        // Forced: it has found the fd ready.
        told.recv_timeout(Duration::from_secs(20)).expect("it waits for the outer lock");
    }));
    writer.write_all(b"x").unwrap();
    assert_eq!(reactor.dispatch(), Ok(1));
    let other = handed_over.recv().unwrap().join().unwrap();
    assert_eq!(seen(), [READ], "4.2.0 would wait in read(2)");
    assert_eq!(other, Ok(0));

    // O10: it is watched as before.
    writer.write_all(b"yz").unwrap();
    assert_eq!((reactor.dispatch(), reactor.dispatch(), reactor.dispatch()), (Ok(1), Ok(1), Ok(0)));
    assert_eq!(seen(), [READ, READ]);
    registry.close();
}
