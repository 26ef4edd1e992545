//! Why a call was refused or a job failed, with the name that it has on the bus.

use std::io::{self, ErrorKind};

use rustix::io::Errno;
use xenlight::{Error, MigrationState};
use zbus::DBusError;

use crate::aside::NoThread;

/// Each has the whole reason as its text, for people: libxl's own words included. Programs go by the name.
#[derive(Clone, Debug, DBusError)]
#[zbus(prefix = "org.osevent.Xen1.Error")]
pub(crate) enum Failure {
    #[zbus(error)]
    Bus(zbus::Error),
    /// The caller may not do this, or did not prove to be who may.
    NotAuthorized(String),
    /// polkit does not answer, so nobody may do it.
    AuthorityMissing(String),
    /// The service has no connection to Xen. Property `Trouble` has the reason; it is tried again and again.
    XenMissing(String),
    /// There is no such domain, or no longer.
    NoSuchDomain(String),
    /// The host depends on this domain.
    Protected(String),
    /// The configuration of a domain is wrong, or the installed libxl is too old for it.
    InvalidConfiguration(String),
    /// The file is no saved domain, or a damaged one, or cannot be read or written. Or one that a configuration names cannot be opened.
    InvalidFile(String),
    /// There is no room for what is to be written: the disk is full, or a quota or a limit is reached.
    NoSpace(String),
    /// An argument is out of range.
    InvalidArgument(String),
    /// The installed libxl does not have this.
    Unsupported(String),
    /// libxl failed.
    Libxl(String),
    /// The job was cancelled.
    Cancelled(String),
    /// A creation was cancelled, and has left an unfinished domain behind: destroy it.
    Unfinished(String),
    /// A migration has failed, the domain is where it was, and the other side has left, failed, or speaks something else.
    Peer(String),
    /// A migration has failed and left something to be done, before anything else: the text says what, and where the domain is.
    Unsettled(String),
    /// A domain is saved, and its file is complete. It was to be ended then, or to go on if it was to be kept, and that has failed: the text says
    /// what is to be done.
    AfterSave(String),
    /// A domain that was to be reset has ended, and was not created again, or stands still: the text says which.
    AfterReset(String),
    /// Too much is in progress; ask again later.
    Busy(String),
    /// Anything else.
    Failed(String),
}

/// Why a job has failed.
#[derive(Debug)]
pub(crate) enum JobError {
    Xen(Error),
    /// The domain is saved. It was to be ended then, or to go on if it was to be kept.
    AfterSave {
        keep: bool,
        reason: Error,
    },
    /// The domain has ended. It was to be created again, or, if it is there, to go on.
    AfterReset {
        is_there: bool,
        reason: Error,
    },
}

/// In place of a text.
const UNTOLD: &str = "who has begun the job is told why it has failed, and who may read configurations: GetFailure";

impl JobError {
    /// Its name on the bus, with nothing of what libxl has said.
    pub(crate) fn without_text(&self) -> Failure {
        let text = UNTOLD.to_owned();
        match self {
            Self::Xen(error) => Failure::of(error, text),
            Self::AfterSave { .. } => Failure::AfterSave(text),
            Self::AfterReset { .. } => Failure::AfterReset(text),
        }
    }
}

impl From<Error> for JobError {
    fn from(error: Error) -> Self {
        Self::Xen(error)
    }
}

