//! What can be done with the domains, by whom, and how it fails.

use std::collections::HashMap;
use std::fs::File;
use std::task::Waker;

use async_io::Async;
use futures_lite::future::{yield_now, zip};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use zbus::message::Message;
use zbus::{OwnedFd, OwnedObjectPath, OwnedVariant, Str};

use crate::Case;
use crate::bed::{Bed, HOST, Outcome, path_of, with_service};
use crate::polkit::Asked;

pub(crate) const CASES: &[Case] = &[
    ("a_refused_call_has_the_right_error_and_leaves_nothing_behind", refused),
    ("without_polkit_only_reads_are_allowed", no_polkit),
    ("what_the_host_is_can_be_read_unless_a_rule_forbids_it", host),
    ("pausing_is_a_job_whose_end_is_told", pause),
    ("a_domain_is_destroyed_by_a_job", destroy),
    ("a_domain_is_created_and_shuts_down", create),
    ("a_domain_that_is_reset_runs_again_with_another_id", reset),
    ("virtual_cpus_are_taken_the_console_answers_and_the_configuration_is_a_file", vcpus_and_console),
    ("a_configuration_is_kept_and_never_outdated", configuration),
    ("a_screen_has_an_address_and_its_password_is_not_told", screen),
    ("a_creation_that_fails_has_libxls_words_and_leaves_nothing_behind", failed_creation),
    ("a_job_is_cancelled_by_who_may_begin_it", cancel),
    ("a_job_that_fails_has_a_typed_error", protected),
    ("a_wrong_configuration_is_refused_with_its_line", wrong_configuration),
    ("a_domain_that_is_gone_is_a_typed_error", gone),
    ("a_domain_that_goes_while_polkit_is_asked_is_gone", gone_meanwhile),
];

const MANAGE: &str = "org.osevent.Xen1.manage";
const CREATE: &str = "org.osevent.Xen1.create";
const DESTROY: &str = "org.osevent.Xen1.destroy";
const CONSOLE: &str = "org.osevent.Xen1.console";
const READ_CONFIGURATION: &str = "org.osevent.Xen1.read-configuration";

/// The methods of a domain that need no arguments, with what they need to be allowed.
const METHODS: [(&str, &str); 12] = [
    ("Pause", MANAGE),
    ("Unpause", MANAGE),
    ("Resume", MANAGE),
    ("Shutdown", MANAGE),
    ("Reboot", MANAGE),
    ("PressPowerButton", MANAGE),
    ("Reset", DESTROY),
    ("Destroy", DESTROY),
    ("GetConfiguration", READ_CONFIGURATION),
    ("OpenConsole", CONSOLE),
    ("GetScreen", CONSOLE),
    ("GetDevices", READ_CONFIGURATION),
];

pub(crate) fn error_of(result: zbus::Result<Message>) -> (String, String) {
    match result {
        Err(zbus::Error::MethodError(name, text, _)) => {
            let name = name.as_str().strip_prefix("org.osevent.Xen1.Error.").unwrap_or(name.as_str()).to_owned();
            (name, text.unwrap_or_default())
        }
        other => (format!("{other:?}"), String::new()),
    }
}

pub(crate) async fn with_domain(bed: &Bed) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let mut signals = bed.signals().await?;
    bed.machine.add_domain(5)?;
    signals.domain("DomainAppeared", 5).await?;
    Ok(path_of(5))
}

fn refused() -> Outcome {
    with_service(|bed| async move {
        let path = with_domain(&bed).await?;
        let before = bed.properties(&path, "Domain").await?;
        for (method, action) in METHODS {
            let (name, text) = error_of(bed.call(&path, "Domain", method, &()).await);
            assert_eq!(
                (name.as_str(), text.as_str()),
                ("NotAuthorized", &*format!("not authorized for {action}")),
                "{method}"
            );
            let asked = Asked {
                subject_kind: "system-bus-name".to_owned(),
                sender: bed.client.unique_name().expect("a bus gives one").to_string(),
                action: action.to_owned(),
                domain: Some("pretend-5".to_owned()),
                flags: 0,
            };
            assert_eq!(bed.polkit.lock().unwrap().asked.pop(), Some(asked), "{method}");
        }
        assert_eq!(error_of(bed.call(&path, "Domain", "Rename", &"another").await).0, "NotAuthorized");
        assert_eq!(error_of(bed.call(&path, "Domain", "SetMemoryTarget", &1024_u64).await).0, "NotAuthorized");
        assert_eq!(error_of(bed.call(&path, "Domain", "SetVcpusOnline", &1_u32).await).0, "NotAuthorized");
        let create = ("name = 'x'\nmemory = 4", true);
        assert_eq!(error_of(bed.call(HOST, "Manager", "CreateDomain", &create).await).0, "NotAuthorized");

        let objects = bed.domains().await?;
        assert_eq!(objects.len(), 2);
        assert_eq!(bed.properties(&path, "Domain").await?, before);
        assert_eq!(bed.machine.store().read("/local/domain/5/name"), Some(b"pretend-5".to_vec()));
        let job = bed.properties(&format!("{HOST}/jobs/1"), "Job").await;
        assert!(job.is_err(), "{job:?}");
        Ok(())
    })
}

