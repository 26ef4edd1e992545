//! What is asked of an fd, and what is reported of it.

use crate::directed::{BOTH, BoundaryCase, Setting, breaks, demand};
use crate::files::{PacketTerminal, Ready, poll_now};
use crate::puppet::{Puppet, Registration};
use libc::{POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

pub(super) static TWO_SIDES: BoundaryCase = BoundaryCase {
    name: "one-fd-two-registrations",
    claim: "Two registrations of one fd, for input and for output, are both served, and ending or emptying one leaves the other",
    clauses: &["R4"],
    rules: BOTH,
    sources: &[],
    run: two_sides,
};

pub(super) static EMPTY: BoundaryCase = BoundaryCase {
    name: "empty-interest",
    claim: "With an empty interest an fd that is readable and hung up does not occur, and the loop sleeps; with one again, it occurs",
    clauses: &["R5"],
    rules: BOTH,
    sources: &["libxl_fork.c of Xen 4.4.0, which does this to its SIGCHLD pipe"],
    run: empty,
};

pub(super) static PRIORITY: BoundaryCase = BoundaryCase {
    name: "priority-input",
    claim: "Priority input is reported to whoever asked for it, alone or together with ordinary input",
    clauses: &["R6"],
    rules: BOTH,
    sources: &[],
    run: priority,
};

pub(super) static HANG_UP: BoundaryCase = BoundaryCase {
    name: "bare-hang-up-and-error",
    claim: "A hang-up without input, and an error without room for output, are reported to whoever asked for these",
    clauses: &["R6"],
    rules: BOTH,
    sources: &[],
    run: hang_up,
};

pub(super) static ALWAYS_READY: BoundaryCase = BoundaryCase {
    name: "files-that-epoll-refuses",
    claim: "A regular file and /dev/null are taken, are ready for input and output all the time and for nothing else, keep nobody else from being \
            served, and end",
    clauses: &["R7", "O9"],
    rules: BOTH,
    sources: &[],
    run: always_ready,
};

pub(super) static LEFT_UNREAD: BoundaryCase = BoundaryCase {
    name: "left-unread",
    claim: "An fd that the client leaves ready occurs again, and again",
    clauses: &["O10"],
    rules: BOTH,
    sources: &[],
    run: left_unread,
};

pub(super) static WRITTEN_MEANWHILE: BoundaryCase = BoundaryCase {
    name: "written-during-the-occurrence",
    claim: "Input that comes after the client has read, and before its occurrence is over, occurs",
    clauses: &["O10"],
    rules: BOTH,
    sources: &[],
    run: written_meanwhile,
};

pub(super) static OWN_NUMBER: BoundaryCase = BoundaryCase {
    name: "own-number",
    claim: "Of two fds for one file, each occurs with the number that was registered",
    clauses: &["O11", "R4"],
    rules: BOTH,
    sources: &[],
    run: own_number,
};

/// Occurs, and asks for nothing more: for what is ready all the time.
fn once(puppet: &Puppet, registration: Registration) {
    puppet.on(registration, move |puppet| puppet.modify(registration, 0));
}

fn two_sides(setting: &Setting<'_>) -> anyhow::Result<()> {
    for output_first in [false, true] {
        let opened = setting.open()?;
        let (near, mut far) = UnixStream::pair()?;
        near.set_nonblocking(true)?;
        let fd = near.as_raw_fd();
        // Each begins without readiness, so that nothing is served before both are there.
        let sides = if output_first { [POLLOUT, POLLIN] } else { [POLLIN, POLLOUT] };
        let full = fill(&near)?;
        let [first, second] = [opened.fd(fd, sides[0])?, opened.fd(fd, sides[1])?];
        let (input, output) = if output_first { (second, first) } else { (first, second) };
        once(&opened, output);
        let read = near.try_clone()?;
        opened.on(input, move |_| drain(&read));

        far.write_all(b"x")?;
        opened.wait_for("R4", input, "input on an fd that is also registered for output")?;
        far.set_nonblocking(true)?;
        take(&mut far, full)?;
        opened.wait_for_return("R4", output, 1, "output on an fd that is also registered for input")?;

        // The output's interest is empty now; the input's is not.
        let before = opened.count(input);
        far.write_all(b"x")?;
        opened.wait_for_more("R4", input, before + 1, "input after the other registration's interest was emptied")?;
        let before = opened.count(output);
        opened.modify(output, POLLOUT)?;
        opened.wait_for_return("R4", output, before + 1, "output that is asked for again")?;

        opened.deregister(output)?;
        let before = opened.count(input);
        far.write_all(b"x")?;
        opened.wait_for_more("R4", input, before + 1, "input after the registration for output has ended")?;
        let output = opened.undisturbed(|| {
            let output = opened.fd(fd, POLLOUT)?;
            once(&opened, output);
            Ok(output)
        })?;
        opened.wait_for_return("R4", output, 1, "output registered beside input that had been there before")?;
        opened.deregister(input)?;
        let before = opened.count(output);
        opened.modify(output, POLLOUT)?;
        opened.wait_for_return("R4", output, before + 1, "output after the registration for input has ended")?;
        opened.deregister(output)?;
        opened.close()?;
    }
    Ok(())
}

fn empty(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    // Readable and hung up, which poll(2) and epoll report to whoever asks for nothing.
    let (hung_up, mut writer) = std::io::pipe()?;
    writer.write_all(b"x")?;
    drop(writer);
    let registration = opened.fd(hung_up.as_raw_fd(), 0)?;
    let silent = |when: &str, count: usize| {
        // What the loop had collected before is out after two rounds.
        opened.go_round(4)?;
        let now = opened.count(registration);
        demand("R5", now == count, || format!("an fd with an empty interest occurred {} times {when}", now - count))?;
        opened.expect_rest("R5", &format!("an fd with an empty interest is hung up, {when}"))
    };
    silent("when it was registered so", 0)?;
    opened.modify(registration, POLLIN)?;
    opened.wait_for("R5", registration, "an fd whose interest is not empty any more")?;
    opened.modify(registration, 0)?;
    opened.go_round(2)?;
    silent("after a modification", opened.count(registration))?;
    // A modification that changes nothing is normal.
    opened.modify(registration, 0)?;
    silent("after a modification to what it was", opened.count(registration))?;
    let before = opened.count(registration);
    once(&opened, registration);
    opened.modify(registration, POLLIN)?;
    opened.wait_for_more("R5", registration, before + 1, "an fd whose interest is not empty any more")?;
    opened.go_round(2)?;
    silent("after a modification in its own occurrence", opened.count(registration))?;
    opened.deregister(registration)?;
    opened.close()
}

fn priority(setting: &Setting<'_>) -> anyhow::Result<()> {
    for events in [POLLPRI, POLLIN | POLLPRI] {
        let opened = setting.open()?;
        let terminal = PacketTerminal::open()?;
        let registration = opened.fd(terminal.fd(), events)?;
        once(&opened, registration);
        opened.go_round(2)?;
        let early = opened.count(registration);
        opened.modify(registration, events)?;
        terminal.make_priority_input()?;
        anyhow::ensure!(terminal.has_priority_input(), "the terminal has no priority input to report");
        opened.wait_for_more("R6", registration, early + 1, "priority input")?;
        let seen = opened.occurrences_of(registration);
        let reported =
            seen.iter().any(|occurrence| occurrence.fd.is_some_and(|(_, _, revents)| revents & POLLPRI != 0));
        demand("R6", reported, || format!("priority input was reported without POLLPRI: {seen:?}"))?;
        opened.deregister(registration)?;
        opened.close()?;
    }
    Ok(())
}

fn hang_up(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let (reader, writer) = std::io::pipe()?;
    drop(writer);
    let full = broken_pipe()?;
    for (fd, events, only) in [(reader.as_raw_fd(), POLLIN, POLLHUP), (full.as_raw_fd(), POLLOUT, POLLERR)] {
        anyhow::ensure!(poll_now(fd, events) == only, "poll(2) reports {:#x}", poll_now(fd, events));
        let registration = opened.undisturbed(|| {
            let registration = opened.fd(fd, events)?;
            once(&opened, registration);
            Ok(registration)
        })?;
        opened.wait_for("R6", registration, "an fd whose other end is gone")?;
        let seen = opened.occurrences_of(registration);
        let reported = seen.iter().all(|occurrence| occurrence.fd.is_some_and(|(_, _, revents)| revents & only != 0));
        demand("R6", reported, || format!("{only:#x} is not among what is reported: {seen:?}"))?;
        opened.deregister(registration)?;
    }
    opened.close()
}

/// The write end of a pipe that is full, and from which nobody reads any more.
pub(super) fn broken_pipe() -> anyhow::Result<OwnedFd> {
    let (reader, writer) = std::io::pipe()?;
    // SAFETY: no pointers.
    let set = unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    anyhow::ensure!(set == 0, "F_SETFL: {}", std::io::Error::last_os_error());
    while (&writer).write(&[0; 4096]).is_ok() {}
    drop(reader);
    Ok(writer.into())
}

fn always_ready(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let regular = tempfile::tempfile()?;
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    let usual = opened.usual_activity()?;
    let register = |fd: RawFd, name: &str, events: i16| {
        opened.try_fd(fd, events)?.map_err(|code| {
            breaks("R7", format!("{name} is refused with {code}; poll(2) takes it, and says what it is ready for"))
        })
    };
    let never = register(regular.as_raw_fd(), "a regular file", POLLPRI)?;
    opened.go_round(2)?;
    opened.expect_rest_as(
        "R7",
        usual,
        "a regular file, which is never ready for priority input, is asked for nothing else",
    )?;
    demand("R7", opened.count(never) == 0, || "a regular file occurs that is asked for priority input".into())?;
    opened.deregister(never)?;
    let mut registrations = Vec::new();
    for (fd, name) in [(regular.as_raw_fd(), "a regular file"), (null.as_raw_fd(), "/dev/null")] {
        for events in [POLLIN, POLLOUT] {
            let registration = register(fd, name, events)?;
            registrations.push((registration, name));
        }
    }
    for (registration, name) in &registrations {
        opened.wait_for("R7", *registration, &format!("{name}, which is always ready"))?;
    }
    for (registration, name) in &registrations {
        let count = opened.count(*registration);
        opened.wait_for_more("R7", *registration, count + 2, &format!("{name} is ready still"))?;
    }
    // While all four are ready.
    opened.go_round(4)?;
    let timeout = opened.timeout((0, 0))?;
    opened.wait_for("O9", timeout, "a timeout beside files that are always ready")?;
    for (registration, _) in &registrations {
        opened.modify(*registration, 0)?;
    }
    opened.go_round(2)?;
    let counts = registrations.iter().map(|(registration, _)| opened.count(*registration)).collect::<Vec<_>>();
    opened.go_round(2)?;
    for ((registration, name), count) in registrations.iter().zip(counts) {
        let now = opened.count(*registration);
        demand("R5", now == count, || format!("{name} occurs although its interest is empty"))?;
    }
    opened.expect_rest("R7", "files that are always ready have an empty interest")?;
    for (registration, _) in registrations {
        opened.modify(registration, POLLIN | POLLOUT)?;
        opened.deregister(registration)?;
    }
    opened.expect_rest("R7", "files that are always ready were deregistered")?;
    opened.close()
}

fn left_unread(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let file = Ready::new()?;
    let registration = opened.fd(file.fd(), POLLIN)?;
    file.set()?;
    opened.wait_for_more("O10", registration, 5, "an fd that is left ready occurs again")?;
    opened.modify(registration, 0)?;
    opened.go_round(2)?;
    let before = opened.count(registration);
    opened.modify(registration, POLLIN)?;
    opened.wait_for_more("O10", registration, before + 2, "an fd that was ready before it was asked for")?;
    opened.deregister(registration)?;
    opened.close()
}

fn written_meanwhile(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let file = std::sync::Arc::new(Ready::new()?);
    let registration = opened.fd(file.fd(), POLLIN)?;
    let (arrive, arrived) = std::sync::mpsc::channel();
    let (go_on, told) = std::sync::mpsc::channel();
    let (read, told) = (file.clone(), std::sync::Mutex::new(told));
    opened.on(registration, move |_| {
        if read.unset()? {
            // The case may have failed meanwhile.
            let _ = arrive.send(());
            let _ = told.lock().unwrap_or_else(std::sync::PoisonError::into_inner).recv();
        }
        Ok(())
    });
    for _ in 0..4 {
        file.set()?;
        let in_time = arrived.recv_timeout(setting.patience()).is_ok();
        demand("O10", in_time, || "input that came while the fd was registered did not occur".into())?;
        // Forced: it has read, and is inside still.
        file.set()?;
        go_on.send(())?;
        let in_time = arrived.recv_timeout(setting.patience()).is_ok();
        demand("O10", in_time, || "input that came during the fd's occurrence did not occur".into())?;
        go_on.send(())?;
        opened.wait_for_return("O10", registration, 2, "the occurrence is over")?;
    }
    opened.deregister(registration)?;
    opened.close()
}

fn own_number(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let file = Ready::new()?;
    let same = file.duplicate()?;
    let registrations = [opened.fd(file.fd(), POLLIN)?, opened.fd(same.fd(), POLLIN)?];
    file.set()?;
    for (registration, fd) in registrations.into_iter().zip([file.fd(), same.fd()]) {
        opened.wait_for("R4", registration, "each of two fds for one file")?;
        let seen = opened.occurrences_of(registration);
        let right = seen.iter().all(|occurrence| occurrence.fd.is_some_and(|(reported, ..)| reported == fd));
        demand("O11", right, || format!("fd {fd} was registered, and another is reported: {seen:?}"))?;
    }
    opened.deregister(registrations[0])?;
    let before = opened.count(registrations[1]);
    opened.wait_for_more("O11", registrations[1], before + 1, "a duplicate of an fd that was deregistered")?;
    opened.deregister(registrations[1])?;
    opened.close()
}

/// Writes until nothing fits any more.
fn fill(mut socket: &UnixStream) -> anyhow::Result<usize> {
    let mut total = 0;
    loop {
        match socket.write(&[0; 65_536]) {
            Ok(written) => total += written,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(total),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Reads so much.
fn take(socket: &mut UnixStream, mut left: usize) -> anyhow::Result<()> {
    let mut buffer = [0; 65_536];
    while left > 0 {
        left -= socket.read(&mut buffer)?.min(left);
    }
    Ok(())
}

fn drain(mut socket: &UnixStream) -> anyhow::Result<()> {
    let mut buffer = [0; 64];
    while matches!(socket.read(&mut buffer), Ok(1..)) {}
    Ok(())
}
