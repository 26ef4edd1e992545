//! Domains that migrate from one host to another.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Stdio};

use osevent_standin_machine::signal;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::Case;
use crate::bed::{Failure, Host, Outcome, fleet, output, with_nats};
use crate::nats::Nats;

pub(crate) const CASES: &[Case] = &[
    ("a_domain_migrates_there_and_back_and_also_when_nobody_waits_for_it_any_more", there_and_back),
    ("a_migration_that_fails_says_why_and_where_the_domain_is", fails),
    ("a_host_that_is_stopped_lets_a_migration_end_or_cancels_it_and_both_ends_say_so", stopped),
];

const NAMES: [&str; 2] = ["one", "two"];

/// The name of the domain.
const MADE: &str = "made";

/// Xen's number of the reason.
const SUSPEND: u8 = 2;

/// Two hosts that may do all of it, and a domain on the first one.
pub(crate) async fn hosts(nats: &Nats, names: [&'static str; 2]) -> Result<(Host, Host), Failure> {
    let (one, two) = tokio::try_join!(Host::start(names[0], nats), Host::start(names[1], nats))?;
    for host in [&one, &two] {
        let actions =
            ["create", "destroy", "migrate", "receive"].map(|action| &*format!("org.osevent.Xen1.{action}").leak());
        host.polkit.lock().unwrap().allowed.extend(actions);
    }
    create(nats, one.name).await?;
    Ok((one, two))
}

/// It stays paused: the simulated machine resumes such domains only.
async fn create(nats: &Nats, host: &str) -> Outcome {
    let kernel = tempfile::NamedTempFile::new()?;
    fs::write(&kernel, osevent_domains::kernel::idle())?;
    let configuration = format!("name='{MADE}'\ntype='pvh'\nmemory=16\nkernel='{}'", kernel.path().display());
    let asked = json!({ "configuration": configuration, "paused": true }).to_string();
    let answer = nats.client().await?.request(format!("xen.command.{host}.create"), asked.into()).await?;
    let answer: Value = serde_json::from_slice(&answer.payload)?;
    if answer["outcome"] == "done" { Ok(()) } else { Err(answer.to_string().into()) }
}

/// A command that has a domain migrate.
pub(crate) struct Migrating {
    child: Child,
    /// What it says from then on.
    errors: BufReader<ChildStderr>,
}

/// Begins a migration, until the source's helper waits half-way, and suspends the domain.
pub(crate) async fn half_way(nats: &Nats, from: &Host, to: &Host) -> Result<Migrating, Failure> {
    let mut command = fleet(&nats.url(), &["migrate", from.name, MADE, to.name]);
    // Of a host that is away nothing is heard. One that is there tells twice a second how far it is.
    command.env("XENLIGHT_FLEET_TEST_SILENCE_MS", "5000");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let begun = move || {
        let mut child = command.spawn()?;
        let errors = BufReader::new(child.stderr.take().ok_or("it is piped")?);
        let mut migrating = Migrating { child, errors };
        let mut said = String::new();
        while !said.ends_with("Frames 50 %\n") {
            if migrating.errors.read_line(&mut said)? == 0 {
                return Err(format!("it has ended: {said}").into());
            }
        }
        Ok::<_, Failure>(migrating)
    };
    let migrating = spawn_blocking(begun).await??;
    from.machine.shut_down(1, SUSPEND)?;
    Ok(migrating)
}

/// How it ends, with the rest of what it says.
pub(crate) async fn ended(mut migrating: Migrating) -> Result<(Option<i32>, String), Failure> {
    let ended = move || {
        let mut said = String::new();
        migrating.errors.read_to_string(&mut said)?;
        let output = migrating.child.wait_with_output()?;
        said += str::from_utf8(&output.stdout)?;
        Ok((output.status.code(), said))
    };
    spawn_blocking(ended).await?
}

/// Each host, and the names of its domains without domain 0.
async fn listed(nats: &Nats) -> Result<Vec<(String, Vec<String>)>, Failure> {
    let listed = output(fleet(&nats.url(), &["list", "--json"])).await?;
    let hosts: Vec<Value> = serde_json::from_slice(&listed.stdout)?;
    let names = |host: &Value| {
        let names = host["domains"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|domain| domain["name"].as_str().unwrap_or_default().to_owned());
        let host = host["host"].as_str().unwrap_or_default().to_owned();
        (host, names.filter(|name| name != "Domain-0").collect())
    };
    Ok(hosts.iter().map(names).collect())
}

fn there_and_back() -> Outcome {
    with_nats(|nats| async move {
        let (mut one, mut two) = hosts(&nats, NAMES).await?;
        let migrating = half_way(&nats, &one, &two).await?;
        one.open_gate().await?;
        let (code, said) = ended(migrating).await?;
        assert!(code == Some(0) && said.ends_with("made runs on two\n"), "{said}");
        one.told("DomainGone", 1).await?;
        assert_eq!(listed(&nats).await?, [("one".to_owned(), vec![]), ("two".to_owned(), vec![MADE.to_owned()])]);

        let mut migrating = half_way(&nats, &two, &one).await?;
        migrating.child.kill()?;
        migrating.child.wait()?;
        two.open_gate().await?;
        two.told("DomainGone", 1).await?;
        one.told("DomainAppeared", 2).await?;
        Ok(())
    })
}

fn fails() -> Outcome {
    with_nats(|nats| async move {
        let (one, mut two) = hosts(&nats, NAMES).await?;
        let url = nats.url();
        let refused = async |arguments: &[&str]| {
            let refused = output(fleet(&url, arguments)).await?;
            assert_eq!(refused.status.code(), Some(1));
            Ok::<_, Failure>(String::from_utf8_lossy(&refused.stderr).trim().to_owned())
        };
        let unknown = "xenlight-fleet: one: NoSuchDomain: there is no domain with the name \"nobody\"";
        assert_eq!(refused(&["migrate", "one", "nobody", "two"]).await?, unknown);
        assert_eq!(refused(&["migrate", "one", "made", "three"]).await?, "xenlight-fleet: three is not there");
        let migrate = ["migrate", "one", "made", "two"];
        one.polkit.lock().unwrap().allowed.retain(|action| *action != "org.osevent.Xen1.migrate");
        let source = "xenlight-fleet: one: NotAuthorized: not authorized for org.osevent.Xen1.migrate";
        assert_eq!(refused(&migrate).await?, source);
        one.polkit.lock().unwrap().allowed.push("org.osevent.Xen1.migrate");
        two.polkit.lock().unwrap().allowed.retain(|action| *action != "org.osevent.Xen1.receive");
        let said = refused(&migrate).await?;
        assert!(said.contains("xenlight-fleet: one: Peer: "), "{said}");
        assert!(said.ends_with("two: NotAuthorized: not authorized for org.osevent.Xen1.receive"), "{said}");
        two.polkit.lock().unwrap().allowed.push("org.osevent.Xen1.receive");

        let migrating = half_way(&nats, &one, &two).await?;
        signal(migrating.child.id(), "INT")?;
        stays(migrating, "one: Cancelled: the migration failed during the transfer", "two: Libxl: ").await?;

        let migrating = half_way(&nats, &one, &two).await?;
        create(&nats, "two").await?;
        one.open_gate().await?;
        let started = "one: Peer: the migration failed when the target started the domain";
        stays(migrating, started, "two: Libxl: ").await?;

        let migrating = half_way(&nats, &one, &two).await?;
        two.go_away();
        let lost = "one: Peer: the migration failed during the transfer";
        stays(migrating, lost, "two is not heard of any more").await?;
        assert_eq!(listed(&nats).await?[0].1, [MADE]);
        Ok(())
    })
}

/// What a host says that is told to stop, and what it says the second time.
const REFUSES: &str = "what is under way may end";
const CANCELS: &str = "migrations are cancelled";

fn stopped() -> Outcome {
    with_nats(|nats| async move {
        let (mut one, two) = hosts(&nats, NAMES).await?;
        let migrating = half_way(&nats, &one, &two).await?;
        one.is_told_to_stop(REFUSES)?;
        one.is_told_to_stop(CANCELS)?;
        let source = "one: Cancelled: the migration failed during the transfer";
        stays(migrating, source, "two: Libxl: ").await?;
        one.bridge_ends()?;
        one.start_bridge().await?;

        let migrating = half_way(&nats, &one, &two).await?;
        one.is_told_to_stop(REFUSES)?;
        let refused = output(fleet(&nats.url(), &["run", "one", "pause", MADE])).await?;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.starts_with("xenlight-fleet: Stopping: "), "{said}");
        one.open_gate().await?;
        let (code, said) = ended(migrating).await?;
        assert!(code == Some(0) && said.ends_with("made runs on two\n"), "{said}");
        one.bridge_ends()
    })
}

/// It fails, and both hosts say so.
async fn stays(migrating: Migrating, source: &str, target: &str) -> Outcome {
    let (code, said) = ended(migrating).await?;
    println!("{said}");
    let lines: Vec<_> = said.lines().filter(|line| line.starts_with("xenlight-fleet: ")).collect();
    let [of_source, of_target] = lines[..] else { return Err(said.into()) };
    assert_eq!(code, Some(1));
    assert!(of_source.contains(source) && of_source.contains("the domain remains at the source"), "{said}");
    assert!(of_target.contains(target), "{said}");
    Ok(())
}
