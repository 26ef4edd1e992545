//! Why a call was refused or a job failed, with the name that it has on the bus.

use zbus::DBusError;

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
    /// Too much is in progress; ask again later.
    Busy(String),
    /// Anything else.
    Failed(String),
}

impl From<&xenlight::Error> for Failure {
    fn from(error: &xenlight::Error) -> Self {
        use xenlight::Error;
        let text = error.to_string();
        match error {
            Error::Unfinished { .. } => Self::Unfinished(text),
            _ if error.is_aborted() => Self::Cancelled(text),
            Error::Load(_) | Error::Open { .. } | Error::Closed | Error::LoopGone | Error::XenstoredLost => {
                Self::XenMissing(text)
            }
            Error::NoSuchDomain { .. } => Self::NoSuchDomain(text),
            Error::Protected { .. } => Self::Protected(text),
            Error::Config { .. } | Error::ConfigNeeds { .. } => Self::InvalidConfiguration(text),
            Error::OutOfRange { .. } | Error::Nul(_) => Self::InvalidArgument(text),
            Error::Unsupported { .. } | Error::OtherArchitecture { .. } => Self::Unsupported(text),
            Error::Libxl { .. } => Self::Libxl(text),
            Error::BeingDestroyed { .. } => Self::Busy(text),
            _ => Self::Failed(text),
        }
    }
}

impl From<xenlight::Error> for Failure {
    fn from(error: xenlight::Error) -> Self {
        Self::from(&error)
    }
}

impl Failure {
    /// The name on the bus, and the text.
    pub(crate) fn named(&self) -> (String, String) {
        (self.name().to_string(), self.description().unwrap_or_default().to_owned())
    }
}
