//! When timeouts occur, and in which order.

use super::registration::{expect_served, watch};
use super::sleep::in_micros;
use crate::boundary::Rule;
use crate::directed::{BOTH, BoundaryCase, Setting, demand};
use crate::files;
use crate::outcome::Skip;
use crate::puppet::{wall_micros, wall_time};
use crate::standin::WallClock;
use anyhow::bail;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

pub(super) static AT_ONCE: BoundaryCase = BoundaryCase {
    name: "due-at-once",
    claim: "A deadline of {0,0}, or in the past, is due at once, but not before the hook has returned",
    clauses: &["R11", "O1"],
    rules: BOTH,
    sources: &[],
    run: at_once,
};

pub(super) static DISTANT: BoundaryCase = BoundaryCase {
    name: "distant-deadlines",
    claim: "Deadlines from 25 days ahead to the end of time neither occur, nor keep others from it, nor make the loop spin",
    clauses: &["R11", "R12"],
    rules: BOTH,
    sources: &["libvirt's libxl_driver.c, \"Ensure timeout is not overflowed\""],
    run: distant,
};

pub(super) static NEVER_EARLY: BoundaryCase = BoundaryCase {
    name: "never-early",
    claim: "None of 120 timeouts occurs before its deadline, not by a microsecond, and the best of them within a tenth of a second",
    clauses: &["R12"],
    rules: BOTH,
    sources: &[],
    run: never_early,
};

pub(super) static CLOCK_SET: BoundaryCase = BoundaryCase {
    name: "clock-set",
    claim: "A timeout that is pending when the wall clock is set back an hour occurs all the same; setting it forward does not make the loop spin",
    clauses: &["R12"],
    rules: BOTH,
    sources: &[],
    run: clock_set,
};

pub(super) static ORDER: BoundaryCase = BoundaryCase {
    name: "order-of-deadlines",
    claim: "Timeouts that are all due when the loop comes to look occur in the order of their deadlines, registered in whatever order",
    clauses: &["O7"],
    rules: BOTH,
    sources: &["libxl_test_timedereg.c, which depends on it"],
    run: order,
};

pub(super) static NEXT_FROM_INSIDE: BoundaryCase = BoundaryCase {
    name: "next-timeout-from-inside",
    claim: "A timeout's occurrence ends it: what is registered inside is a new one, and occurs once",
    clauses: &["O6", "O5", "R10"],
    rules: BOTH,
    sources: &[],
    run: next_from_inside,
};

fn at_once(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let past = || [(0, 0), (0, 1), (1, 0), in_micros(-1_000_000), in_micros(-1), in_micros(0)];
    for deadline in past() {
        let timeout = opened.timeout(deadline)?;
        opened.wait_for("R11", timeout, &format!("a timeout at {deadline:?}, which is past"))?;
        let inside = opened.in_loop(move |puppet| puppet.timeout(deadline))?;
        opened.wait_for("R11", inside, &format!("a timeout at {deadline:?}, registered inside an occurrence"))?;
    }
    opened.close()
}

fn distant(setting: &Setting<'_>) -> anyhow::Result<()> {
    const DAY: i64 = 86_400;
    let opened = setting.open()?;
    let now = wall_micros() / 1_000_000;
    let seconds = [
        now + 25 * DAY,
        now + 50 * DAY,
        i64::from(u32::MAX) + 1,
        // The year 10000.
        253_402_300_800,
        i64::MAX / 1_000_000_000 + 1,
        i64::MAX / 1_000_000,
        i64::MAX / 1_000,
        i64::MAX,
    ];
    let mut timeouts = Vec::new();
    for seconds in seconds {
        timeouts.push((opened.timeout((seconds, 999_999))?, seconds));
        opened.go_round(2)?;
        for (timeout, seconds) in &timeouts {
            demand("R11", opened.count(*timeout) == 0, || format!("a timeout in second {seconds} occurred"))?;
        }
    }
    let soon = opened.timeout(in_micros(20_000))?;
    opened.wait_for("R11", soon, "a timeout in 20 ms beside distant ones")?;
    opened.expect_rest("R11", "all timeouts are in the distant future")?;
    for (timeout, seconds) in timeouts {
        demand("R11", opened.count(timeout) == 0, || format!("a timeout in second {seconds} occurred"))?;
        opened.cancel(timeout)?;
        if setting.rule() == Rule::Concurrent {
            opened.wait_for("O5", timeout, &format!("a timeout in second {seconds} that was cancelled"))?;
        }
    }
    opened.close()
}

fn never_early(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    let mut best = i64::MAX;
    for batch in 0..20 {
        let mut timeouts = Vec::new();
        for at in 0..6 {
            // Hardly one of them on a whole millisecond.
            let deadline = wall_micros() + 2_000 + 1_370 * at + 130 * batch;
            timeouts.push((opened.timeout(wall_time(deadline))?, deadline));
        }
        for (timeout, deadline) in timeouts {
            opened.wait_for("O5", timeout, "a timeout that is due")?;
            for occurrence in opened.occurrences_of(timeout) {
                let early = deadline - occurrence.began;
                demand("R12", early <= 0, || format!("a timeout occurred {early} microseconds before its deadline"))?;
                best = best.min(-early);
            }
        }
    }
    // A busy machine makes any of them late, and not all.
    demand("R12", best < 100_000, || {
        format!("each of 120 timeouts was late, the best of them by {best} microseconds")
    })?;
    // Long enough for those who count seconds.
    let deadline = wall_micros() + 1_300_000;
    let timeout = opened.timeout(wall_time(deadline))?;
    opened.wait_for("O5", timeout, "a timeout in 1.3 s")?;
    let early = deadline - opened.occurrences_of(timeout)[0].began;
    demand("R12", early <= 0, || format!("a timeout occurred {early} microseconds before its deadline"))?;
    opened.close()
}

