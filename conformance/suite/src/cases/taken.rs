//! Timeouts that are cancelled: before the loop takes them, while it does, and after.

use super::registration::watch;
use super::sleep::in_micros;
use crate::boundary::Rule;
use crate::directed::{BOTH, BoundaryCase, CONCURRENT, Opened, SERIALIZED, Setting, breaks, demand};
use crate::puppet::Registration;
use std::sync::Arc;
use std::sync::mpsc::channel;

pub(super) static CANCELLED: BoundaryCase = BoundaryCase {
    name: "cancelled",
    claim: "A timeout that is cancelled once or twice, from any thread, inside another occurrence or while the loop is in one, occurs once, at once; \
            for 4.2.0 and 4.2.1, not at all",
    clauses: &["R13", "R14", "O5"],
    rules: BOTH,
    sources: &["time_aborted and the callback after it, which both send {0,0} (Xen 4.6 on)"],
    run: cancelled,
};

pub(super) static CANCELLED_IN_BATCH: BoundaryCase = BoundaryCase {
    name: "cancelled-in-a-batch",
    claim: "Of two timeouts that are due together the first one's occurrence cancels the second, and registers another: the second occurs once, \
            or not at all for 4.2.0, and the other one when it is due",
    clauses: &["O5", "R14", "R12"],
    rules: BOTH,
    sources: &["libvir-list, 16 January 2013, \"RFC: libxl race fixes\", the first race"],
    run: cancelled_in_batch,
};

pub(super) static WAITING: BoundaryCase = BoundaryCase {
    name: "cancelled-while-its-occurrence-waits",
    claim: "A timeout is cancelled, twice, by the thread for whose ctx lock its occurrence waits: the hooks succeed, and it has occurred once",
    clauses: &["R14", "R15", "O5", "O8"],
    rules: CONCURRENT,
    sources: &[
        "libvirt's libxl_driver.c of 2013: libxlTimeoutModifyEventHook arms again what libxlTimerCallback, which is inside libxl, has disabled",
    ],
    run: waiting,
};

pub(super) static INSIDE: BoundaryCase = BoundaryCase {
    name: "cancelled-in-its-own-occurrence",
    claim: "A timeout is cancelled in its own occurrence, again and after another one was registered: the hooks succeed, it has occurred once, \
            and the other one is left alone",
    clauses: &["R14", "O5", "R12"],
    rules: BOTH,
    sources: &[
        "Xen 4.2.2 to 4.3 after each expiry (mended by 15347ebb35 in 4.4)",
        "libvirt's libxl_driver.c, where a timeout is freed once it has occurred",
    ],
    run: inside,
};

pub(super) static BY_ADDRESS: BoundaryCase = BoundaryCase {
    name: "deregistered-by-address",
    claim: "4.2.0 deregisters a timeout by the address of its handle: that one does not occur, and the others do",
    clauses: &["R13", "O5"],
    rules: SERIALIZED,
    sources: &["d2f82025b9 in Xen 4.3; f5f20508d2 in Xen 4.2.1"],
    run: by_address,
};

/// That it has occurred as often as a cancelled timeout does, and does not any more.
fn expect_once(opened: &Opened, setting: &Setting<'_>, timeout: Registration, how: &str) -> anyhow::Result<()> {
    let right = match setting.rule() {
        Rule::Concurrent => {
            opened.wait_for_return("O5", timeout, 1, &format!("a timeout that was cancelled {how}"))?;
            1
        }
        Rule::Serialized => 0,
    };
    opened.go_round(3)?;
    let count = opened.count(timeout);
    demand("O5", count == right, || format!("a timeout that was cancelled {how} occurred {count} times, not {right}"))
}

fn cancelled(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    for deadline in [(i64::from(i32::MAX), 0), in_micros(3_600_000_000)] {
        let timeout = opened.timeout(deadline)?;
        opened.cancel(timeout)?;
        expect_once(&opened, setting, timeout, "on a thread of the application's")?;

        let timeout = opened.timeout(deadline)?;
        opened.in_loop(move |puppet| {
            puppet.cancel(timeout)?;
            demand("O1", puppet.count(timeout) == 0, || "a timeout occurred inside the hook that cancelled it".into())
        })?;
        expect_once(&opened, setting, timeout, "inside another occurrence")?;

        let timeout = opened.in_loop(move |puppet| {
            let timeout = puppet.timeout(deadline)?;
            puppet.cancel(timeout)?;
            puppet.cancel(timeout)?;
            Ok(timeout)
        })?;
        expect_once(&opened, setting, timeout, "twice, where it was registered")?;
    }
    if setting.rule() == Rule::Concurrent {
        let timeout = opened.timeout((i64::from(i32::MAX), 0))?;
        let hold = opened.hold_loop()?;
        opened.cancel(timeout)?;
        opened.cancel(timeout)?;
        demand("O1", opened.count(timeout) == 0, || {
            "a timeout occurred on another thread than the loop's, which is held".into()
        })?;
        hold.release()?;
        expect_once(&opened, setting, timeout, "twice, while the loop was held in another occurrence")?;
    } else {
        // Due before it is deregistered, and not taken while a call is in progress.
        let timeout = opened.call(|| {
            let timeout = opened.timeout((1, 0))?;
            opened.cancel(timeout)?;
            Ok(timeout)
        })?;
        expect_once(&opened, setting, timeout, "when it was due")?;
    }
    opened.close()
}

