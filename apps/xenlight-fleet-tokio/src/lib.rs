//! The domains of many Xen hosts: their events in one NATS stream, one list, commands by request and reply. The program xenlight-fleet.
//!
//! A process beside each host's xenlightd. It has no domain's state of its own: xenlightd keeps the last events, NATS those of all hosts, and
//! either may be away for a while.
//!
//! - `service` speaks to xenlightd over D-Bus, `server` has the connection to NATS. `feed` brings its events into the stream, `beat` says that the host is there, and
//!   `commands` does what others ask for.
//! - `migration` is a host's part in having a domain migrate, over a `line` to the other host. `stop` has it end well.
//! - `watch` notices hosts that are lost. `client` has the commands for people, `migrate` the one with two hosts.

mod beat;
mod client;
mod commands;
mod feed;
mod line;
mod migrate;
mod migration;
mod names;
mod refusal;
mod server;
mod service;
mod stop;
mod watch;

use std::error::Error;
use std::fs;
use std::net::{AddrParseError, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use async_nats::{Client, jetstream};
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use sd_notify::NotifyState;
use serde_json::json;
use service::Service;

/// Why a command failed, for the last line on standard error.
type Failed = Box<dyn Error + Send + Sync>;

/// The domains of many Xen hosts
///
/// On each host: `xenlight-fleet serve`, beside xenlightd. From anywhere: `xenlight-fleet list`.
#[derive(Parser)]
#[command(version, after_long_help = EXAMPLES)]
struct Arguments {
    /// The NATS server, with JetStream; several with commas between them. It may have a user and a password in it, and begin with tls://
    #[arg(long, env = "NATS_URL", default_value = "nats://127.0.0.1:4222", hide_env_values = true, global = true)]
    nats: String,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  xenlight-fleet list --json | jq -r '.[] | select(.lost) | .host'
      the hosts that are lost
  xenlight-fleet events | jq -r 'select(.event == \"gone\") | .host + \" \" + .name'
      the domains that end, on any host
  xenlight-fleet run xen2 shutdown web --limit 120
      asks the domain web on the host xen2 to power itself off
  xenlight-fleet migrate xen1 web xen2
      has the domain web go on on xen2; SIGINT (Ctrl-C) has it stay on xen1

Exit codes: 0 if it was done, 1 if not, with the reason on standard error; 2 for wrong arguments.";

#[derive(Subcommand)]
enum Command {
    /// Be the bridge between this host's xenlightd and NATS
    Serve {
        /// The name of this host, which no other may have [default: the system's]
        #[arg(long, env = "XENLIGHT_FLEET_HOST", value_parser = names::check_host)]
        host: Option<String>,
        /// Seconds between two signs of life. A host is lost when it has missed three
        #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = seconds)]
        beat: Duration,
        /// Receive domains from other hosts here: this host's address, as others reach it, and a port. 0 is any port
        #[arg(long, value_name = "ADDRESS:PORT", env = "XENLIGHT_FLEET_MIGRATION", value_parser = reachable)]
        migration: Option<SocketAddr>,
    },
    /// Print the domains of all hosts
    List {
        /// An array with a JSON object for each host
        #[arg(long)]
        json: bool,
    },
    /// Print what happens on all hosts from now on, a JSON object in each line
    Events {
        /// What the stream has from before, too
        #[arg(long)]
        all: bool,
    },
    /// Have a host do something, and wait until it is done
    Run {
        #[arg(value_parser = names::check_host)]
        host: String,
        action: Action,
        /// The name of the domain or its uuid; for create, the file with its configuration, as for xl
        domain: String,
        /// Seconds after which it is cancelled
        #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
        limit: Duration,
    },
    /// Have a domain migrate to another host, and wait until it runs there
    ///
    /// Its disks are not sent: they have to be at the same places on both hosts. SIGINT (Ctrl-C) has it stay where it is, unless it is there
    /// already. If the command is ended otherwise, the migration goes on.
    Migrate {
        #[arg(value_parser = names::check_host)]
        host: String,
        /// Its name or its uuid
        domain: String,
        /// Where it is to go on
        #[arg(value_parser = names::check_host)]
        to: String,
        /// Suspend it before its memory is sent, not at the end of that
        #[arg(long)]
        suspended: bool,
        /// Leave it paused there
        #[arg(long)]
        paused: bool,
    },
    /// Tell the stream when a host is lost and when it is back. Run it near the server, also more than once
    Watch,
    /// Forget a host that does not come back
    Forget {
        #[arg(value_parser = names::check_host)]
        host: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "lower")]
enum Action {
    Pause,
    Unpause,
    Shutdown,
    Reboot,
    Destroy,
    Create,
}

fn reachable(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|error: AddrParseError| error.to_string())?;
    if address.ip().is_unspecified() {
        return Err("other hosts are told this address, so it has to be one of this host's".to_owned());
    }
    Ok(address)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.filter(|time| !time.is_zero()).ok_or_else(|| "it is no number of seconds".to_owned())
}

/// The command line, for the manual.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

/// The program: does what the arguments of the process say.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(Failed::from).and_then(|runtime| runtime.block_on(run(arguments)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("xenlight-fleet: {failed}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failed> {
    let nats = &arguments.nats;
    match arguments.command {
        Command::Serve { host, beat, migration } => {
            let host = host.map_or_else(own_name, Ok)?;
            serve(server::patient(nats).await?, host, beat, migration).await
        }
        Command::Watch => watch::run(&jetstream::new(server::patient(nats).await?)).await,
        Command::List { json } => client::list(&server::impatient(nats).await?, json).await,
        Command::Events { all } => client::events(&server::impatient(nats).await?, all).await,
        Command::Run { host, action, domain, limit } => {
            let asked = match action {
                Action::Create => json!({ "configuration": fs::read_to_string(domain)? }),
                _ => json!({ "domain": domain }),
            };
            let command = action.to_possible_value().expect("none is hidden");
            client::order(&server::impatient(nats).await?, &host, command.get_name(), asked, limit).await
        }
        Command::Migrate { host, domain, to, suspended, paused } => {
            let client = server::impatient(nats).await?;
            migrate::run(&client, migrate::Migration { from: host, domain, to, live: !suspended, paused }).await
        }
        Command::Forget { host } => client::forget(&server::impatient(nats).await?, &host).await,
    }
}

