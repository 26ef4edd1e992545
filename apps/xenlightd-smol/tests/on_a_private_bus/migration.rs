//! Domains that migrate: on one host, from the service to itself.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use zbus::{OwnedObjectPath, Str};

use crate::Case;
use crate::bed::{Bed, HOST, Outcome, Signals};
use crate::control::error_of;
use crate::files::{SUSPEND, fd, goes_on, with_domain};

pub(crate) const CASES: &[Case] = &[
    ("a_domain_migrates_and_its_object_stays", there),
    ("a_migration_that_is_cancelled_leaves_the_domain_where_it_is", cancelled),
    ("a_migration_whose_other_side_leaves_or_is_none_says_so", nobody),
    ("a_copy_that_is_received_does_not_run_before_its_time", incoming),
    ("a_domain_that_may_run_elsewhere_is_not_resumed", unsettled),
    ("what_is_no_connection_is_refused", no_connection),
];

/// What a target says when it has the whole domain, and what it needs to start it.
const RECEIVED: &[u8] = b"domain received, ready to unpause\0";
const GO: &[u8] = b"domain is yours, you are cleared to unpause\0";

/// What a target says first.
const GREETING: &[u8] = b"xl migration receiver ready, send binary domain data.\n";

async fn migrate(bed: &Bed, domain: &str, over: &impl AsFd) -> zbus::Result<OwnedObjectPath> {
    bed.call(domain, "Domain", "Migrate", &(fd(over), fd(over), true)).await?.body().deserialize()
}

async fn receive(bed: &Bed, over: &impl AsFd, paused: bool) -> zbus::Result<OwnedObjectPath> {
    bed.call(HOST, "Manager", "ReceiveDomain", &(fd(over), fd(over), paused)).await?.body().deserialize()
}

/// Begins both sides, until the domain is suspended and the source's helper waits. Returns the jobs of source and target.
async fn half_way(
    bed: &Bed,
    signals: &mut Signals,
    domain: &str,
) -> Result<[OwnedObjectPath; 2], Box<dyn std::error::Error + Send + Sync>> {
    let (near, far) = UnixStream::pair()?;
    let target = receive(bed, &far, false).await?;
    let source = migrate(bed, domain, &near).await?;
    signals.property(&source, "Percent", 50_u8.into()).await?;
    bed.machine.shut_down(1, SUSPEND)?;
    signals.property(domain, "State", Str::from("suspended").into()).await?;
    Ok([source, target])
}

fn there() -> Outcome {
    with_domain("waits", |bed, domain| async move {
        let (mut signals, mut of_domain) = (bed.signals().await?, bed.signals().await?);
        let [source, target] = half_way(&bed, &mut signals, &domain).await?;
        for method in ["Resume", "Unpause"] {
            let (name, text) = error_of(bed.call(&domain, "Domain", method, &()).await);
            // As for which of both jobs: they are on one host.
            assert_eq!(name, "Busy", "{method}: {text}");
        }
        fs::write(bed.folder().join("gate"), "x")?;
        for job in [&source, &target] {
            bed.call(job, "Job", "Wait", &()).await?;
        }
        assert_eq!(bed.text(&source, "Job", "Kind").await?, "migrate");
        assert_eq!(bed.text(&target, "Job", "Kind").await?, "receive");
        assert_eq!(bed.properties(&target, "Job").await?["Domain"], domain.as_ref().into());
        // It is another domain for Xen, and the same for everybody else.
        of_domain.property(&domain, "Id", 2_u32.into()).await?;
        bed.call(HOST, "Manager", "Refresh", &()).await?;
        // That it is may have been told already.
        while bed.text(&domain, "Domain", "State").await? != "running" {
            of_domain.next(&domain, "PropertiesChanged").await?;
        }
        assert_eq!(bed.text(&domain, "Domain", "Name").await?, "made");
        assert_eq!(bed.domains().await?.len(), 2);
        Ok(())
    })
}

fn cancelled() -> Outcome {
    with_domain("hangs", |bed, domain| async move {
        let mut signals = bed.signals().await?;
        let [source, target] = half_way(&bed, &mut signals, &domain).await?;
        bed.call(&source, "Job", "Cancel", &()).await?;
        let (name, text) = error_of(bed.call(&source, "Job", "Wait", &()).await);
        assert_eq!(name, "Cancelled", "{text}");
        assert!(text.ends_with("the domain remains at the source"), "{text}");
        let (name, text) = error_of(bed.call(&target, "Job", "Wait", &()).await);
        assert_eq!(name, "Libxl", "{text}");
        goes_on(&mut signals, &domain).await?;
        assert_eq!(bed.domains().await?.len(), 2);
        Ok(())
    })
}

fn nobody() -> Outcome {
    with_domain("", |bed, domain| async move {
        for says in [&b""[..], b"bash: line 1: xl: command not found\n"] {
            let (near, mut far) = UnixStream::pair()?;
            far.write_all(says)?;
            drop(far);
            let job = migrate(&bed, &domain, &near).await?;
            let (name, text) = error_of(bed.call(&job, "Job", "Wait", &()).await);
            assert_eq!(name, "Peer", "{text}");
            assert!(text.contains(str::from_utf8(says)?.trim()), "{text}");
        }
        // A source that is none.
        let (near, mut far) = UnixStream::pair()?;
        let job = receive(&bed, &near, false).await?;
        drop(near);
        let mut greeting = vec![0; GREETING.len()];
        let far = smol::unblock(move || far.read_exact(&mut greeting).map(|()| (greeting, far))).await?;
        assert_eq!(far.0, GREETING);
        drop(far);
        let (name, text) = error_of(bed.call(&job, "Job", "Wait", &()).await);
        assert_eq!(name, "Peer", "{text}");
        assert_eq!(bed.text(&domain, "Domain", "ShutdownReason").await?, "");
        Ok(())
    })
}

