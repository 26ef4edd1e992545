//! Plays one case in this process, on what it needs.

use crate::case::Play;
use crate::hosts::Mode;
use crate::stage::Stage;
use crate::tiers::xen::Type;
use crate::tiers::{self, Machine, Tier};
use osevent_conformance::hosts::Host;
use osevent_conformance::integration::CoreIntegration;
use osevent_conformance::patience;
use osevent_conformance::perform::{perform_at_boundary, watched};
use std::net::SocketAddr;
use std::path::Path;

/// What a case on libxl has below that.
pub(crate) struct Target<'a> {
    pub(crate) tier: Tier,
    /// A kernel for Linux domains on a real Xen, if the user names one.
    pub(crate) linux: Option<&'a Path>,
    /// The libxl to load, if the user names one.
    pub(crate) libxl: Option<&'a Path>,
    /// The type of the case's domains, if it creates real ones.
    pub(crate) domains: Option<Type>,
    /// Where the other host serves, if there is one.
    pub(crate) peer: Option<SocketAddr>,
}

/// Runs the case on this program. What the monitor saw is written beside the outcome.
pub(crate) fn perform(
    play: Play,
    target: Target<'_>,
    host: Box<dyn Host>,
    mode: Mode,
    outcome: &Path,
) -> anyhow::Result<()> {
    match play {
        Play::Stage(run) => {
            let folder = outcome.parent().unwrap_or(Path::new("."));
            let machine = Machine::start(target.tier, folder, target.linux, target.domains, target.peer)?;
            let library = tiers::library(target.libxl)?;
            let stage = Stage::set(machine, patience::limits(target.tier.limits()), host, mode, folder, library)?;
            watched(&stage.monitor.clone(), outcome, || run(&stage).and_then(|()| stage.finish()))
        }
        Play::Boundary(case) => perform_at_boundary(case, Box::new(CoreIntegration::new(host)), outcome),
    }
}
