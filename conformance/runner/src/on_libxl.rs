//! The cases on the libxl that is installed, for a suite of other people.

use crate::case::{Listed, Play};
use crate::cases;
use crate::hosts::{Adapter, Mode};
use crate::perform::{Target, perform};
use crate::tiers::Tier;
use crate::tiers::libxl::{self, PROBE};
use anyhow::Context;
use osevent_conformance::hosts::Host;
use osevent_conformance::standin::Preparation;
use osevent_conformance::{MoreCases, Named};
use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Cases named `libxl` drive the loop with the libxl that is installed, without a hypervisor, and those named `libxl-thread` with
/// that libxl on a thread of its own. Where none is installed they are ignored, with the reason.
///
/// `Suite::watching(…).with(OnLibxl)` has them beside the cases at the boundary.
#[derive(Clone, Copy, Debug)]
pub struct OnLibxl;

impl MoreCases for OnLibxl {
    fn named(&self) -> Vec<Named> {
        all().map(|(name, case, _)| Named { name, clauses: case.clauses.join(" ") }).collect()
    }

    fn prepare(&self, patience: Duration) -> anyhow::Result<()> {
        libxl::probe_apart(&Preparation::new()?, None, patience)
    }

    fn started_as(&self, first: &OsStr) -> Option<ExitCode> {
        (first == PROBE).then(|| match libxl::probe(None) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error:#}");
                ExitCode::FAILURE
            }
        })
    }

    fn play(&self, name: &str, host: Box<dyn Host>, outcome: &Path) -> anyhow::Result<()> {
        let chosen = all().find(|(named, _, _)| named == name);
        let (_, case, mode) = chosen.with_context(|| format!("there is no case {name}"))?;
        let domains = case.types.first().copied();
        let target = Target { tier: Tier::Libxl, linux: None, libxl: None, domains, peer: None };
        perform(case.play, target, host, mode, outcome)
    }
}

/// Those that any loop can run.
fn all() -> impl Iterator<Item = (String, &'static Listed, Mode)> {
    let on_libxl = |case: &&'static Listed| {
        matches!(case.play, Play::Stage(_)) && case.tiers.contains(&Tier::Libxl) && case.adapters == Adapter::ALL
    };
    cases::ALL.iter().filter(on_libxl).flat_map(|case| {
        case.modes.iter().map(move |&mode| {
            let kind = match mode {
                Mode::Loop => "libxl",
                Mode::Thread => "libxl-thread",
            };
            (format!("{kind}::{}", case.name), case, mode)
        })
    })
}
