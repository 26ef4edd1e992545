//! Runs that never were: what a report has to show.

use osevent_conformance::Violation;
use osevent_conformance::record::{Record, Step, What};
use osevent_conformance_runner::report::{Report, Row, Run, Verdict};

/// A text that is hard on every format.
pub(crate) const NASTY: &str =
    "<b>&amp; \"quoted\" \\ # not a directive\n]]> </script><!-- %s {0}\t\u{1b}[31m \u{fffe} é 中";

/// The loops, one with a mode.
pub(crate) const ADAPTERS: [&str; 3] = ["epoll", "glib", "glib+thread"];

/// Five cases on three loops: passed, failed, skipped, with a nasty reason, with a violated clause.
pub(crate) fn report() -> Report {
    let row = |name: &str, claim: &str, clauses: &str, adapter: &str| Row {
        name: name.into(),
        claim: claim.into(),
        clauses: clauses.split(' ').map(String::from).collect(),
        adapter: adapter.into(),
        tier: "libxl".into(),
        result: Verdict::Passed,
        reason: String::new(),
        broken: Vec::new(),
        seconds: 0.25,
        runs: 1,
        failures: 0,
        arguments: ["--tier", "libxl", "--adapter", adapter, "--case", name].map(String::from).into(),
        record: None,
    };
    let failed = |row: Row, reason: &str| Row { result: Verdict::Failed, reason: reason.into(), failures: 1, ..row };
    let mut cases = Vec::new();
    for adapter in ADAPTERS {
        let death = row("death", "a domain's end is reported once", "E11 O10", adapter);
        cases.push(Row { record: Some(record(200, false)), ..death });
        let reuse = row("reused-number", "a reused fd number inherits no readiness", "R8 R16", adapter);
        cases.push(if adapter == "glib" {
            let reason = "R8: an occurrence of a registration that had ended\nINFO libxl: the end of the log";
            Row { record: Some(record(400, true)), broken: vec!["R8".into()], ..failed(reuse, reason) }
        } else {
            Row { record: Some(record(400, false)), ..reuse }
        });
        let nasty = row("nasty-text", NASTY, "R2", adapter);
        cases.push(if adapter == "epoll" { failed(nasty, NASTY) } else { nasty });
        let nested = row("nested-loop", "a main loop in a callback is served", "E2", adapter);
        cases.push(if adapter == "epoll" {
            Row { result: Verdict::Skipped, reason: "poll(2) has no # nested loop".into(), ..nested }
        } else {
            nested
        });
        if adapter != "epoll" {
            cases.push(row("only-glib", "the source leaves with its context", "X2 X4 X6", adapter));
        }
    }
    Report { run: run(), cases }
}

/// One case whose record has at least so many steps, and a violated clause near the end.
pub(crate) fn long_report(steps: usize) -> Report {
    let mut report = report();
    report.cases.retain(|row| row.result == Verdict::Failed && row.record.is_some());
    report.cases[0].record = Some(record(steps, true));
    report
}

fn run() -> Run {
    Run {
        program: "osevent-conformance 0.1.0".into(),
        arguments: vec!["--html".into(), "out.html".into()],
        started: "2024-05-01T12:00:00Z".into(),
        host: "dom0".into(),
        kernel: "6.1.0".into(),
        tier: "libxl 4.17 from libxenlight.so.4.17, without a hypervisor".into(),
    }
}

/// What two threads of the application and a loop could have done: calls that register fds and timeouts, occurrences that modify and
/// end them.
fn record(steps: usize, violated: bool) -> Record {
    let mut writer = Writer::default();
    let mut round = 0;
    while writer.record.steps.len() < steps {
        writer.round(round);
        round += 1;
    }
    if violated {
        // The fd of the round before, which has ended.
        let (value, fd) = (0x5000 + (round - 1) % 7 * 0x18, 10 + (round as i32 - 1) % 5);
        let step = writer.push(LOOP, 20, What::FdOccurrence { value, fd, events: 1, revents: 1 });
        writer.push(LOOP, 30, What::OccurrenceReturned);
        let text = format!("fd {fd} occurred 20 µs after its deregistration had returned, {NASTY}");
        writer.record.violations.push(Violation::new("R8", text).at(step));
    }
    for thread in [MAIN, LOOP] {
        writer.push(thread, 5, What::Remark { text: "the case ends".into() });
    }
    writer.push(MAIN, 500, What::Free);
    writer.push(MAIN, 40, What::Freed);
    writer.record
}

const MAIN: u32 = 0;
const WORKER: u32 = 1;
const LOOP: u32 = 2;

struct Writer {
    now: u64,
    record: Record,
}

impl Default for Writer {
    fn default() -> Self {
        let threads = ["main", "worker", "loop"].map(String::from).into();
        Self { now: 0, record: Record { threads, ..Record::default() } }
    }
}

impl Writer {
    /// Takes the step so many microseconds after the last one; returns its index.
    fn push(&mut self, thread: u32, later: u64, what: What) -> usize {
        self.now += later * 1000;
        let wall = 1_700_000_000_000_000 + self.now as i64 / 1000;
        self.record.steps.push(Step { at: self.now, wall, thread, client: 0, what });
        self.record.steps.len() - 1
    }

    fn hook(&mut self, thread: u32, what: What, handle: u64) {
        self.push(thread, 3, what);
        self.push(thread, 4, What::HookReturned { handle, code: 0 });
    }

    fn round(&mut self, round: u64) {
        let caller = if round.is_multiple_of(2) { MAIN } else { WORKER };
        let (fd, value) = (10 + (round % 5) as i32, 0x5000 + round % 7 * 0x18);
        let (source, timer) = (0x8000_0000_0000_0000 + round * 2, 0x8000_0000_0000_0001 + round * 2);
        // A pause, as between two operations of a domain.
        self.push(caller, if round.is_multiple_of(8) { 20_000 } else { 60 }, What::Call);
        self.hook(caller, What::FdRegister { fd, events: 1, value }, source);
        let deadline = (1_700_000_000 + round as i64, 0);
        self.hook(caller, What::TimeoutRegister { deadline, value: value + 8 }, timer);
        self.push(caller, 30, What::CallReturned);
        self.push(LOOP, 50, What::FdOccurrence { value, fd, events: 1, revents: 1 });
        self.hook(LOOP, What::FdModify { fd, handle: source, events: 5 }, source);
        self.hook(LOOP, What::TimeoutModify { handle: timer, deadline: (0, 0) }, timer);
        self.push(LOOP, 12, What::OccurrenceReturned);
        self.push(LOOP, 8, What::TimeoutOccurrence { value: value + 8 });
        self.push(LOOP, 6, What::OccurrenceReturned);
        self.push(caller, 25, What::Call);
        self.hook(caller, What::FdDeregister { fd, handle: source }, 0);
        self.push(caller, 2, What::CallReturned);
    }
}
