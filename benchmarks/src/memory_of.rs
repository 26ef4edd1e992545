use anyhow::Context;
use std::fs;

/// Of this process, in KiB: resident memory, and what of it is not from files, such as code.
///
/// Linux counts it for this, page by page. The numbers in `/proc/self/status` may lack what the last page faults of each thread have brought: with Linux 6.1
/// up to 64 of them, of 16 pages each.
pub(crate) fn this_process() -> anyhow::Result<[u64; 2]> {
    let counted = fs::read_to_string("/proc/self/smaps_rollup")?;
    let [all, own] = ["Rss:", "Anonymous:"].map(|what| {
        let kib = counted.lines().find_map(|line| line.strip_prefix(what)?.trim().strip_suffix(" kB"));
        kib.context("this kernel does not tell it")
    });
    Ok([all?.parse()?, own?.parse()?])
}
