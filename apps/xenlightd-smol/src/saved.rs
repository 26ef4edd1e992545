//! `save` and `restore`: domains into files of the caller's, and back. The service gets them open.

use std::fs::{self, File};
use std::future::pending;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use async_signal::{Signal, Signals};
use futures_lite::StreamExt;
use futures_lite::future::or;
use zbus::fdo::PropertiesProxy;
use zbus::names::InterfaceName;
use zbus::proxy::MethodFlags;
use zbus::{Connection, DynamicType, Fd, OwnedObjectPath, Proxy};

use crate::Failed;
use crate::client::Properties;
use crate::names;

/// Saves a domain to a file, and ends it unless it is to be kept. SIGINT and SIGTERM have it go on. What is in the file until then stays, unless
/// the domain has been saved.
///
/// # Errors
/// Those of the service, of the bus and of the file. It is told where the domain may be.
pub(crate) async fn save(bus: &Connection, domain: &str, path: &Path, keep: bool) -> Result<(), Failed> {
    let (domain,): (OwnedObjectPath,) =
        call(bus, names::HOST, names::MANAGER, "FindDomain", &(domain,)).await.map_err(said)?;
    let mut signals = signals()?;
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    // It has all that is in the domain's memory.
    let file = File::options().write(true).create_new(true).mode(0o600).open(&part);
    let file = file.map_err(|error| format!("{}: {error}", part.display()))?;
    match save_to(bus, &domain, &file, keep, &mut signals).await {
        Ok(()) => fs::rename(&part, path)
            .map_err(|error| format!("{}: {error}; the saved domain is in {}", path.display(), part.display()).into()),
        Err((Saved::No, error)) => {
            // The reason is the save's; that the rest does not work either says nothing more.
            let _ = fs::remove_file(&part);
            Err(said(error))
        }
        Err((Saved::Yes, error)) => Err(format!("{}; the saved domain is in {}", said(error), part.display()).into()),
        Err((Saved::Unknown, error)) => Err(format!(
            "{}. The domain may be saved: {} is kept. If the domain is gone, restore it from there; if it runs, remove the file",
            said(error),
            part.display()
        )
        .into()),
    }
}

/// Restores a domain from a file, which then runs unless it is to stay paused. SIGINT and SIGTERM end that early.
///
/// # Errors
/// Those of the service, of the bus and of the file.
pub(crate) async fn restore(bus: &Connection, path: &Path, paused: bool) -> Result<(), Failed> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let given = (Fd::from(file.as_fd()), paused);
    let mut signals = signals()?;
    let (job,): (OwnedObjectPath,) =
        call(bus, names::HOST, names::MANAGER, "RestoreDomain", &given).await.map_err(said)?;
    wait_for(bus, &job, &mut signals).await.map_err(said)
}

/// Whether a domain is saved, though there is an error.
enum Saved {
    Yes,
    No,
    Unknown,
}

async fn save_to(
    bus: &Connection,
    domain: &str,
    file: &File,
    keep: bool,
    signals: &mut Signals,
) -> Result<(), (Saved, zbus::Error)> {
    let called = call(bus, domain, names::DOMAIN, "Save", &(Fd::from(file.as_fd()), keep)).await;
    let (job,): (OwnedObjectPath,) =
        called.map_err(|error| (if is_refusal(&error) { Saved::No } else { Saved::Unknown }, error))?;
    let Err(error) = wait_for(bus, &job, signals).await else { return Ok(()) };
    // It may be the waiting that has failed.
    let saved = match properties(bus, &job).await {
        Ok(job) => match (job.text("State"), job.text("Error")) {
            ("done", _) | ("failed", "org.osevent.Xen1.Error.AfterSave") => Saved::Yes,
            ("failed" | "cancelled", _) => Saved::No,
            _ => Saved::Unknown,
        },
        Err(_) => Saved::Unknown,
    };
    Err((saved, error))
}

/// Whether nothing was begun: it is somebody's answer, and not the bus's in the place of a service that has ended.
fn is_refusal(error: &zbus::Error) -> bool {
    matches!(error, zbus::Error::MethodError(name, ..) if name.as_str() != "org.freedesktop.DBus.Error.NoReply")
}

async fn properties(bus: &Connection, job: &str) -> zbus::Result<Properties> {
    let properties = PropertiesProxy::builder(bus).destination(names::SERVICE).path(job).build().await?;
    Ok(Properties(properties.get_all(InterfaceName::from_static_str(names::JOB)?).await?))
}

/// From before a job is begun on: so that none ends this program, and not the job.
fn signals() -> std::io::Result<Signals> {
    Signals::new([Signal::Term, Signal::Int])
}

/// Waits for the end of a job, and cancels it by a signal.
async fn wait_for(bus: &Connection, job: &str, signals: &mut Signals) -> zbus::Result<()> {
    let cancel = async {
        while signals.next().await.is_some() {
            // If this is refused, it goes on to its end, and that is told.
            let _ = call::<_, ()>(bus, job, names::JOB, "Cancel", &()).await;
        }
        pending().await
    };
    or(call(bus, job, names::JOB, "Wait", &()), cancel).await
}

/// Calls a method. An agent of polkit's may ask for a password.
async fn call<B, R>(bus: &Connection, path: &str, interface: &str, method: &str, body: &B) -> zbus::Result<R>
where
    B: serde::Serialize + DynamicType,
    R: for<'d> zbus::wire::DynamicDeserialize<'d>,
{
    let object = Proxy::new(bus, names::SERVICE, path, interface).await?;
    let answer = object.call_with_flags(method, MethodFlags::ALLOW_INTERACTIVE_AUTH, body).await?;
    Ok(answer.expect("an answer is wanted"))
}

/// The error for people.
fn said(error: zbus::Error) -> Failed {
    match error {
        zbus::Error::MethodError(_, Some(text), _) => text.into(),
        error => error.into(),
    }
}