fn no_polkit() -> Outcome {
    with_service(|mut bed| async move {
        let path = with_domain(&bed).await?;
        bed.polkit_bus.take().expect("it was there").close().await?;
        let (name, text) = error_of(bed.call(&path, "Domain", "Destroy", &()).await);
        assert_eq!(name, "AuthorityMissing", "{text}");
        bed.call(HOST, "Manager", "FindDomain", &"pretend-5").await?;
        for method in ["ReadHost", "ReadAssignablePci"] {
            let (name, text) = error_of(bed.call(HOST, "Manager", method, &()).await);
            assert_eq!(name, "AuthorityMissing", "{method}: {text}");
        }
        let times = bed.call(HOST, "Manager", "ReadProcessorTimes", &()).await?;
        let times: HashMap<u32, u64> = times.body().deserialize()?;
        assert!(times.len() == 2 && times.contains_key(&5), "{times:?}");
        assert_eq!(bed.text(&path, "Domain", "State").await?, "running");
        Ok(())
    })
}

fn host() -> Outcome {
    with_service(|bed| async move {
        let mut host: HashMap<String, OwnedVariant> =
            bed.call(HOST, "Manager", "ReadHost", &()).await?.body().deserialize()?;
        let mut take = |name: &str| host.remove(name).ok_or_else(|| format!("no {name}"));
        assert_eq!(u64::try_from(take("MemoryKib")?)?, 16 << 20);
        assert!(u64::try_from(take("FreeMemoryKib")?)? <= 16 << 20);
        for name in ["Cpus", "CpuKhz", "CoresPerSocket", "ThreadsPerCore", "Nodes"] {
            assert!(u32::try_from(take(name)?)? > 0, "{name}");
        }
        assert!(Vec::<String>::try_from(take("Kinds")?)?.contains(&"pv".to_owned()));
        bool::try_from(take("HasIommu")?)?;
        assert_eq!(String::try_from(take("XenVersion")?)?, bed.text(HOST, "Manager", "XenVersion").await?);
        assert_eq!(String::try_from(take("LibxlVersion")?)?, bed.text(HOST, "Manager", "LibxlVersion").await?);
        assert_ne!(String::try_from(take("Scheduler")?)?, "");
        String::try_from(take("CommandLine")?)?;
        assert!(host.is_empty(), "{host:?}");

        bed.polkit.lock().unwrap().allowed.clear();
        let (name, text) = error_of(bed.call(HOST, "Manager", "ReadHost", &()).await);
        assert_eq!((&*name, &*text), ("NotAuthorized", "not authorized for org.osevent.Xen1.read"));
        Ok(())
    })
}

fn pause() -> Outcome {
    with_service(|bed| async move {
        let path = with_domain(&bed).await?;
        bed.polkit.lock().unwrap().allowed.extend([MANAGE]);
        let (mut of_job, mut of_domain) = (bed.signals().await?, bed.signals().await?);
        for (method, state) in [("Pause", "paused"), ("Unpause", "running")] {
            let job = bed.begin(&path, method).await?;
            bed.call(&job, "Job", "Wait", &()).await?;
            let ended = of_job.next(&job, "Ended").await?;
            let told: (String, String) = ended.body().deserialize()?;
            assert_eq!(told, ("done".to_owned(), String::new()));
            of_domain.property(&path, "State", Str::from(state).into()).await?;
            assert_eq!(bed.text(&job, "Job", "State").await?, "done");
            assert_eq!(bed.text(&job, "Job", "Kind").await?, method.to_lowercase());
        }
        Ok(())
    })
}