/// A source that has sent all, and does not say that the copy may run: until it leaves, the copy stays as it is.
fn incoming() -> Outcome {
    with_domain("", |bed, domain| async move {
        // What a source sends.
        let path = bed.folder().join("saved");
        let saved = bed.call(&domain, "Domain", "Save", &(fd(&File::create(&path)?), false)).await?;
        bed.call(&saved.body().deserialize::<OwnedObjectPath>()?, "Job", "Wait", &()).await?;
        let (mut signals, mut of_job) = (bed.signals().await?, bed.signals().await?);
        let (near, far) = UnixStream::pair()?;
        let job = receive(&bed, &near, false).await?;
        drop(near);
        let source = smol::unblock(move || -> std::io::Result<UnixStream> {
            (&far).read_exact(&mut [0; GREETING.len()])?;
            (&far).write_all(&fs::read(path)?)?;
            (&far).read_exact(&mut [0; RECEIVED.len()])?;
            Ok(far)
        });
        let source = source.await?;
        of_job.property(&job, "Domain", domain.as_ref().into()).await?;
        while bed.text(&domain, "Domain", "Name").await.unwrap_or_default() != "made--incoming" {
            signals.next(HOST, "DomainChanged").await?;
        }
        let path = bed.folder().join("another");
        for name in ["made--incoming", "renamed"] {
            for method in ["Unpause", "Resume"] {
                let (error, text) = error_of(bed.call(&domain, "Domain", method, &()).await);
                assert_eq!(error, "Busy", "{name}, {method}: {text}");
                assert!(text.contains("being received"), "{text}");
            }
            let (error, text) = error_of(bed.call(&domain, "Domain", "Save", &(fd(&File::create(&path)?), true)).await);
            assert_eq!(error, "Busy", "{name}: {text}");
            bed.call(&domain, "Domain", "Rename", &"renamed").await?;
        }
        drop(source);
        let (error, text) = error_of(bed.call(&job, "Job", "Wait", &()).await);
        assert_eq!(error, "Peer", "{text}");
        Ok(())
    })
}

/// A target that leaves once it may run the domain: nobody knows whether it does.
fn unsettled() -> Outcome {
    with_domain("waits", |mut bed, domain| async move {
        let mut signals = bed.signals().await?;
        let (near, far) = UnixStream::pair()?;
        let job = migrate(&bed, &domain, &near).await?;
        drop(near);
        let target = std::thread::spawn(move || -> std::io::Result<()> {
            (&far).write_all(&[GREETING, RECEIVED].concat())?;
            let mut heard = Vec::new();
            while !heard.ends_with(GO) {
                let mut byte = [0];
                (&far).read_exact(&mut byte)?;
                heard.extend(byte);
            }
            Ok(())
        });
        signals.property(&job, "Percent", 50_u8.into()).await?;
        bed.machine.shut_down(1, SUSPEND)?;
        signals.property(&domain, "State", Str::from("suspended").into()).await?;
        fs::write(bed.folder().join("gate"), "x")?;
        let (error, text) = error_of(bed.call(&job, "Job", "Wait", &()).await);
        assert_eq!(error, "Unsettled", "{text}");
        let logged =
            format!("xenlightd: migrate failed, by job {}: {text}", job.rsplit('/').next().unwrap_or_default());
        smol::unblock(|| target.join()).await.expect("it does not panic")?;
        signals.property(&domain, "Name", Str::from("made--migratedaway").into()).await?;
        for method in ["Resume", "Unpause"] {
            let (error, text) = error_of(bed.call(&domain, "Domain", method, &()).await);
            assert_eq!(error, "Unsettled", "{method}: {text}");
            assert!(text.contains("rename this one to \"made\""), "{text}");
        }
        bed.call(&domain, "Domain", "Rename", &"made").await?;
        signals.property(&domain, "Name", Str::from("made").into()).await?;
        let job = bed.begin(&domain, "Resume").await?;
        bed.call(&job, "Job", "Wait", &()).await?;
        goes_on(&mut signals, &domain).await?;
        let said = bed.killed().await?;
        assert!(said.contains(&logged), "{said}");
        Ok(())
    })
}

fn no_connection() -> Outcome {
    with_domain("", |bed, domain| async move {
        let file = File::create(bed.folder().join("file"))?;
        let (socket, _other) = UnixStream::pair()?;
        let to_file = bed.call(&domain, "Domain", "Migrate", &(fd(&file), fd(&socket), true)).await;
        let from_file = bed.call(HOST, "Manager", "ReceiveDomain", &(fd(&file), fd(&socket), true)).await;
        for result in [to_file, from_file] {
            let (name, text) = error_of(result);
            assert_eq!((&*name, &*text), ("InvalidArgument", "a migration needs a pair of pipes or a socket"));
        }
        Ok(())
    })
}
