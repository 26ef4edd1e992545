//! Hooks: where they are called, what they are given, what they refuse.

#[cfg(doc)]
use crate::contract::*;
use crate::directed::{BOTH, BoundaryCase, Opened, Setting, demand};
use crate::files::Ready;
use crate::puppet::{Puppet, Registration};
use libc::{POLLIN, POLLPRI};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

pub(super) static ANYWHERE: BoundaryCase = BoundaryCase {
    name: "hooks-on-any-thread",
    claim: "Registrations made by several threads at once, inside an occurrence, and with the ctx lock held several levels deep are all served",
    clauses: &["R1", "X9"],
    rules: BOTH,
    sources: &[],
    run: anywhere,
};

pub(super) static GARBAGE: BoundaryCase = BoundaryCase {
    name: "garbage-behind-the-out-pointer",
    claim: "What is behind the out pointer when a registration begins does not matter, another registration's handle included",
    clauses: &["R2"],
    rules: BOTH,
    sources: &["libxl_event.h, which promises NULL there"],
    run: garbage,
};

pub(super) static REFUSED: BoundaryCase = BoundaryCase {
    name: "refused-with-a-code",
    claim: "Who refuses an fd that is not open says so by -12 or a positive number, has changed nothing, and takes the number once it is open",
    clauses: &["R3"],
    rules: BOTH,
    sources: &[],
    run: refused,
};

pub(super) static FDS_RUN_OUT: BoundaryCase = BoundaryCase {
    name: "registrations-without-fds",
    claim: "With a full table of fds, a registration or modification is granted, or refused by -12 or a positive number, and harms nobody",
    clauses: &["R3"],
    rules: BOTH,
    sources: &[],
    run: fds_run_out,
};

pub(super) static VALUES_REPEAT: BoundaryCase = BoundaryCase {
    name: "values-repeat",
    claim: "A value that was used before, that is in use for another kind, or in another client, stands for its own registration",
    clauses: &["R10", "O6"],
    rules: BOTH,
    sources: &[],
    run: values_repeat,
};

pub(super) static OWN_OCCURRENCE: BoundaryCase = BoundaryCase {
    name: "replaced-in-its-own-occurrence",
    claim: "An fd is deregistered in its own occurrence, and its number and value are registered again for another file, which alone counts",
    clauses: &["R16", "R8", "R10"],
    rules: BOTH,
    sources: &["libxl_fork.c, for the SIGCHLD pipe when its last child is reaped"],
    run: own_occurrence,
};

/// A file whose occurrence reads it and tells whether there was something to read.
pub(super) fn read_when_it_occurs(puppet: &Puppet) -> anyhow::Result<(Arc<Ready>, Registration, Receiver<bool>)> {
    let file = Arc::new(Ready::new()?);
    let registration = puppet.fd(file.fd(), POLLIN)?;
    let (tell, told) = channel();
    let read = file.clone();
    puppet.on(registration, move |_| {
        // The case may have failed meanwhile.
        let _ = tell.send(read.unset()?);
        Ok(())
    });
    Ok((file, registration, told))
}

/// A file that makes an occurrence each time it is set.
pub(super) fn watch(puppet: &Puppet) -> anyhow::Result<(Arc<Ready>, Registration)> {
    let file = Arc::new(Ready::new()?);
    let registration = puppet.fd(file.fd(), POLLIN)?;
    let read = file.clone();
    puppet.on(registration, move |_| read.unset().map(|_| ()));
    Ok((file, registration))
}

/// It is served, once more.
pub(super) fn expect_served(
    puppet: &Puppet,
    clause: &'static str,
    (file, registration): &(Arc<Ready>, Registration),
    what: &str,
) -> anyhow::Result<()> {
    let before = puppet.count(*registration);
    file.set()?;
    // Only then has the act read the file, and another call of this sets it anew.
    puppet.wait_for_return(clause, *registration, before + 1, what)
}

fn anywhere(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let all = |puppet: &Puppet| {
        let watched = watch(puppet)?;
        puppet.modify(watched.1, 0)?;
        puppet.modify(watched.1, POLLIN)?;
        let timeout = puppet.timeout((1, 0))?;
        let cancelled = puppet.timeout((i64::from(i32::MAX), 0))?;
        puppet.cancel(cancelled)?;
        let ended = watch(puppet)?;
        puppet.deregister(ended.1)?;
        anyhow::Ok((watched, timeout))
    };
    let mut threads = Vec::new();
    for _ in 0..4 {
        let puppet = Arc::clone(&opened);
        threads.push(setting.elsewhere(move || all(&puppet))?);
    }
    let mut registered = Vec::new();
    for thread in threads {
        registered.push(thread.returns("R1", "hooks on a thread of the application's")??);
    }
    registered.push(opened.in_loop(all)?);
    registered.push(opened.call(|| {
        let _outer = opened.ctx_lock();
        let _inner = opened.ctx_lock();
        all(&opened)
    })?);
    for (watched, timeout) in &registered {
        expect_served(&opened, "R1", watched, "an fd, wherever it was registered")?;
        opened.wait_for("R1", *timeout, "a timeout, wherever it was registered")?;
    }
    for (watched, _) in registered {
        opened.deregister(watched.1)?;
    }
    opened.close()
}