fn clock_set(setting: &Setting<'_>) -> anyhow::Result<()> {
    const HOUR: i64 = 3_600_000;
    let Some(clock) = WallClock::find() else {
        bail!(Skip("the wall clock cannot be set here: the stand-in that could is not preloaded".into()))
    };
    let opened = setting.open()?;
    let before = (wall_micros(), Instant::now());
    let soon = opened.timeout(in_micros(500_000))?;
    let kept = files::timers_on_wall_clock()?;
    demand("R12", kept.is_empty(), || {
        format!("the kernel keeps {kept:?} on the wall clock, and is not told to say when that is set")
    })?;
    clock.step_ms(-HOUR);
    let set_back = before.0 - wall_micros();
    let outcome = (|| {
        anyhow::ensure!(set_back > HOUR * 999 && set_back <= HOUR * 1_000, "the clock was set back by {set_back} us");
        anyhow::ensure!(opened.count(soon) == 0, "the timeout occurred before the clock was set");
        opened.wait_for("R12", soon, "a timeout in 500 ms, since the wall clock was set back an hour")?;
        demand("R12", before.1.elapsed() >= Duration::from_millis(500), || {
            "a timeout in 500 ms came early when the wall clock was set back".into()
        })?;
        let again = opened.timeout(in_micros(20_000))?;
        opened.wait_for("R12", again, "a timeout in 20 ms by the clock that was set back")?;
        // Forward, past one that is pending: it may follow the clock or not.
        let pending = opened.timeout(in_micros(HOUR * 500))?;
        clock.step_ms(HOUR);
        opened.go_round(2)?;
        opened.expect_rest("R12", "the wall clock was set forward, past a timeout that is pending")?;
        if opened.count(pending) == 0 {
            opened.cancel(pending)?;
        }
        let again = opened.timeout(in_micros(20_000))?;
        opened.wait_for("R12", again, "a timeout in 20 ms by the clock that was set forward")
    })();
    outcome?;
    opened.close()
}

fn order(setting: &Setting<'_>) -> anyhow::Result<()> {
    let opened = setting.open()?;
    for arrangement in [[7, 6, 5, 4, 3, 2, 1, 0], [0, 1, 2, 3, 4, 5, 6, 7], [3, 7, 0, 5, 2, 6, 1, 4]] {
        for past in [false, true] {
            let (tell, told) = channel();
            // Inside an occurrence, so that all are due before the loop looks.
            let timeouts = opened.in_loop(move |puppet| {
                let start = wall_micros() - if past { 60_000_000 } else { 0 };
                let mut timeouts = Vec::new();
                for place in arrangement {
                    let timeout = puppet.timeout(wall_time(start + 2_000 * (place + 1)))?;
                    let tell = tell.clone();
                    puppet.on(timeout, move |_| Ok(tell.send(place)?));
                    timeouts.push(timeout);
                }
                while wall_micros() <= start + 2_000 * 9 {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Ok(timeouts)
            })?;
            for timeout in timeouts {
                opened.wait_for_return("O5", timeout, 1, "a timeout that is due")?;
            }
            let seen: Vec<i64> = told.try_iter().collect();
            demand("O7", seen.is_sorted(), || {
                format!("timeouts registered in the order {arrangement:?} of their deadlines occurred as {seen:?}")
            })?;
        }
    }
    opened.close()
}

fn next_from_inside(setting: &Setting<'_>) -> anyhow::Result<()> {
    const LINKS: usize = 20;
    let opened = setting.open()?;
    let beside = watch(&opened)?;
    let (tell, told) = channel();
    fn link(
        puppet: &crate::puppet::Puppet,
        left: usize,
        tell: &std::sync::mpsc::Sender<crate::puppet::Registration>,
    ) -> anyhow::Result<()> {
        let timeout = puppet.timeout(if left.is_multiple_of(2) { (0, 0) } else { in_micros(300) })?;
        let next = tell.clone();
        puppet.on(timeout, move |puppet| if left == 0 { Ok(()) } else { link(puppet, left - 1, &next) });
        // The case may have failed meanwhile.
        let _ = tell.send(timeout);
        Ok(())
    }
    opened.in_loop(move |puppet| link(puppet, LINKS, &tell))?;
    for _ in 0..=LINKS {
        let timeout = told.recv_timeout(setting.patience());
        opened.check()?;
        let Ok(timeout) = timeout else {
            return Err(crate::directed::breaks(
                "O6",
                "a timeout that was registered inside another's occurrence is lost",
            ));
        };
        opened.wait_for("O6", timeout, "a timeout that was registered inside another's occurrence")?;
    }
    expect_served(&opened, "O6", &beside, "an fd beside a chain of timeouts")?;
    opened.deregister(beside.1)?;
    opened.close()
}
