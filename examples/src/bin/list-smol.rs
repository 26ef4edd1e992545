//! Prints all domains and then each change of them, with libxl on a smol executor: a list that is never outdated, and asks for nothing
//! while the host is at rest.
//!
//! ```text
//! list-smol                  runs until it is killed
//! list-smol COMMAND ARGS…    runs COMMAND until it ends, and exits with its exit code
//! ```
//!
//! It needs root in a Xen dom0; otherwise it exits with code 2. To run it without a Xen host:
//!
//! ```text
//! cargo xtask lab -- list-smol sh -c 'xl create -q /lab/idle.cfg; sleep 2; xl rename idle busy; xl destroy busy'
//! ```

use std::env;
use std::error::Error;
use std::future::pending;
use std::process::ExitCode;

use futures_lite::StreamExt;
use futures_lite::future::or;
use smol::LocalExecutor;
use smol::process::Command;
use xenlight::{Ctx, Domain, DomainChange, DomainState, Domains, Library};

type Outcome = Result<u8, Box<dyn Error>>;

fn main() -> ExitCode {
    let executor = LocalExecutor::new();
    match smol::block_on(executor.run(run(&executor))) {
        Ok(code) => code.into(),
        Err(error) => {
            eprintln!("list-smol: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run(executor: &LocalExecutor<'_>) -> Outcome {
    let xen = osevent_smol::LibxlSource::new()?;
    let event_loop = xen.event_loop();
    executor.spawn(xen).detach();
    let ctx = Ctx::open(&Library::load()?, event_loop)?;

    let domains = ctx.follow_domains()?;
    domains.list().for_each(show);
    // Until one of them ends.
    let outcome = or(follow(domains), command()).await;
    ctx.close().await;
    outcome
}

/// Ends when the ctx is closed, which it is not here.
async fn follow(mut domains: Domains) -> Outcome {
    while let Some(change) = domains.next().await {
        match change {
            DomainChange::Appeared(domain) | DomainChange::Changed { now: domain, .. } => show(&domain),
            DomainChange::Gone(domain) if domain.state == DomainState::Making => {
                println!("{} could not be created", shown(&domain));
            }
            DomainChange::Gone(domain) => println!("{} is gone", shown(&domain)),
            DomainChange::Stale(error) => println!("the list may be outdated: {error}"),
            DomainChange::Fresh => println!("the list is right again"),
            // There may be others in later versions.
            _ => {}
        }
    }
    Ok(0)
}

fn show(domain: &Domain) {
    let state = match domain.state {
        DomainState::Making => "is being created".to_owned(),
        DomainState::Running => "runs".to_owned(),
        DomainState::Paused => "is paused".to_owned(),
        DomainState::Shutdown(reason) => format!("has shut down ({reason})"),
        DomainState::Dying => "is being destroyed".to_owned(),
        other => format!("is {other:?}"),
    };
    println!("{} {state}", shown(domain));
}

fn shown(domain: &Domain) -> String {
    format!("domain {} ({})", domain.domid(), domain.name.as_deref().unwrap_or("no name yet"))
}

/// Waits for the end of the command.
async fn command() -> Outcome {
    let mut words = env::args_os().skip(1);
    let Some(program) = words.next() else { return pending().await };
    let status = Command::new(&program).args(words).status().await;
    let status = status.map_err(|error| format!("cannot run {}: {error}", program.display()))?;
    Ok(status.code().map_or(255, |code| code as u8))
}