impl From<NoThread> for JobError {
    fn from(error: NoThread) -> Self {
        Self::Xen(error.into())
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self::of(error, error.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<NoThread> for Failure {
    fn from(error: NoThread) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<NoThread> for Error {
    fn from(error: NoThread) -> Self {
        Self::Io { doing: "begin", reason: io::Error::other(error) }
    }
}

impl From<&JobError> for Failure {
    fn from(error: &JobError) -> Self {
        match error {
            JobError::Xen(error) => error.into(),
            JobError::AfterSave { keep: true, reason } => {
                Self::AfterSave(format!("the domain is saved, but it does not go on here: {reason}. Resume it"))
            }
            JobError::AfterSave { keep: false, reason } => Self::AfterSave(format!(
                "the domain is saved, but it was not ended: {reason}. Destroy it before it is restored, or resume it \
                 and remove the file"
            )),
            JobError::AfterReset { is_there: true, reason } => {
                Self::AfterReset(format!("the domain is created again, but it is paused: {reason}. Unpause it"))
            }
            JobError::AfterReset { is_there: false, reason } => {
                Self::AfterReset(format!("the domain has ended, and was not created again: {reason}. Create it"))
            }
        }
    }
}

impl Failure {
    fn of(error: &Error, text: String) -> Self {
        match error {
            Error::Unfinished { .. } => Self::Unfinished(text),
            Error::Migration { state: MigrationState::AtSource, reason, .. } => match Self::of(reason, text) {
                // There is no file.
                Self::InvalidFile(text) => Self::Peer(text),
                failure => failure,
            },
            Error::Migration { .. } => Self::Unsettled(text),
            Error::Peer { .. } => Self::Peer(text),
            _ if error.is_aborted() => Self::Cancelled(text),
            Error::Load(_) | Error::Open { .. } | Error::Closed | Error::LoopGone | Error::XenstoredLost => {
                Self::XenMissing(text)
            }
            Error::NoSuchDomain { .. } => Self::NoSuchDomain(text),
            Error::Protected { .. } => Self::Protected(text),
            Error::Config { .. } | Error::ConfigNeeds { .. } => Self::InvalidConfiguration(text),
            Error::SaveFile(_) => Self::InvalidFile(text),
            Error::Io { reason, .. } | Error::File { reason, .. } => Self::of_system(reason, text),
            Error::OutOfRange { .. } | Error::Nul(_) => Self::InvalidArgument(text),
            Error::Unsupported { .. } | Error::OtherArchitecture { .. } => Self::Unsupported(text),
            Error::Libxl { .. } => Self::Libxl(text),
            Error::BeingDestroyed { .. } | Error::BeingMigrated { .. } => Self::Busy(text),
            _ => Self::Failed(text),
        }
    }

    /// The system has refused something: for the sake of the disk, of the service, or of the file.
    fn of_system(reason: &io::Error, text: String) -> Self {
        match reason.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => return Self::NoSpace(text),
            // Not the system's: no thread, a panic.
            ErrorKind::Other => return Self::Failed(text),
            _ => {}
        }
        match Errno::from_io_error(reason) {
            Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN) => Self::Busy(text),
            _ => Self::InvalidFile(text),
        }
    }

    /// Whether somebody has to look after a domain, and only this says so.
    pub(crate) fn leaves_work(&self) -> bool {
        matches!(self, Self::Unsettled(_) | Self::AfterSave(_) | Self::AfterReset(_) | Self::Unfinished(_))
    }

    /// The name on the bus, and the text.
    pub(crate) fn named(&self) -> (String, String) {
        (self.name().to_string(), self.description().unwrap_or_default().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_of(error: Error) -> String {
        let (name, text) = Failure::from(&error).named();
        assert_eq!(text, error.to_string());
        name.strip_prefix("org.osevent.Xen1.Error.").unwrap().to_owned()
    }

    #[test]
    fn what_the_system_refuses_is_told_by_its_cause() {
        let of = |reason| name_of(Error::Io { doing: "try it", reason });
        for (errno, name) in [
            (Errno::NOSPC, "NoSpace"),
            (Errno::DQUOT, "NoSpace"),
            (Errno::FBIG, "NoSpace"),
            (Errno::MFILE, "Busy"),
            (Errno::NFILE, "Busy"),
            (Errno::NOMEM, "Busy"),
            // A thread that could not be started.
            (Errno::AGAIN, "Busy"),
            (Errno::IO, "InvalidFile"),
            (Errno::BADF, "InvalidFile"),
            (Errno::PIPE, "InvalidFile"),
        ] {
            assert_eq!(of(errno.into()), name, "{errno:?}");
        }
        assert_eq!(of(ErrorKind::UnexpectedEof.into()), "InvalidFile");
        assert_eq!(of(io::Error::other("a panic")), "Failed");
    }

    #[test]
    fn a_failed_migration_has_its_reason_as_name_only_if_nothing_remains_to_be_done() {
        let step = xenlight::MigrationStep::Transfer;
        let of = |state, reason| name_of(Error::Migration { step, state, reason: Box::new(reason) });
        let io = |errno: Errno| Error::Io { doing: "talk to the peer", reason: errno.into() };
        assert_eq!(of(MigrationState::AtSource, io(Errno::NOMEM)), "Busy");
        assert_eq!(of(MigrationState::AtSource, io(Errno::TIMEDOUT)), "Peer");
        assert_eq!(of(MigrationState::AtSource, Error::SaveFile("it is something else")), "Peer");
        let gone = Error::Peer { waited_for: "its greeting", fault: xenlight::PeerFault::Gone };
        assert_eq!(of(MigrationState::AtSource, gone), "Peer");
        assert_eq!(of(MigrationState::Unknown { name: "web--migratedaway".to_owned() }, io(Errno::IO)), "Unsettled");
        assert_eq!(of(MigrationState::Gone, io(Errno::IO)), "Unsettled");
    }
}