fn destroy() -> Outcome {
    with_service(|bed| async move {
        let path = with_domain(&bed).await?;
        bed.polkit.lock().unwrap().allowed.extend([DESTROY]);
        let mut signals = bed.signals().await?;
        let job = bed.begin(&path, "Destroy").await?;
        bed.call(&job, "Job", "Wait", &()).await?;
        signals.domain("DomainGone", 5).await?;
        assert_eq!(bed.domains().await?.len(), 1);
        Ok(())
    })
}

fn protected() -> Outcome {
    with_service(|bed| async move {
        bed.polkit.lock().unwrap().allowed.extend([DESTROY]);
        let job = bed.begin(&path_of(0), "Destroy").await?;
        let (name, text) = error_of(bed.call(&job, "Job", "Wait", &()).await);
        assert_eq!(name, "Protected", "{text}");
        let properties = bed.properties(&job, "Job").await?;
        let property = |name: &str| -> zbus::Result<OwnedVariant> { properties[name].try_clone() };
        assert_eq!(String::try_from(property("State")?)?, "failed");
        assert_eq!(String::try_from(property("Error")?)?, "org.osevent.Xen1.Error.Protected");
        assert_eq!(OwnedObjectPath::try_from(property("Domain")?)?.as_str(), path_of(0));
        Ok(())
    })
}

fn wrong_configuration() -> Outcome {
    with_service(|bed| async move {
        bed.polkit.lock().unwrap().allowed.push(CREATE);
        let (name, text) =
            error_of(bed.call(HOST, "Manager", "CreateDomain", &("name = 'x'\nmemory = 'much'", true)).await);
        assert_eq!(name, "InvalidConfiguration");
        assert!(text.starts_with("line 2, column 10: memory"), "{text}");
        Ok(())
    })
}

fn gone() -> Outcome {
    with_service(|bed| async move {
        let (name, text) = error_of(bed.call(HOST, "Manager", "FindDomain", &"nobody").await);
        assert_eq!(name, "NoSuchDomain", "{text}");
        Ok(())
    })
}

fn gone_meanwhile() -> Outcome {
    with_service(|bed| async move {
        for (method, action) in METHODS {
            let path = with_domain(&bed).await?;
            let mut signals = bed.signals().await?;
            {
                let mut polkit = bed.polkit.lock().unwrap();
                polkit.allowed.push(action);
                polkit.held = Some(Vec::new());
            }
            let goes = async {
                while bed.polkit.lock().unwrap().held.as_ref().is_some_and(Vec::is_empty) {
                    yield_now().await;
                }
                bed.machine.destroy(5)?;
                signals.domain("DomainGone", 5).await?;
                bed.polkit.lock().unwrap().held.take().into_iter().flatten().for_each(Waker::wake);
                Outcome::Ok(())
            };
            let (answer, went) = zip(bed.call(&path, "Domain", method, &()), goes).await;
            went?;
            let (name, text) = error_of(answer);
            assert_eq!(name, "NoSuchDomain", "{method}: {text}");
        }
        Ok(())
    })
}

type Created = (OwnedObjectPath, OwnedObjectPath, Vec<String>);

/// Has a domain created that could run, with a key that nobody knows, and waits until it has an object.
pub(crate) async fn created(bed: &Bed, paused: bool) -> Result<Created, Box<dyn std::error::Error + Send + Sync>> {
    let kernel = bed.folder().join("kernel");
    std::fs::write(&kernel, osevent_domains::kernel::idle())?;
    let configuration = format!(
        "name = 'made'\ntype = 'pvh'\nmemory = 16\nvcpus = 2\nkernel = '{}'\nno_such_key = 1",
        kernel.display()
    );
    let mut signals = bed.signals().await?;
    let reply = bed.call(HOST, "Manager", "CreateDomain", &(configuration.as_str(), paused)).await?;
    let created: Created = reply.body().deserialize()?;
    bed.call(&created.0, "Job", "Wait", &()).await?;
    // No other one comes meanwhile.
    signals.next(HOST, "DomainAppeared").await?;
    Ok(created)
}

fn create() -> Outcome {
    with_service(|bed| async move {
        bed.polkit.lock().unwrap().allowed.extend([CREATE, MANAGE]);
        let mut signals = bed.signals().await?;
        let (_, domain, warnings) = created(&bed, false).await?;
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let appeared = signals.next(HOST, "DomainAppeared").await?;
        let (path, ..): (OwnedObjectPath, String, u32, String, String) = appeared.body().deserialize()?;
        assert_eq!(path, domain);
        signals.property(&domain, "State", Str::from("running").into()).await?;
        assert_eq!(bed.text(&domain, "Domain", "Name").await?, "made");

        let job = bed.begin(&domain, "Shutdown").await?;
        bed.call(&job, "Job", "Wait", &()).await?;
        signals.property(&domain, "ShutdownReason", Str::from("poweroff").into()).await?;
        Ok(())
    })
}

