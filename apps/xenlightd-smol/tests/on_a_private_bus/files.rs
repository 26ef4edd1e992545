//! Domains into files, and out of them.

use std::fs::{self, File};
use std::os::fd::AsFd;

use futures_lite::StreamExt;
use zbus::message::Message;
use zbus::{Fd, MessageStream, OwnedObjectPath, Str};

use crate::Case;
use crate::bed::{Bed, HOST, Outcome, SERVICE, Signals, path_of, with_bed, with_service};
use crate::control::{created, error_of};
use crate::save_helper::{DO, GATE, MEMORY};

pub(crate) const CASES: &[Case] = &[
    ("a_save_tells_its_percentage_and_the_domain_is_restored_from_the_file", save_and_restore),
    ("a_domain_that_is_saved_to_be_kept_goes_on", keep),
    ("what_fails_after_a_save_is_told_apart_from_a_save_that_fails", after_save),
    ("a_save_that_fails_has_libxls_words_and_the_domain_goes_on", failed_save),
    ("a_save_is_cancelled_and_the_domain_goes_on", cancelled_save),
    ("a_service_that_ends_in_a_save_lets_the_domain_go_on", ended_in_a_save),
    ("a_domain_that_another_has_suspended_stays_so", suspended_by_another),
    ("what_is_no_saved_domain_is_refused", no_saved_domain),
    ("a_dump_that_libxl_cannot_make_has_its_words", dump),
    ("a_file_without_room_is_told_apart_from_one_that_is_wrong", full),
    ("files_need_an_action_each", refused),
    ("files_that_nobody_asked_for_are_refused", more_files),
];

/// Xen's number of the reason.
pub(crate) const SUSPEND: u8 = 2;

const ALL: [&str; 7] = ["create", "manage", "save", "restore", "dump", "migrate", "receive"];

/// With the service started, whose helper does `what`, and a domain.
pub(crate) fn with_domain<F>(what: &'static str, case: impl FnOnce(Bed, OwnedObjectPath) -> F) -> Outcome
where
    F: Future<Output = Outcome>,
{
    with_bed(|mut bed| async {
        let mut command = bed.command(&["serve"]);
        command.env("LIBXL_SAVE_HELPER", std::env::current_exe()?).env(DO, what);
        if ["waits", "fails"].contains(&what) {
            let gate = bed.folder().join("gate");
            rustix::fs::mkfifoat(rustix::fs::CWD, &gate, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)?;
            command.env(GATE, gate);
        }
        bed.start_as(command).await?;
        let actions = ALL.map(|action| &*format!("org.osevent.Xen1.{action}").leak());
        bed.polkit.lock().unwrap().allowed.extend(actions);
        let (_, domain, _) = created(&bed, true).await?;
        case(bed, domain).await
    })
}

async fn save(bed: &Bed, domain: &str, file: &File, keep: bool) -> zbus::Result<OwnedObjectPath> {
    bed.call(domain, "Domain", "Save", &(fd(file), keep)).await?.body().deserialize()
}

pub(crate) fn fd(file: &impl AsFd) -> Fd<'_> {
    Fd::from(file.as_fd())
}

fn save_and_restore() -> Outcome {
    with_domain("", |bed, domain| async move {
        let path = bed.folder().join("saved");
        let (mut of_job, mut of_domain) = (bed.signals().await?, bed.signals().await?);
        let job = save(&bed, &domain, &File::create(&path)?, false).await?;
        bed.call(&job, "Job", "Wait", &()).await?;
        of_job.property(&job, "Percent", 100_u8.into()).await?;
        assert_eq!(bed.text(&job, "Job", "Step").await?, "Frames");
        assert_eq!(bed.text(&job, "Job", "Kind").await?, "save");
        of_domain.next(HOST, "DomainGone").await?;
        let saved = fs::read(&path)?;
        assert!(saved.starts_with(b"Xen saved domain, xl format\n"));
        assert!(saved.windows(MEMORY.len()).any(|part| part == MEMORY));

        let restored = bed.call(HOST, "Manager", "RestoreDomain", &(fd(&File::open(&path)?), true)).await?;
        let job: OwnedObjectPath = restored.body().deserialize()?;
        bed.call(&job, "Job", "Wait", &()).await?;
        of_job.property(&job, "Domain", domain.as_ref().into()).await?;
        of_domain.property(&domain, "State", Str::from("paused").into()).await?;
        assert_eq!(bed.text(&domain, "Domain", "Name").await?, "made");
        Ok(())
    })
}

