//! What a case is, and how it ends.

use crate::directed::BoundaryCase;
use crate::hosts::{Adapter, Mode};
use crate::report::Verdict;
use crate::stage::Stage;
use crate::tiers;
use crate::tiers::xen::Type;
use serde::{Deserialize, Serialize};

/// One check, of one or several clauses of docs/contract.md.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What is shown, as a claim.
    pub(crate) claim: &'static str,
    pub(crate) clauses: &'static [&'static str],
    pub(crate) tiers: &'static [tiers::Tier],
    /// The loops it can run on: all, unless it is about one.
    pub(crate) adapters: &'static [Adapter],
    /// Where libxl can work in it: both, unless it is about one.
    pub(crate) modes: &'static [Mode],
    pub(crate) run: fn(&Stage) -> anyhow::Result<()>,
}

/// One check on real domains.
pub(crate) struct DomainCase {
    pub(crate) name: &'static str,
    /// What is shown, as a claim.
    pub(crate) claim: &'static str,
    pub(crate) clauses: &'static [&'static str],
    /// The types that its domains can have: it runs on domains of one type at a time.
    pub(crate) types: &'static [Type],
    /// The loops it can run on: all, unless the loop has no part in it.
    pub(crate) adapters: &'static [Adapter],
    /// Where libxl can work in it.
    pub(crate) modes: &'static [Mode],
    pub(crate) run: fn(&Stage) -> anyhow::Result<()>,
}

/// Any kind of case, as the runner sees it.
pub(crate) struct Listed {
    pub(crate) name: &'static str,
    pub(crate) claim: &'static str,
    pub(crate) clauses: &'static [&'static str],
    pub(crate) tiers: &'static [tiers::Tier],
    pub(crate) adapters: &'static [Adapter],
    pub(crate) modes: &'static [Mode],
    /// The types that its domains can have; none if it creates no real ones.
    pub(crate) types: &'static [Type],
    pub(crate) play: Play,
}

/// What a case runs on.
#[derive(Clone, Copy)]
pub(crate) enum Play {
    /// libxl, through xenlight.
    Stage(fn(&Stage) -> anyhow::Result<()>),
    /// A puppet, at the boundary.
    Boundary(&'static BoundaryCase),
}

impl From<&Case> for Listed {
    fn from(case: &Case) -> Self {
        let Case { name, claim, clauses, tiers, adapters, modes, run } = *case;
        Self { name, claim, clauses, tiers, adapters, modes, types: &[], play: Play::Stage(run) }
    }
}

impl From<&DomainCase> for Listed {
    fn from(case: &DomainCase) -> Self {
        let DomainCase { name, claim, clauses, types, adapters, modes, run } = *case;
        let tiers = &[tiers::Tier::Xen];
        Self { name, claim, clauses, tiers, adapters, modes, types, play: Play::Stage(run) }
    }
}

impl From<&'static BoundaryCase> for Listed {
    fn from(case: &'static BoundaryCase) -> Self {
        Self {
            name: case.name,
            claim: case.claim,
            clauses: case.clauses,
            tiers: &[tiers::Tier::Model],
            adapters: Adapter::ALL,
            modes: &[Mode::Loop],
            types: &[],
            play: Play::Boundary(case),
        }
    }
}

/// How a case ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) result: Verdict,
    /// Why, unless it passed.
    pub(crate) reason: String,
}

/// An error that says: this cannot be run here.
#[derive(Debug)]
pub(crate) struct Skip(pub(crate) String);

impl std::fmt::Display for Skip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

impl Outcome {
    pub(crate) fn of(result: anyhow::Result<()>) -> Self {
        match result {
            Ok(()) => Self { result: Verdict::Passed, reason: String::new() },
            Err(error) => match error.downcast::<Skip>() {
                Ok(skip) => Self { result: Verdict::Skipped, reason: skip.0 },
                Err(error) => Self::failed(format!("{error:#}")),
            },
        }
    }

    pub(crate) fn failed(reason: String) -> Self {
        Self { result: Verdict::Failed, reason }
    }
}
