//! Random scripts on the model of libxl, two hundred seeds for each group of releases. The command's `--seeds` runs more.

use crate::boundary::Rule;
use crate::directed::{BoundaryCase, CONCURRENT, SERIALIZED, Setting};
use crate::model::{IMPATIENCE, Plan, Release, run_script, run_seeds};
use anyhow::bail;
use std::time::Duration;

/// The seeds of each case. They are the same in each run, so that a failure can be looked at again.
const SEEDS: std::ops::Range<u64> = 0..200;

/// 4.2.0 and 4.2.1 believe what the host says of an fd, and have no pipe for children.
const OLD: &[&str] = &[
    "R1", "R2", "R4", "R5", "R6", "R7", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15", "O1", "O2", "O3", "O4",
    "O5", "O6", "O7", "O8", "O10", "O11", "X2", "X4", "X5", "X6",
];
const NEW: &[&str] = &[
    "R1", "R2", "R4", "R5", "R6", "R7", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15", "R16", "O1", "O2", "O3",
    "O5", "O6", "O7", "O8", "O10", "O11", "X2", "X4", "X5", "X6",
];

/// One for each group of releases.
pub static ALL: &[&BoundaryCase] = &[
    &case("model-random-4.2.0", SERIALIZED, |setting| run(setting, Release::V4_2_0)),
    &case("model-random-4.2.1", SERIALIZED, |setting| run(setting, Release::V4_2_1)),
    &case("model-random-4.2.2", CONCURRENT, |setting| run(setting, Release::V4_2_2)),
    &case("model-random-4.4", CONCURRENT, |setting| run(setting, Release::V4_4)),
    &case("model-random-4.5", CONCURRENT, |setting| run(setting, Release::V4_5)),
    &case("model-random-4.6", CONCURRENT, |setting| run(setting, Release::V4_6)),
    &case("model-random-4.13", CONCURRENT, |setting| run(setting, Release::V4_13)),
];

const fn case(name: &'static str, rules: &'static [Rule], run: fn(&Setting<'_>) -> anyhow::Result<()>) -> BoundaryCase {
    BoundaryCase {
        name,
        claim: "Whatever several threads of a program make libxl do, in two hundred random ways, nothing of it is lost, late, doubled or early",
        clauses: match rules {
            [Rule::Serialized] => OLD,
            _ => NEW,
        },
        rules,
        sources: &[],
        run,
    }
}

/// A case's process has five minutes, and a host that hangs is given this time twice.
const PATIENCE: Duration = Duration::from_secs(40);

fn run(setting: &Setting<'_>, release: Release) -> anyhow::Result<()> {
    let plan = Plan { release, seeds: SEEDS, patience: setting.patience().min(PATIENCE) };
    let Some(failure) = run_seeds(&plan, setting.integration(), |_| ())? else { return Ok(()) };
    if !failure.stuck {
        // Each seed had a monitor of its own. For the case's record, what is left of this one fails once more.
        for _ in 0..failure.again.1 {
            if !run_script(&failure.script, &setting.monitored(), IMPATIENCE)?.violations.is_empty() {
                break;
            }
        }
    }
    bail!("{failure}")
}