async fn id_of(bed: &Bed, domain: &str) -> zbus::Result<u32> {
    let mut properties = bed.properties(domain, "Domain").await?;
    u32::try_from(properties.remove("Id").ok_or(zbus::Error::MissingField)?)
}

fn reset() -> Outcome {
    with_service(|bed| async move {
        bed.polkit.lock().unwrap().allowed.extend([CREATE, DESTROY]);
        // One that libxl has no configuration of stays.
        let strange = with_domain(&bed).await?;
        let job = bed.begin(&strange, "Reset").await?;
        let (name, text) = error_of(bed.call(&job, "Job", "Wait", &()).await);
        assert_eq!(name, "Libxl", "{text}");
        assert_eq!(bed.text(&strange, "Domain", "State").await?, "running");

        let (_, domain, _) = created(&bed, false).await?;
        let before = id_of(&bed, &domain).await?;
        let mut signals = bed.signals().await?;
        let job = bed.begin(&domain, "Reset").await?;
        bed.call(&job, "Job", "Wait", &()).await?;
        signals.property(&domain, "State", Str::from("running").into()).await?;
        assert_eq!(bed.text(&domain, "Domain", "Name").await?, "made");
        assert_ne!(id_of(&bed, &domain).await?, before);

        // What is gone since it was created is told while it is there.
        let kernel = bed.folder().join("kernel");
        let id = id_of(&bed, &domain).await?;
        std::fs::remove_file(&kernel)?;
        let job = bed.begin(&domain, "Reset").await?;
        let (name, text) = error_of(bed.call(&job, "Job", "Wait", &()).await);
        assert_eq!(name, "InvalidFile", "{text}");
        assert!(text.starts_with(&format!("cannot open {}", kernel.display())), "{text}");
        assert_eq!(id_of(&bed, &domain).await?, id);
        assert_eq!(bed.text(&domain, "Domain", "State").await?, "running");

        // What it is, libxl finds when it creates the domain, and not before.
        std::fs::write(&kernel, "no kernel")?;
        let job = bed.begin(&domain, "Reset").await?;
        let (name, text) = error_of(bed.call(&job, "Job", "Wait", &()).await);
        assert_eq!(name, "AfterReset", "{text}");
        assert!(text.starts_with("the domain has ended, and was not created again: "), "{text}");
        assert_eq!(bed.domains().await?.len(), 2, "the host's own and the strange one");
        Ok(())
    })
}

fn vcpus_and_console() -> Outcome {
    with_service(|bed| async move {
        bed.polkit.lock().unwrap().allowed.extend([CREATE, MANAGE, CONSOLE, READ_CONFIGURATION]);
        let (_, domain, _) = created(&bed, false).await?;
        let (name, text) = error_of(bed.call(&domain, "Domain", "SetVcpusOnline", &3_u32).await);
        assert_eq!((name.as_str(), text.as_str()), ("InvalidArgument", "it has 1 to 2 virtual CPUs"));
        bed.call(&domain, "Domain", "SetVcpusOnline", &1_u32).await?;
        let id = id_of(&bed, &domain).await?;
        let second = format!("/local/domain/{id}/cpu/1/availability");
        assert_eq!(bed.machine.store().read(&second), Some(b"offline".to_vec()));

        let file: String = bed.call(&domain, "Domain", "GetConfiguration", &()).await?.body().deserialize()?;
        assert!(file.contains("name = \"made\"\n") && file.contains("maxvcpus = 2\n"), "{file}");

        let opened = bed.call(&domain, "Domain", "OpenConsole", &()).await?;
        let console: OwnedFd = opened.body().deserialize()?;
        let mut console = Async::new(File::from(std::os::fd::OwnedFd::from(console)))?;
        console.write_all(b"help\n").await?;
        let mut said = Vec::new();
        while !String::from_utf8_lossy(&said).contains("poweroff") {
            let mut more = [0; 256];
            let count = console.read(&mut more).await?;
            assert!(count > 0, "the console has ended: {said:?}");
            said.extend_from_slice(&more[..count]);
        }
        Ok(())
    })
}

