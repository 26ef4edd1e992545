//! Who is told why a job has failed: libxl's words have names of files, and what is in a configuration.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use zbus::OwnedObjectPath;
use zbus::message::Message;

use crate::Case;
use crate::bed::{Bed, HOST, Outcome, SERVICE, with_service};
use crate::bus::program;

pub(crate) const CASES: &[Case] = &[("what_everybody_sees_of_a_failed_job_is_that_it_has_failed", seen)];

/// They need root, to be another user.
pub(crate) const OF_ANOTHER_USER: &[Case] = &[("another_user_is_not_told_why_a_job_has_failed", another)];

/// Not root, and nobody's in particular.
const NOBODY: u32 = 65534;

const SECRET: &str = "/there/is/none";

/// Why the cases of another user cannot run here.
pub(crate) fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root can be another user".to_owned());
    }
    program("dbus-send").is_none().then(|| "there is no dbus-send".to_owned())
}

/// Begins a job that fails.
async fn failing(bed: &Bed) -> zbus::Result<OwnedObjectPath> {
    bed.polkit.lock().unwrap().allowed.push("org.osevent.Xen1.create");
    let configuration = format!("name = 'made'\ntype = 'pvh'\nmemory = 16\nkernel = '{SECRET}'");
    let created = bed.call(HOST, "Manager", "CreateDomain", &(configuration, false)).await?;
    let (job, ..): (_, OwnedObjectPath, Vec<String>) = created.body().deserialize()?;
    Ok(job)
}

fn tells(message: &Message) -> bool {
    message.data().bytes().windows(SECRET.len()).any(|part| part == SECRET.as_bytes())
}

fn seen() -> Outcome {
    with_service(|bed| async move {
        let mut signals = bed.signals().await?;
        let job = failing(&bed).await?;
        loop {
            let signal = signals.any().await?;
            assert!(!tells(&signal), "{signal:?}");
            if signal.header().member().is_some_and(|name| name == "Ended") {
                break;
            }
        }
        let call = async |path: &str, interface: &str, method: &str, body: &str| {
            let interface = format!("org.freedesktop.DBus.{interface}");
            match body {
                "" => bed.client.call_method(Some(SERVICE), path, Some(&*interface), method, &()).await,
                _ => bed.client.call_method(Some(SERVICE), path, Some(&*interface), method, &body).await,
            }
        };
        for answer in [
            call(&job, "Properties", "GetAll", "org.osevent.Xen1.Job").await?,
            call(&job, "Introspectable", "Introspect", "").await?,
            call(HOST, "ObjectManager", "GetManagedObjects", "").await?,
        ] {
            assert!(!tells(&answer), "{answer:?}");
        }
        assert!(tells(&bed.call(&job, "Job", "GetFailure", &()).await?), "who has begun it is told");
        assert_eq!(bed.text(&job, "Job", "Error").await?, "org.osevent.Xen1.Error.Libxl");
        Ok(())
    })
}

/// What somebody else gets.
async fn other(bed: &Bed, job: &str, method: &str) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let mut call = Command::new("dbus-send");
    call.arg(format!("--bus={}", bed.address())).args(["--print-reply", &format!("--dest={SERVICE}"), job]);
    call.arg(format!("{SERVICE}.Job.{method}")).uid(NOBODY).gid(NOBODY);
    let output = smol::unblock(move || call.output()).await?;
    Ok(String::from_utf8([output.stdout, output.stderr].concat())?)
}

fn another() -> Outcome {
    with_service(|bed| async move {
        fs::set_permissions(bed.folder(), Permissions::from_mode(0o755))?;
        let job = failing(&bed).await?;
        let waited = other(&bed, &job, "Wait").await?;
        assert!(waited.starts_with("Error org.osevent.Xen1.Error.Libxl: "), "{waited}");
        let refused = other(&bed, &job, "GetFailure").await?;
        assert!(refused.contains("not authorized for org.osevent.Xen1.read-configuration"), "{refused}");
        bed.polkit.lock().unwrap().allowed.push("org.osevent.Xen1.read-configuration");
        let told = other(&bed, &job, "GetFailure").await?;
        assert!(told.contains(SECRET), "{told}");
        for text in [waited, refused] {
            assert!(!text.contains(SECRET), "{text}");
        }
        Ok(())
    })
}