async fn serve(client: Client, host: String, every: Duration, migration: Option<SocketAddr>) -> Result<(), Failed> {
    let mut context = jetstream::new(client.clone());
    context.set_timeout(ANSWER);
    let service = Service::connect().await?;
    let instance = service.read("", 0).await.map_err(|error| format!("cannot reach xenlightd: {error}"))?.instance;
    let beat = beat::Beat::begin(context.clone(), host.clone(), every, instance).await?;
    feed::stream(&context).await?;
    let requests = commands::subscribe(&client, &host).await?;
    let stop = stop::Stop::on_signals()?;
    let migrations = migration::Migrations::new(service.clone(), line::Identity::new()?, migration, stop.clone());
    let feed = feed::Feed { host, service: service.clone(), context };
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    tokio::select! {
        ended = beat.run() => ended,
        ended = feed.run() => ended,
        ended = commands::serve(client, service.clone(), migrations, requests, stop) => ended,
        () = service.gone() => Err("the connection to the bus is lost".into()),
    }
}

/// How long the server may take to acknowledge. What it acknowledges later is found in the stream.
const ANSWER: Duration = Duration::from_secs(2);

fn own_name() -> Result<String, Failed> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname")?;
    Ok(names::check_host(name.trim())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_has_what_the_book_and_the_readme_say() {
        let texts = [include_str!("../../../book/pages/start/fleet.md"), include_str!("../README.md")];
        let lines = texts.iter().flat_map(|text| text.lines()).map(|line| line.split(" #").next().unwrap_or_default());
        let commands = lines.filter(|line| {
            let mut words = line.split(' ').skip_while(|word| word.starts_with("NATS_URL="));
            words.next() == Some("xenlight-fleet")
        });
        let mut count = 0;
        for line in commands {
            let words = line.split_whitespace().skip_while(|word| *word != "xenlight-fleet");
            let parsed = Arguments::try_parse_from(words);
            assert!(parsed.is_ok(), "{line}: {}", parsed.err().map(|error| error.to_string()).unwrap_or_default());
            count += 1;
        }
        assert!(count > 10, "{count}");
    }
}
