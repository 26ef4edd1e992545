//! Medians, spreads, and how they are shown.

use comfy_table::{Table, presets};
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

/// In milliseconds.
pub(crate) fn ms(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}

/// A table, in Markdown.
pub(crate) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(header);
    table
}
