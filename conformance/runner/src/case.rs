//! What a case is.

use crate::hosts::{Adapter, Mode};
use crate::stage::Stage;
use crate::tiers;
use crate::tiers::xen::Type;
use osevent_conformance::directed::BoundaryCase;

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
