//! Medians, spreads, and how they are shown.

use comfy_table::{Table, presets};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Measurements of one thing, in order of size.
pub(crate) struct Sample<T>(Vec<T>);

impl<T: Copy + PartialOrd> Sample<T> {
    /// `None` where nothing was measured.
    pub(crate) fn of(mut measured: Vec<T>) -> Option<Self> {
        measured.sort_by(|one, other| one.partial_cmp(other).expect("what is measured is a number"));
        (!measured.is_empty()).then_some(Self(measured))
    }

    pub(crate) fn median(&self) -> T {
        self.quantile(50)
    }

    pub(crate) fn worst(&self) -> T {
        self.quantile(100)
    }

    /// The one that this many percent are not above.
    pub(crate) fn quantile(&self, percent: usize) -> T {
        self.0[(self.0.len() - 1) * percent / 100]
    }
}

/// What two were measured at by turns, so that whatever else the machine does meets both.
pub(crate) struct Pair {
    pub(crate) base: Sample<f64>,
    pub(crate) measured: Sample<f64>,
    /// Of the rounds: measured / base.
    pub(crate) ratio: Sample<f64>,
}

impl Pair {
    /// Of rounds of both: base, measured. There is one at least.
    pub(crate) fn of(rounds: Vec<(f64, f64)>) -> Self {
        let sample = |of: fn(&(f64, f64)) -> f64| {
            Sample::of(rounds.iter().map(of).collect()).expect("there is one round at least")
        };
        Self {
            base: sample(|(base, _)| *base),
            measured: sample(|(_, measured)| *measured),
            ratio: sample(|(base, measured)| measured / base),
        }
    }

    /// The ratio's median and spread, as tables have them.
    pub(crate) fn ratio_shown(&self) -> [String; 2] {
        let ratio = &self.ratio;
        [format!("{:.2}", ratio.median()), format!("{:.2} to {:.2}", ratio.quantile(10), ratio.quantile(90))]
    }
}

/// Measures both `rounds` times, at least once.
pub(crate) fn paired(rounds: u32, mut base: impl FnMut() -> f64, mut measured: impl FnMut() -> f64) -> Pair {
    // Not counted: memory is touched for the first time, async-io finds out who waits.
    _ = (base(), measured());
    Pair::of((0..rounds.max(1)).map(|_| (base(), measured())).collect())
}

/// The monotonic clock, which other processes and the kernel have as well.
pub(crate) fn now() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Monotonic)).expect("it is not negative")
}

/// What the calling thread has used of a processor. On a machine that others use, the time of day says more about them.
pub(crate) fn used() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("it is not negative")
}

/// Nanoseconds of a processor for one of so many times.
pub(crate) fn each(times: u32, mut act: impl FnMut()) -> f64 {
    let began = used();
    (0..times).for_each(|_| act());
    (used() - began).as_nanos() as f64 / f64::from(times)
}

/// In milliseconds.
pub(crate) fn ms(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}

/// A table, in Markdown.
pub(crate) fn table<const N: usize>(header: [&str; N]) -> Table {
    table_of(header.map(str::to_owned).into())
}

/// The same, with any number of columns.
pub(crate) fn table_of(header: Vec<String>) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(header);
    table
}
