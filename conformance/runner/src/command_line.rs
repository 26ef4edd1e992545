//! The program's way from its arguments to its exit.

use crate::arguments::Arguments;
use crate::cases::pair::figures::measure;
use crate::cases::pair::serve::serve;
use crate::on_libxl::OnLibxl;
use crate::shared_object::SharedObject;
use crate::tiers::libxl;
use crate::{broken, runner};
use clap::{CommandFactory, Parser};
use osevent_conformance::Suite;
use std::path::PathBuf;
use std::process::ExitCode;

/// The command line of `osevent-conformance`, for its manual.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

/// The program `osevent-conformance`: reads the command line, runs what it asks for, and prints the results.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let (Some(outcome), Some([broken]), [case]) = (&arguments.inside, arguments.broken.as_deref(), &*arguments.cases)
    {
        return broken::run_inside(broken, case, outcome);
    }
    let patience = arguments.patience();
    if let Some(path) = arguments.shared_object {
        // SAFETY: whoever runs the program with this file says that it is a loop as osevent_loop.h has it.
        if let Err(error) = unsafe { SharedObject::load(&path) } {
            return exit(Err(error));
        }
        return suite_on(path).run(
            patience,
            &osevent_conformance::Arguments {
                list: arguments.list,
                filters: arguments.cases.into_iter().take(1).collect(),
                threads: Some(arguments.jobs.into()),
                ..Default::default()
            },
        );
    }
    if arguments.probe {
        return exit(libxl::probe(arguments.libxl.as_deref()).map(|()| true));
    }
    if let Some(address) = arguments.serve {
        return exit(serve(address, arguments.linux.as_deref(), arguments.libxl.as_deref()).map(|()| true));
    }
    if let (Some(rounds), Some(peer)) = (arguments.figures, arguments.peer) {
        return exit(measure(peer, arguments.libxl.as_deref(), rounds).map(|()| true));
    }
    if let Some(outcome) = &arguments.inside {
        return runner::run_inside(&arguments, outcome);
    }
    let well = match &arguments.broken {
        Some(_) if arguments.list => {
            broken::list();
            Ok(true)
        }
        Some(names) => broken::run(names, arguments.repeat),
        None if arguments.random.are_given() => arguments.random.run(&arguments.adapters, arguments.repeat),
        None if !arguments.merge.is_empty() => runner::merge(&arguments),
        None => runner::run(&arguments),
    };
    exit(well)
}

/// 0 if all is well, 1 if not, 2 where nothing could be run.
fn exit(well: anyhow::Result<bool>) -> ExitCode {
    match well {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("osevent-conformance: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// `--loop FILE`: the suite on the loop of a shared object, which the caller vouches for by naming it.
fn suite_on(path: PathBuf) -> Suite {
    let suite = Suite::watching(path.display().to_string(), move || {
        // SAFETY: whoever runs the program with this file says that it is a loop as osevent_loop.h has it.
        unsafe { SharedObject::load(&path) }
    });
    suite.with(OnLibxl)
}
