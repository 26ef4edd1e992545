//! What the program takes: time to the first list, memory, processor time while idle, and how long its loop is busy at a time.

use crate::manager::{Manager, TITLE};
use crate::reader::SENSITIVE;
use osevent_standin_machine::{Failure, Machine};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

const IDLE: Duration = Duration::from_secs(20);
const ASKING: Duration = Duration::from_secs(10);

/// How many domains come and go.
const COMING: u64 = 20;

pub(crate) fn run() -> Result<(), Failure> {
    for count in [10, 20, 300] {
        let machine = Machine::new()?;
        (1..count).try_for_each(|domid| machine.add_domain(domid))?;
        let started = Instant::now();
        let manager = Manager::start(&machine, &[])?;
        manager.reader.wait("label", &format!("{count} domains"))?;
        println!("{count} domains: found by a reader {:?} after the screen was started", started.elapsed());
        let pid = manager.program.id();
        let before = cpu(pid)?;
        sleep(IDLE);
        println!("  idle for {IDLE:?}: {} clock ticks; {}", cpu(pid)? - before, memory(pid)?);
        let idle = longest_answer(&manager, |_| Ok(()))?;
        let busy = longest_answer(&manager, |turn| {
            let domid = 1000 + u32::try_from(turn % COMING)?;
            if (turn / COMING).is_multiple_of(2) { machine.add_domain(domid) } else { machine.destroy(domid) }
        })?;
        println!("  longest answer of its loop: idle {idle:?}, while {COMING} domains come and go {busy:?}");
    }
    Ok(())
}

/// A reader is answered by the main loop, so an answer takes as long as the loop is busy.
fn longest_answer(manager: &Manager, work: impl Fn(u64) -> Result<(), Failure>) -> Result<Duration, Failure> {
    let window = manager.reader.wait("window", TITLE)?;
    let (started, mut longest, mut turn) = (Instant::now(), Duration::ZERO, 0);
    while started.elapsed() < ASKING {
        work(turn)?;
        turn += 1;
        let asked = Instant::now();
        manager.reader.has_state(&window, SENSITIVE);
        longest = longest.max(asked.elapsed());
    }
    Ok(longest)
}

/// User's and kernel's time of all threads, in clock ticks of 10 ms.
fn cpu(pid: u32) -> Result<u64, Failure> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Behind the name, which may have blanks in it.
    let fields = stat.rsplit_once(") ").ok_or("no name")?.1.split(' ');
    let [user, kernel] = [11, 12].map(|at| fields.clone().nth(at).unwrap_or_default().parse::<u64>());
    Ok(user? + kernel?)
}

fn memory(pid: u32) -> Result<String, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let lines = status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("RssAnon"));
    Ok(lines.map(|line| line.replace('\t', " ")).collect::<Vec<_>>().join(", "))
}