fn garbage(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let first = watch(&opened)?;
    let distant = opened.timeout((i64::from(i32::MAX), 0))?;
    opened.leave_handle_of(first.1);
    let second = watch(&opened)?;
    opened.leave_handle_of(distant);
    let soon = opened.timeout((1, 0))?;
    opened.wait_for("R2", soon, "a timeout registered where another one's handle was left")?;
    opened.leave_handle_of(first.1);
    let soon = opened.timeout((1, 0))?;
    opened.wait_for("R2", soon, "a timeout registered where an fd's handle was left")?;
    expect_served(&opened, "R2", &first, "an fd whose handle was left where another was registered")?;
    expect_served(&opened, "R2", &second, "an fd registered where another one's handle was left")?;
    demand("R2", opened.count(distant) == 0, || {
        "a distant timeout occurred when another was registered where its handle was left".into()
    })?;
    opened.deregister(second.1)?;
    expect_served(
        &opened,
        "R2",
        &first,
        "an fd, after the one that was registered where its handle was left has ended",
    )?;
    // The nexus that was freed last, with the handle of its last registration.
    let third = watch(&opened)?;
    expect_served(&opened, "R2", &third, "an fd registered where the handle of an ended registration was left")?;
    opened.cancel(distant)?;
    opened.deregister(third.1)?;
    opened.deregister(first.1)?;
    opened.close()
}

/// What [R3] lets a hook return.
fn check_code(what: &str, code: i32) -> anyhow::Result<()> {
    const REFUSED: i32 = -12;
    demand("R3", code > 0 || code == REFUSED, || {
        format!("{what} was refused with {code}, which libxl takes for an error of its own")
    })
}

fn refused(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let other = watch(&opened)?;
    match opened.try_fd(-1, POLLIN)? {
        // poll(2) takes it, and says nothing of it.
        Ok(registration) => opened.deregister(registration)?,
        Err(code) => check_code("a negative fd", code)?,
    }
    for events in [POLLIN, 0] {
        let file = Ready::new()?;
        let number = vacant()?;
        match opened.try_fd(number, events)? {
            // poll(2) takes it, and says POLLNVAL.
            Ok(registration) => opened.deregister(registration)?,
            Err(code) => check_code("an fd that is not open", code)?,
        }
        let taken = file.at(number)?;
        let again = (Arc::new(taken), opened.fd(number, POLLIN)?);
        let read = again.0.clone();
        opened.on(again.1, move |_| read.unset().map(|_| ()));
        expect_served(&opened, "R3", &again, "an fd whose number was refused before, or taken, when it was not open")?;
        expect_served(&opened, "R3", &other, "an fd beside one that was refused")?;
        opened.deregister(again.1)?;
    }
    opened.deregister(other.1)?;
    opened.close()
}

/// A number that no file has, far from those that the kernel gives next.
fn vacant() -> anyhow::Result<RawFd> {
    let limit = limit()?;
    // SAFETY: no pointers.
    let is_vacant = |fd: &RawFd| unsafe { libc::fcntl(*fd, libc::F_GETFD) } < 0;
    let highest = i32::try_from(limit.rlim_cur.min(4_096))?;
    (0..highest).rev().find(is_vacant).ok_or_else(|| anyhow::anyhow!("every number of an fd is taken"))
}

fn limit() -> anyhow::Result<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: one struct, for the length of the call.
    let read = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    anyhow::ensure!(read == 0, "getrlimit: {}", std::io::Error::last_os_error());
    Ok(limit)
}

fn set_limit(limit: libc::rlimit) -> anyhow::Result<()> {
    // SAFETY: one struct, for the length of the call.
    let set = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    anyhow::ensure!(set == 0, "setrlimit: {}", std::io::Error::last_os_error());
    Ok(())
}

fn fds_run_out(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let other = watch(&opened)?;
    expect_served(&opened, "R3", &other, "an fd")?;
    let file = Arc::new(Ready::new()?);
    let usual = limit()?;
    set_limit(libc::rlimit { rlim_cur: 256, ..usual })?;
    // Not a limit below what is open: poll(2) would refuse to look at more than that many.
    let filling: Vec<_> = std::iter::from_fn(|| file.duplicate().ok()).collect();
    let outcome = register_without_fds(&opened, &file, &other);
    let full = file.duplicate().is_err();
    set_limit(usual)?;
    drop(filling);
    anyhow::ensure!(full, "the table of fds was not full");
    outcome?;
    let again = watch(&opened)?;
    expect_served(&opened, "R3", &again, "an fd, once there are fds again")?;
    let timeout = opened.timeout((1, 0))?;
    opened.wait_for("R3", timeout, "a timeout, once there are fds again")?;
    opened.deregister(again.1)?;
    opened.deregister(other.1)?;
    opened.close()
}

