//! Figures, and whether they meet their goals.

use super::plot::Parts;
use crate::figures::{Pair, Sample, table};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// What a figure should be.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    fn is_met(self, figure: f64) -> bool {
        match self {
            Self::AtMost(most) => figure <= most,
            Self::AtLeast(least) => figure >= least,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "≤ {most}"),
            Self::AtLeast(least) => write!(f, "≥ {least}"),
        }
    }
}

/// One figure.
#[derive(Serialize, Deserialize)]
pub(crate) struct Row {
    pub(super) what: String,
    pub(super) unit: Cow<'static, str>,
    /// Against what, and what was measured, in this unit; medians. The figure is the ratio of the second to the first.
    pub(super) compared: Option<(f64, f64)>,
    /// `None` if it is only to be compared.
    pub(super) bound: Option<Bound>,
    pub(super) figure: f64,
    /// The 10th and the 90th percentile of the rounds.
    pub(super) spread: (f64, f64),
}

impl Row {
    /// The ratio, in nanoseconds.
    pub(super) fn of_pair(what: impl Into<String>, bound: Option<Bound>, pair: &Pair) -> Self {
        Self {
            compared: Some((pair.base.median(), pair.measured.median())),
            ..Self::of_sample(what, "ns", bound, &pair.ratio)
        }
    }

    /// How much more was measured than that against which.
    pub(super) fn of_difference(
        what: impl Into<String>,
        unit: &'static str,
        bound: Option<Bound>,
        rounds: Vec<(f64, f64)>,
    ) -> Self {
        let more = Sample::of(rounds.iter().map(|(base, measured)| measured - base).collect());
        let more = more.expect("there is one round at least");
        let pair = Pair::of(rounds);
        let compared = Some((pair.base.median(), pair.measured.median()));
        Self { compared, ..Self::of_sample(what, unit, bound, &more) }
    }

    fn of_sample(what: impl Into<String>, unit: &'static str, bound: Option<Bound>, sample: &Sample<f64>) -> Self {
        let (figure, spread) = (sample.median(), (sample.quantile(10), sample.quantile(90)));
        Self { what: what.into(), unit: unit.into(), compared: None, bound, figure, spread }
    }

    /// One that does not vary.
    pub(super) fn alone(what: impl Into<String>, unit: &'static str, bound: Bound, figure: f64) -> Self {
        Self {
            what: what.into(),
            unit: unit.into(),
            compared: None,
            bound: Some(bound),
            figure,
            spread: (figure, figure),
        }
    }
}

/// A row, as files have it.
#[derive(Serialize, Deserialize)]
pub(super) struct Measured {
    goal: String,
    /// Without a bound there is none.
    is_met: Option<bool>,
    #[serde(flatten)]
    row: Row,
}

impl Measured {
    pub(super) fn of(goal: &str, row: Row) -> Self {
        Self { goal: goal.to_owned(), is_met: row.bound.map(|bound| bound.is_met(row.figure)), row }
    }

    /// For a plot, its words, and its figure and spread as parts of its goal, if it has one that is not 0 and a figure that varies.
    pub(super) fn parts_of_goal(&self) -> Option<Parts> {
        let Self { goal, row, .. } = self;
        let part: Box<dyn Fn(f64) -> f64> = match row.bound? {
            Bound::AtMost(most) => Box::new(move |figure| figure / most),
            Bound::AtLeast(least) => Box::new(move |figure| least / figure),
        };
        let parts = [row.figure, row.spread.0, row.spread.1].map(part);
        // A logarithmic axis has neither 0 nor less.
        parts.iter().all(|part| part.is_normal() && *part > 0.0).then(|| (format!("{goal} {}", row.what), parts))
    }

    pub(super) fn number(&self) -> u32 {
        number(&self.goal)
    }
}

/// 13 for `P13`.
pub(super) fn number(goal: &str) -> u32 {
    goal.trim_start_matches('P').parse().unwrap_or(u32::MAX)
}

/// Prints a line for each, and what could not be measured.
pub(super) fn show(results: &[Measured], skipped: &[String]) {
    let mut shown = table(["goal", "what", "unit", "against", "measured", "figure", "spread", "wanted", "met"]);
    for Measured { goal, is_met, row } in results {
        let side = |side: Option<f64>| side.map_or("".to_owned(), |figure| format!("{figure:.0}"));
        shown.add_row([
            goal.clone(),
            row.what.clone(),
            row.unit.clone().into_owned(),
            side(row.compared.map(|(against, _)| against)),
            side(row.compared.map(|(_, measured)| measured)),
            format!("{:.2}", row.figure),
            format!("{:.2} to {:.2}", row.spread.0, row.spread.1),
            row.bound.map(|bound| bound.to_string()).unwrap_or_default(),
            is_met.map_or("", |is_met| if is_met { "yes" } else { "no" }).to_owned(),
        ]);
    }
    println!("{shown}");
    for reason in skipped {
        println!("skipped: {reason}");
    }
}