fn configuration() -> Outcome {
    const TIMES: u64 = 10;
    with_service(|bed| async move {
        bed.polkit.lock().unwrap().allowed.extend([CREATE, READ_CONFIGURATION]);
        let (_, domain, _) = created(&bed, true).await?;
        let read = async || -> zbus::Result<String> {
            bed.call(&domain, "Domain", "GetConfiguration", &()).await?.body().deserialize()
        };
        let first = read().await?;
        let before = bed.machine.store().requests();
        for _ in 0..TIMES {
            assert_eq!(read().await?, first);
        }
        // libxl makes 17 and more for one that it is asked for.
        let requests = bed.machine.store().requests() - before;
        assert!(requests < 5 * TIMES, "{requests} requests for {TIMES} configurations");

        // By another program. The service may not have been told when it is asked.
        let name = format!("/local/domain/{}/name", id_of(&bed, &domain).await?);
        for new in ["one", "two", "three"] {
            bed.machine.store().write(&name, new.as_bytes())?;
            assert_eq!(read().await?, first.replace("name = \"made\"", &format!("name = \"{new}\"")));
        }
        Ok(())
    })
}

fn screen() -> Outcome {
    with_service(|bed| async move {
        let path = with_domain(&bed).await?;
        bed.polkit.lock().unwrap().allowed.push(CONSOLE);
        let screen = async || bed.call(&path, "Domain", "GetScreen", &()).await;
        let none: (String, u16) = screen().await?.body().deserialize()?;
        assert_eq!(none, (String::new(), 0));
        let write =
            |node: &str, value: &[u8]| bed.machine.store().write(&format!("/local/domain/5/console/vnc-{node}"), value);
        write("port", b"5903")?;
        write("pass", b"secret")?;
        let message = screen().await?;
        assert!(!message.data().bytes().windows(6).any(|part| part == b"secret"));
        let there: (String, u16) = message.body().deserialize()?;
        assert_eq!(there, ("127.0.0.1".to_owned(), 5903));
        write("listen", b"0.0.0.0")?;
        let there: (String, u16) = screen().await?.body().deserialize()?;
        assert_eq!(there, ("0.0.0.0".to_owned(), 5903));
        write("port", b"many")?;
        let (name, text) = error_of(screen().await);
        assert!(name == "Failed" && text.contains("many"), "{name}: {text}");
        Ok(())
    })
}

fn failed_creation() -> Outcome {
    with_service(|bed| async move {
        bed.polkit.lock().unwrap().allowed.push(CREATE);
        let configuration = "name = 'made'\ntype = 'pvh'\nmemory = 16\nkernel = '/there/is/none'";
        let created = bed.call(HOST, "Manager", "CreateDomain", &(configuration, false)).await?;
        let (job, domain, _): Created = created.body().deserialize()?;
        let (name, text) = error_of(bed.call(&job, "Job", "Wait", &()).await);
        assert_eq!(name, "Libxl", "{text}");
        let (message, words): (String, Vec<String>) =
            bed.call(&job, "Job", "GetFailure", &()).await?.body().deserialize()?;
        assert_eq!(message, text);
        assert!(words.iter().any(|line| line.contains("/there/is/none")), "{words:?}");
        assert!(text.contains("libxl said"), "{text}");
        // It was there while libxl made it.
        let mut signals = bed.signals().await?;
        if bed.domains().await?.contains_key(&domain) {
            signals.next(HOST, "DomainGone").await?;
        }
        assert_eq!(bed.domains().await?.len(), 1);
        Ok(())
    })
}

fn cancel() -> Outcome {
    with_service(|bed| async move {
        bed.polkit.lock().unwrap().allowed.extend([CREATE, MANAGE]);
        let mut signals = bed.signals().await?;
        let (_, domain, _) = created(&bed, true).await?;
        signals.property(&domain, "State", Str::from("paused").into()).await?;
        // It has never run, so it does not answer, and libxl would wait for a minute.
        let job = bed.begin(&domain, "Shutdown").await?;
        assert_eq!(bed.text(&job, "Job", "State").await?, "running");
        bed.polkit.lock().unwrap().allowed.retain(|action| *action != MANAGE);
        assert_eq!(error_of(bed.call(&job, "Job", "Cancel", &()).await).0, "NotAuthorized");
        bed.polkit.lock().unwrap().allowed.push(MANAGE);
        bed.call(&job, "Job", "Cancel", &()).await?;
        let (name, text) = error_of(bed.call(&job, "Job", "Wait", &()).await);
        assert_eq!(name, "Cancelled", "{text}");
        assert_eq!(bed.text(&job, "Job", "State").await?, "cancelled");
        assert_eq!(bed.text(&domain, "Domain", "State").await?, "paused");
        Ok(())
    })
}