/// Begins a save, whose helper waits half-way, and suspends the domain, which the helper does not ask to.
async fn suspended_save(bed: &Bed, signals: &mut Signals, domain: &str, keep: bool) -> zbus::Result<OwnedObjectPath> {
    let file = File::create(bed.folder().join("saved"))?;
    let job = save(bed, domain, &file, keep).await?;
    signals.property(&job, "Percent", 50_u8.into()).await?;
    bed.machine.shut_down(1, SUSPEND).map_err(|error| zbus::Error::Failure(error.to_string()))?;
    signals.property(domain, "State", Str::from("suspended").into()).await?;
    Ok(job)
}

/// Until the domain has gone on.
pub(crate) async fn goes_on(signals: &mut Signals, domain: &str) -> zbus::Result<()> {
    signals.property(domain, "ShutdownReason", Str::from("").into()).await
}

fn keep() -> Outcome {
    with_domain("waits", |bed, domain| async move {
        let mut signals = bed.signals().await?;
        let job = suspended_save(&bed, &mut signals, &domain, true).await?;
        for method in ["Resume", "Unpause"] {
            let (name, text) = error_of(bed.call(&domain, "Domain", method, &()).await);
            assert_eq!(name, "Busy", "{method}: {text}");
        }
        // Of a file that cannot be written to: it would fail at once.
        let path = bed.folder().join("saved");
        let (name, text) = error_of(bed.call(&domain, "Domain", "Save", &(fd(&File::open(&path)?), true)).await);
        assert_eq!(name, "Busy", "{text}");
        fs::write(bed.folder().join("gate"), "x")?;
        bed.call(&job, "Job", "Wait", &()).await?;
        Ok(goes_on(&mut signals, &domain).await?)
    })
}

fn after_save() -> Outcome {
    for keep in [true, false] {
        with_domain("waits", |bed, domain| async move {
            let mut signals = bed.signals().await?;
            let job = suspended_save(&bed, &mut signals, &domain, keep).await?;
            bed.machine.destroy(1)?;
            signals.next(HOST, "DomainGone").await?;
            fs::write(bed.folder().join("gate"), "x")?;
            let ended = bed.call(&job, "Job", "Wait", &()).await;
            if keep {
                let (name, text) = error_of(ended);
                assert_eq!(name, "AfterSave", "{text}");
                assert!(text.starts_with("the domain is saved, but it does not go on here: "), "{text}");
                assert_eq!(bed.text(&job, "Job", "State").await?, "failed");
            } else {
                // It was to end, and has.
                ended?;
            }
            let saved = fs::read(bed.folder().join("saved"))?;
            assert!(saved.windows(MEMORY.len()).any(|part| part == MEMORY));
            Ok(())
        })?;
    }
    Ok(())
}

fn failed_save() -> Outcome {
    with_domain("fails", |bed, domain| async move {
        let mut signals = bed.signals().await?;
        let job = suspended_save(&bed, &mut signals, &domain, false).await?;
        fs::write(bed.folder().join("gate"), "x")?;
        let (name, text) = error_of(bed.call(&job, "Job", "Wait", &()).await);
        assert_eq!(name, "Libxl", "{text}");
        assert!(text.contains("Failed to write page data to stream"), "{text}");
        Ok(goes_on(&mut signals, &domain).await?)
    })
}

fn cancelled_save() -> Outcome {
    with_domain("hangs", |bed, domain| async move {
        let mut signals = bed.signals().await?;
        let job = suspended_save(&bed, &mut signals, &domain, false).await?;
        bed.call(&job, "Job", "Cancel", &()).await?;
        let (name, text) = error_of(bed.call(&job, "Job", "Wait", &()).await);
        assert_eq!(name, "Cancelled", "{text}");
        Ok(goes_on(&mut signals, &domain).await?)
    })
}

fn ended_in_a_save() -> Outcome {
    with_domain("hangs", |mut bed, domain| async move {
        let mut signals = bed.signals().await?;
        suspended_save(&bed, &mut signals, &domain, false).await?;
        bed.stop_at_once().await?;
        bed.start().await?;
        assert_eq!(bed.text(&domain, "Domain", "ShutdownReason").await?, "");
        Ok(())
    })
}

fn suspended_by_another() -> Outcome {
    with_domain("", |bed, domain| async move {
        let mut signals = bed.signals().await?;
        bed.machine.shut_down(1, SUSPEND)?;
        signals.property(&domain, "State", Str::from("suspended").into()).await?;
        let path = bed.folder().join("saved");
        for file in [File::create(&path)?, File::open(&path)?] {
            let job = save(&bed, &domain, &file, true).await?;
            let (name, text) = error_of(bed.call(&job, "Job", "Wait", &()).await);
            assert_eq!(name, "Failed", "{text}");
            bed.call(HOST, "Manager", "Refresh", &()).await?;
            assert_eq!(bed.text(&domain, "Domain", "State").await?, "suspended");
        }
        // It may run elsewhere already.
        bed.polkit.lock().unwrap().allowed.push("org.osevent.Xen1.destroy");
        let job = bed.begin(&domain, "Reset").await?;
        let (name, text) = error_of(bed.call(&job, "Job", "Wait", &()).await);
        assert!(name == "Failed" && text.contains("reset"), "{name}: {text}");
        assert_eq!(bed.text(&domain, "Domain", "State").await?, "suspended");
        Ok(())
    })
}

