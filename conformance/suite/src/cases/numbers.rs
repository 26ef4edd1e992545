//! Numbers and files of fds: what becomes of them once they are deregistered.

use super::registration::{expect_served, watch};
use crate::boundary::Rule;
use crate::directed::{BOTH, BoundaryCase, Setting, breaks, demand};
use crate::files::Ready;
use crate::puppet::{Puppet, Registration};
use libc::{POLLIN, POLLOUT};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

pub(super) static REUSED: BoundaryCase = BoundaryCase {
    name: "number-reused-in-a-batch",
    claim: "Of two fds that became ready together, the second is deregistered in the first one's occurrence and its number registered for \
            another file: the old one's readiness is not reported to it, and its own is",
    clauses: &["R8"],
    rules: BOTH,
    sources: &["libvir-list, 16 January 2013, \"RFC: libxl race fixes\", the first race"],
    run: reused,
};

pub(super) static AGAIN: BoundaryCase = BoundaryCase {
    name: "registered-again",
    claim: "An fd is deregistered and registered for something else: at once, after turns of the loop, or once its number has named another file \
            meanwhile, while its own stayed open elsewhere; each time it occurs",
    clauses: &["R8"],
    rules: BOTH,
    sources: &[],
    run: again,
};

pub(super) static FILE_STAYS_OPEN: BoundaryCase = BoundaryCase {
    name: "deregistered-file-stays-open",
    claim: "A file that is ready and stays open in another fd, as in a forked child, is out of the loop once its fd was deregistered and closed",
    clauses: &["S5", "R8"],
    rules: BOTH,
    sources: &[],
    run: file_stays_open,
};

pub(super) static FILE_IS_CLOSED: BoundaryCase = BoundaryCase {
    name: "deregistered-file-is-closed",
    claim: "Who deregisters an fd and closes it has closed the file: the other side sees the end",
    clauses: &["R8", "S5"],
    rules: BOTH,
    sources: &[],
    run: file_is_closed,
};

/// Two fds that are ready at once.
struct Pair {
    files: [Arc<Ready>; 2],
    registrations: [Registration; 2],
    /// Once the first has occurred: which one is the second, and its number's next registration.
    swapped: Mutex<Option<(usize, Registration)>>,
}

impl Pair {
    fn swapped(&self) -> Option<(usize, Registration)> {
        *self.swapped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the other one's number away, and has it registered for a file that is not ready.
    fn swap(&self, puppet: &Puppet, other: usize) -> anyhow::Result<()> {
        let number = &self.files[other];
        puppet.deregister(self.registrations[other])?;
        number.become_file_of(&Ready::new()?)?;
        // Takes the value, so that an occurrence of the past is told from one of the new registration.
        watch(puppet)?;
        let again = puppet.fd(number.fd(), POLLIN)?;
        let read = number.clone();
        puppet.on(again, move |_| read.unset().map(|_| ()));
        *self.swapped.lock().unwrap_or_else(PoisonError::into_inner) = Some((other, again));
        Ok(())
    }
}

fn reused(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    for elsewhere in [false, true] {
        // Another thread's call has to wait there until the occurrence is over.
        if elsewhere && setting.rule() == Rule::Serialized {
            continue;
        }
        let files = [Arc::new(Ready::new()?), Arc::new(Ready::new()?)];
        let registrations = [opened.fd(files[0].fd(), POLLIN)?, opened.fd(files[1].fd(), POLLIN)?];
        let pair = Arc::new(Pair { files, registrations, swapped: Mutex::default() });
        for at in [0, 1] {
            let pair = pair.clone();
            opened.on(registrations[at], move |puppet| {
                pair.files[at].unset()?;
                if pair.swapped().is_some() {
                    return Ok(());
                }
                if !elsewhere {
                    return pair.swap(puppet, 1 - at);
                }
                std::thread::scope(|scope| scope.spawn(|| pair.swap(puppet, 1 - at)).join())
                    .unwrap_or_else(|_| Err(anyhow::anyhow!("the other thread panicked")))
            });
        }
        let both = pair.clone();
        // The loop is inside an occurrence while both become ready.
        opened.in_loop(move |_| both.files.iter().try_for_each(|file| file.set()))?;
        opened.go_round(4)?;
        let Some((second, again)) = pair.swapped() else {
            return Err(breaks("O10", "of two fds that are ready neither occurred"));
        };
        demand("R8", opened.count(again) == 0, || {
            "the readiness of a file that was deregistered is reported to the next registration of its number".into()
        })?;
        let served = (pair.files[second].clone(), again);
        expect_served(&opened, "R8", &served, "the next registration of a number, for a file that becomes ready")?;
        expect_served(&opened, "R8", &served, "the same, once more")?;
        opened.deregister(again)?;
        opened.deregister(registrations[1 - second])?;
    }
    opened.close()
}

fn again(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let what = "an fd that is registered again, for something else";
    for (turns, closes) in [(0, false), (2, false), (0, true), (2, true)] {
        // Writable all the time, and readable once it is set.
        let (file, other) = (Arc::new(Ready::new()?), Ready::new()?);
        let elsewhere = file.duplicate()?;
        let input = opened.fd(file.fd(), POLLIN)?;
        opened.go_round(2)?;
        let number = file.clone();
        // Forced: the loop has no turn between the two.
        opened.in_loop(move |puppet| {
            puppet.deregister(input)?;
            if closes { number.become_file_of(&other) } else { Ok(()) }
        })?;
        if turns > 0 {
            opened.go_round(turns)?;
        }
        file.become_file_of(&elsewhere)?;
        let registration = opened.undisturbed(|| {
            let registration = opened.fd(file.fd(), POLLOUT)?;
            opened.on(registration, move |puppet| puppet.modify(registration, 0));
            Ok(registration)
        })?;
        opened.wait_for_return("R8", registration, 1, what)?;
        let read = file.clone();
        opened.on(registration, move |_| read.unset().map(|_| ()));
        opened.modify(registration, POLLIN)?;
        expect_served(&opened, "R8", &(file, registration), what)?;
        opened.deregister(registration)?;
    }
    opened.close()
}

fn file_stays_open(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    for in_loop in [false, true] {
        let file = Ready::new()?;
        let elsewhere = file.duplicate()?;
        let registration = opened.fd(file.fd(), POLLIN)?;
        file.set()?;
        opened.wait_for("O10", registration, "an fd that is ready")?;
        if in_loop {
            // Forced: the loop has no turn between the two.
            opened.in_loop(move |puppet| {
                puppet.deregister(registration)?;
                drop(file);
                Ok(())
            })?;
        } else {
            opened.deregister(registration)?;
            drop(file);
        }
        opened.go_round(2)?;
        opened.expect_rest("S5", "a file whose fd was deregistered and then closed is ready, and open elsewhere")?;
        let again = watch(&opened)?;
        expect_served(&opened, "R8", &again, "an fd registered after another one's end")?;
        opened.deregister(again.1)?;
        drop(elsewhere);
    }
    opened.close()
}

fn file_is_closed(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let (near, mut far) = UnixStream::pair()?;
    let registration = opened.fd(near.as_raw_fd(), POLLIN)?;
    opened.go_round(2)?;
    opened.deregister(registration)?;
    drop(near);
    opened.go_round(2)?;
    far.set_read_timeout(Some(setting.patience()))?;
    let ended = matches!(far.read(&mut [0]), Ok(0));
    demand("S5", ended, || "the file of an fd that was deregistered and closed is still open".into())?;
    opened.close()
}
