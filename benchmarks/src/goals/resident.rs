//! P16: the memory of a host program with a ctx and watches of domains, above the same by libxl alone.

use super::Skipped;
use super::row::Bound::AtMost;
use super::row::Row;
use std::path::Path;

/// Of both programs by turns, which `run` starts with their arguments.
pub(super) fn rows(
    rounds: u32,
    domids: &[u32],
    place: &str,
    run: impl Fn(&Path, &[String]) -> anyhow::Result<[f64; 2]>,
) -> anyhow::Result<Vec<Row>> {
    let domids: Vec<_> = domids.iter().map(u32::to_string).collect();
    // Programs of their own, since this one is much larger, and parts of it come into memory with what is needed.
    let measured = |name: &str| {
        let program = std::env::current_exe()?.with_file_name(name);
        if !program.exists() {
            return Err(Skipped(format!("there is no {}, which `./x bench` builds", program.display())).into());
        }
        run(&program, &domids)
    };
    let rounds: Vec<_> = (0..rounds)
        .map(|_| Ok((measured("host-without-osevent")?, measured("host")?)))
        .collect::<anyhow::Result<_>>()?;
    let row = |what: &str, at: usize, bound| {
        let rounds: Vec<_> = rounds.iter().map(|(without, with)| (without[at], with[at])).collect();
        let what = format!("{place}a program with a ctx and {} watches, above libxl alone{what}", domids.len());
        Row::of_difference(what, "KiB", bound, rounds)
    };
    Ok(vec![row("", 0, Some(AtMost(1024.0))), row(": of that, not from files", 1, None)])
}
