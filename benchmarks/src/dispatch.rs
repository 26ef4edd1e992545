//! What one event costs: a write to an eventfd, a turn of the loop, and the read in the callback.
//!
//! The fds form a ring: each callback reads its own and makes the next one readable, so each event takes a turn of the
//! loop, and nobody else takes part. A round goes around in a source of the loop's own for each fd, the next one
//! through osevent, and so on by turns: what else the machine does meets both.

use crate::eventfd::allow_many_fds;
use crate::figures::{paired, table};
use crate::rival::Rival;
use crate::way::Way;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How often each is measured, by turns
    #[arg(long, default_value_t = 101, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Events in a round
    #[arg(long, default_value_t = 2000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    events: u32,
    /// How many fds are watched, of which one at a time is ready; repeat for more
    #[arg(long, value_name = "N", default_values_t = [1, 100, 1000], value_parser = clap::value_parser!(u32).range(1..))]
    fds: Vec<u32>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    allow_many_fds()?;
    let mut shown = table(["loop", "fds", "its own, ns", "osevent, ns", "ratio", "10th to 90th percentile"]);
    for rival in Rival::all() {
        for &fds in &options.fds {
            let hosts = rival.start_pair()?;
            let own = Way::own(hosts.first(), fds as usize, &[])?;
            let osevent = Way::osevent(hosts.second(), fds as usize, &[])?;
            let events = options.events;
            let pair = paired(options.rounds, || own.ring.round(events), || osevent.ring.round(events));
            let [ratio, spread] = pair.ratio_shown();
            shown.add_row([
                rival.name().to_owned(),
                fds.to_string(),
                format!("{:.0}", pair.base.median()),
                format!("{:.0}", pair.measured.median()),
                ratio,
                spread,
            ]);
        }
    }
    println!("{shown}");
    Ok(())
}
