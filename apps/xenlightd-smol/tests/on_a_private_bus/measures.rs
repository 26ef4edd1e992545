//! What the README tells of time and memory. Asked for only: `cargo test --release -p xenlightd --test on_a_private_bus -- --ignored --nocapture`.

use std::fs;
use std::time::{Duration, Instant};

use async_io::Timer;

use crate::Case;
use crate::bed::{Outcome, with_bed, with_service};

pub(crate) const CASES: &[Case] = &[("from_a_death_to_its_signal", latency), ("memory_and_idle_cost", cost)];

const SAMPLES: u32 = 200;

/// Of a service that has nothing to do.
const REST: Duration = Duration::from_secs(60);

fn latency() -> Outcome {
    with_service(|bed| async move {
        let mut signals = bed.signals().await?;
        let mut times = Vec::new();
        for domid in 1..=SAMPLES {
            bed.machine.add_domain(domid)?;
            signals.domain("DomainAppeared", domid).await?;
            let began = Instant::now();
            bed.machine.destroy(domid)?;
            signals.domain("DomainGone", domid).await?;
            times.push(began.elapsed());
        }
        times.sort();
        println!(
            "from a death to its signal: median {:?}, worst of {SAMPLES} {:?}",
            times[times.len() / 2],
            times[times.len() - 1]
        );
        Ok(())
    })
}

fn cost() -> Outcome {
    with_bed(|mut bed| async move {
        bed.start().await?;
        let process = bed.service().id();
        let alone = memory_kib(process)?;
        let mut signals = bed.signals().await?;
        for domid in 1..=200 {
            bed.machine.add_domain(domid)?;
            signals.domain("DomainAppeared", domid).await?;
        }
        println!("memory: {alone} KiB with domain 0, {} KiB with 200 more", memory_kib(process)?);
        Timer::after(Duration::from_secs(2)).await;
        let before = (switches(process)?, ticks(process)?, bed.machine.hypercalls());
        Timer::after(REST).await;
        let after = (switches(process)?, ticks(process)?, bed.machine.hypercalls());
        println!(
            "idle for {REST:?} with 200 domains: {} switches of context, {} ticks of processor time, {} hypercalls",
            after.0 - before.0,
            after.1 - before.1,
            after.2 - before.2
        );
        Ok(())
    })
}

/// Its share of what it has in memory.
fn memory_kib(process: u32) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).ok_or("no Pss")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}

/// How often its threads were let run.
fn switches(process: u32) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let status = fs::read_to_string(thread?.path().join("status"))?;
        for line in status.lines().filter(|line| line.contains("ctxt_switches")) {
            sum += line.rsplit(':').next().unwrap_or_default().trim().parse::<u64>()?;
        }
    }
    Ok(sum)
}

/// Of 10 ms, mostly.
fn ticks(process: u32) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
}