fn cancelled_in_batch(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let (tell, told) = channel();
    let (first, second) = opened.in_loop(move |puppet| {
        let first = puppet.timeout((1, 0))?;
        let second = puppet.timeout((2, 0))?;
        puppet.on(first, move |puppet| {
            puppet.cancel(second)?;
            // Where a host keeps timeouts in memory that it frees, it has room for these now.
            let distant = [puppet.timeout((i64::from(i32::MAX), 0))?, puppet.timeout((i64::from(i32::MAX), 0))?];
            // The case may have failed meanwhile.
            let _ = tell.send(distant);
            Ok(())
        });
        Ok((first, second))
    })?;
    opened.wait_for_return("O5", first, 1, "a timeout that is due")?;
    let distant = told.recv()?;
    expect_once(&opened, setting, second, "when it was due together with another")?;
    for timeout in distant {
        demand("R12", opened.count(timeout) == 0, || {
            "a distant timeout occurred that was registered in a batch".into()
        })?;
        opened.cancel(timeout)?;
        expect_once(&opened, setting, timeout, "after it was registered in a batch")?;
    }
    opened.close()
}

fn waiting(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let puppet = Arc::clone(&opened);
    let thread = setting.elsewhere(move || {
        puppet.call(|| {
            let _lock = puppet.ctx_lock();
            let timeout = puppet.timeout((1, 0))?;
            // Forced: it has been taken, and waits for the lock.
            puppet.wait_for("O8", timeout, "a timeout that is due, while another thread is inside the client")?;
            puppet.cancel(timeout)?;
            puppet.cancel(timeout)?;
            Ok(timeout)
        })
    })?;
    let timeout = thread.returns("R15", "timeout_modify while the occurrence waits for the caller's ctx lock")??;
    expect_once(&opened, setting, timeout, "while its occurrence waited for the ctx lock")?;
    opened.close()
}

fn inside(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    for deadline in [(1, 0), in_micros(2_000)] {
        let (tell, told) = channel();
        let timeout = opened.in_loop(move |puppet| {
            let timeout = puppet.timeout(deadline)?;
            puppet.on(timeout, move |puppet| {
                puppet.cancel(timeout)?;
                puppet.cancel(timeout)?;
                let other = puppet.timeout((i64::from(i32::MAX), 0))?;
                // Its handle may be that of the one registered just now, if a host takes it for a pointer.
                puppet.cancel(timeout)?;
                let fd = watch(puppet)?;
                puppet.cancel(timeout)?;
                // The case may have failed meanwhile.
                let _ = tell.send((other, fd));
                Ok(())
            });
            Ok(timeout)
        })?;
        opened.wait_for_return("O5", timeout, 1, "a timeout that is due")?;
        let (other, fd) = told.recv()?;
        opened.go_round(3)?;
        demand("O5", opened.count(timeout) == 1, || {
            "a timeout that was cancelled in its own occurrence occurred again".into()
        })?;
        demand("R14", opened.count(other) == 0, || {
            "cancelling a timeout that is over made another one occur, which was registered after it".into()
        })?;
        super::registration::expect_served(
            &opened,
            "R14",
            &fd,
            "an fd registered before a timeout that is over was cancelled",
        )?;
        opened.deregister(fd.1)?;
        opened.cancel(other)?;
        expect_once(&opened, setting, other, "after it was registered inside another's occurrence")?;
    }
    opened.close()
}

fn by_address(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    for deadline in [(1, 0), in_micros(20_000), (i64::from(i32::MAX), 0)] {
        let (before, timeout, after) = opened.call(|| {
            let before = opened.timeout((1, 0))?;
            let timeout = opened.timeout(deadline)?;
            let after = opened.timeout(in_micros(40_000))?;
            opened.cancel_by_address(timeout)?;
            Ok((before, timeout, after))
        })?;
        opened.wait_for("O5", before, "a timeout registered before one that was deregistered by address")?;
        opened.wait_for("O5", after, "a timeout registered after one that was deregistered by address")?;
        opened.go_round(2)?;
        if opened.count(timeout) != 0 {
            return Err(breaks("R13", "a timeout that was deregistered by the address of its handle occurred"));
        }
    }
    opened.close()
}