fn no_saved_domain() -> Outcome {
    with_domain("", |bed, _| async move {
        let path = bed.folder().join("nonsense");
        fs::write(&path, "nonsense")?;
        let before = bed.domains().await?.len();
        for file in [File::open(&path)?, File::options().append(true).open(&path)?] {
            let job = bed.call(HOST, "Manager", "RestoreDomain", &(fd(&file), false)).await?;
            let job: OwnedObjectPath = job.body().deserialize()?;
            let (name, text) = error_of(bed.call(&job, "Job", "Wait", &()).await);
            assert_eq!(name, "InvalidFile", "{text}");
            assert_eq!(bed.properties(&job, "Job").await?["Domain"], OwnedObjectPath::default().as_ref().into());
        }
        assert_eq!(bed.domains().await?.len(), before);
        Ok(())
    })
}

fn full() -> Outcome {
    with_domain("", |bed, domain| async move {
        let path = bed.folder().join("saved");
        fs::write(&path, "")?;
        for (file, expected) in [(File::create("/dev/full")?, "NoSpace"), (File::open(&path)?, "InvalidFile")] {
            let job = save(&bed, &domain, &file, true).await?;
            let (name, text) = error_of(bed.call(&job, "Job", "Wait", &()).await);
            assert_eq!(name, expected, "{text}");
        }
        Ok(())
    })
}

fn dump() -> Outcome {
    with_domain("", |bed, domain| async move {
        let path = bed.folder().join("dump");
        fs::write(&path, "something else")?;
        let job = bed.call(&domain, "Domain", "Dump", &fd(&File::options().write(true).open(&path)?)).await?;
        let job: OwnedObjectPath = job.body().deserialize()?;
        // A simulated domain has no memory.
        let (name, text) = error_of(bed.call(&job, "Job", "Wait", &()).await);
        assert_eq!(name, "Libxl", "{text}");
        assert_eq!(fs::read(&path)?, b"", "libxl has opened it");
        // That a file can be read does not let the service write it.
        let (name, _) = error_of(bed.call(&domain, "Domain", "Dump", &fd(&File::open(&path)?)).await);
        assert_eq!(name, "InvalidArgument");
        Ok(())
    })
}

fn more_files() -> Outcome {
    with_service(|bed| async move {
        let file = File::create(bed.folder().join("file"))?;
        // No argument of the method refers to it, so its signature is right.
        let message = Message::method_call(path_of(0), "Pause").destination(SERVICE);
        let message = message.interface(format!("{SERVICE}.Domain"));
        // SAFETY: no bytes are what the signature says.
        let message =
            unsafe { message.build_raw_body(&[], "", vec![Fd::from(std::os::fd::OwnedFd::from(file)).into()])? };
        let serial = message.primary_header().serial_num();
        let mut received = MessageStream::from(&bed.client);
        bed.client.send(&message).await?;
        loop {
            let answer = received.next().await.ok_or("the bus is gone")??;
            if answer.header().reply_serial() == Some(serial) {
                let name = answer.header().error_name().map(ToString::to_string);
                assert_eq!(name.as_deref(), Some("org.osevent.Xen1.Error.InvalidArgument"), "{answer:?}");
                return Ok(());
            }
        }
    })
}

fn refused() -> Outcome {
    with_service(|bed| async move {
        let file = File::create(bed.folder().join("file"))?;
        let dom0 = path_of(0);
        let results = [
            ("save", bed.call(&dom0, "Domain", "Save", &(fd(&file), false)).await),
            ("restore", bed.call(HOST, "Manager", "RestoreDomain", &(fd(&file), false)).await),
            ("dump", bed.call(&dom0, "Domain", "Dump", &fd(&file)).await),
            ("migrate", bed.call(&dom0, "Domain", "Migrate", &(fd(&file), fd(&file), true)).await),
            ("receive", bed.call(HOST, "Manager", "ReceiveDomain", &(fd(&file), fd(&file), false)).await),
        ];
        for (action, result) in results {
            let text = format!("not authorized for org.osevent.Xen1.{action}");
            assert_eq!(error_of(result), ("NotAuthorized".to_owned(), text));
        }
        Ok(())
    })
}