fn register_without_fds(opened: &Opened, file: &Arc<Ready>, other: &(Arc<Ready>, Registration)) -> anyhow::Result<()> {
    match opened.try_fd(file.fd(), POLLIN)? {
        Err(code) => check_code("an fd, where there are no more fds,", code)?,
        Ok(registration) => {
            let watched = (file.clone(), registration);
            let read = file.clone();
            opened.on(registration, move |_| read.unset().map(|_| ()));
            expect_served(opened, "R3", &watched, "an fd that was taken although there are no more fds")?;
            opened.deregister(registration)?;
        }
    }
    match opened.try_timeout((1, 0))? {
        Err(code) => check_code("a timeout, where there are no more fds,", code)?,
        Ok(timeout) => opened.wait_for("R3", timeout, "a timeout that was taken although there are no more fds")?,
    }
    expect_served(opened, "R3", other, "an fd beside those that were registered without fds")?;
    let more = opened.try_modify(other.1, POLLIN | POLLPRI)?;
    if more != 0 {
        check_code("a modification, where there are no more fds,", more)?;
    }
    expect_served(opened, "R3", other, "an fd whose modification was granted or refused where there are no more fds")?;
    opened.modify(other.1, POLLIN)
}

fn values_repeat(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let another = setting.open()?;
    // In use for an fd, for a timeout, and in both clients.
    let here = watch(&opened)?;
    let there = watch(&another)?;
    let distant = opened.timeout((i64::from(i32::MAX), 0))?;
    let soon = another.timeout((1, 0))?;
    let same = opened.value_of(here.1);
    let others = [another.value_of(there.1), opened.value_of(distant), another.value_of(soon)];
    anyhow::ensure!(others == [same; 3], "the values differ: {others:x?}");
    another.wait_for("R10", soon, "a timeout whose value is also an fd's and another client's")?;
    expect_served(&opened, "R10", &here, "an fd whose value is also a timeout's and another client's")?;
    expect_served(&another, "R10", &there, "an fd whose value is also another client's")?;
    opened.cancel(distant)?;
    if setting.rule() == crate::boundary::Rule::Concurrent {
        opened.wait_for("R10", distant, "a cancelled timeout whose value is also an fd's and another client's")?;
    }
    expect_served(&opened, "R10", &here, "an fd whose value was also that of a timeout which has ended")?;

    // Used again inside the occurrence of the timeout that had it.
    let (tell, told) = std::sync::mpsc::channel();
    let first = opened.in_loop(move |puppet| {
        let first = puppet.timeout((1, 0))?;
        puppet.on(first, move |puppet| {
            // The case may have failed meanwhile.
            let _ = tell.send(puppet.timeout((1, 0))?);
            Ok(())
        });
        Ok(first)
    })?;
    opened.wait_for_return("R10", first, 1, "a timeout that is due")?;
    let next = told.recv()?;
    anyhow::ensure!(opened.value_of(next) == opened.value_of(first), "the value was not used again");
    opened.wait_for("R10", next, "a timeout registered inside the occurrence of one with the same value")?;
    opened.deregister(here.1)?;
    another.deregister(there.1)?;
    another.close()?;
    opened.close()
}

fn own_occurrence(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let (file, other) = (Arc::new(Ready::new()?), Ready::new()?);
    let registration = opened.fd(file.fd(), POLLIN)?;
    let (tell, told) = std::sync::mpsc::channel();
    let number = file.clone();
    opened.on(registration, move |puppet| {
        puppet.deregister(registration)?;
        number.become_file_of(&other)?;
        let again = puppet.fd(number.fd(), POLLIN)?;
        let read = number.clone();
        puppet.on(again, move |_| read.unset().map(|_| ()));
        // The case may have failed meanwhile.
        let _ = tell.send(again);
        Ok(())
    });
    file.set()?;
    opened.wait_for_return("R16", registration, 1, "an fd that is ready")?;
    let again = told.recv()?;
    anyhow::ensure!(opened.value_of(again) == opened.value_of(registration), "the value was not used again");
    opened.go_round(3)?;
    demand("R16", opened.count(again) == 0, || {
        "what was ready of an fd is reported to its number's next registration, which is for another file".into()
    })?;
    expect_served(&opened, "R16", &(file, again), "an fd registered again inside its own occurrence")?;
    opened.deregister(again)?;
    opened.close()
}
