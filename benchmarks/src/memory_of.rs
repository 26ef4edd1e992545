use anyhow::Context;
use procfs::process::Process;

/// Of this process, in KiB: resident memory, and what of it is not from files, such as code.
pub(crate) fn this_process() -> anyhow::Result<[u64; 2]> {
    let status = Process::myself()?.status()?;
    let [all, own] = [status.vmrss, status.rssanon].map(|kib| kib.context("this kernel does not tell it"));
    Ok([all?, own?])
}
