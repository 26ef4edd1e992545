use crate::children::Children;
#[cfg(doc)]
use crate::contract::*;
use crate::migration_state::{MigrationState, MigrationStep, PeerFault};
use crate::words::{Line, Words};
use core::ffi::c_uint;
use osevent_core::{LoopError, RegistrationError};
use std::fmt;
use std::io;
use std::path::PathBuf;
use xenlight_sys::Release;
use xenlight_sys::codes;
use xenlight_types::{DomainId, Invalid};

/// An error of this crate. The variants tell who can act on it.
///
/// The displayed text is complete: it includes the text of an underlying error, which is therefore not returned by
/// [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No usable libxl was found.
    #[error(transparent)]
    Load(#[from] xenlight_sys::LoadError),
    /// libxl could not open a ctx.
    #[error("libxl cannot be opened: {code}{}; {advice}", quoted(words))]
    Open {
        /// The code that libxl returned.
        code: Code,
        /// The lines of libxl's log about it.
        words: Words,
        /// The probable cause on this machine.
        advice: &'static str,
    },
    /// libxl refused a call, or an operation failed.
    #[error("cannot {doing}: {code}{}{}", refusal.as_ref().map(|why| format!(" ({why})")).unwrap_or_default(), quoted(words))]
    Libxl {
        /// The action that failed.
        doing: &'static str,
        /// The code that libxl returned. Mostly `ERROR_FAIL`; `words` has the cause.
        code: Code,
        /// The lines that libxl logged at error level while it worked on this. The whole log goes to the `log` crate, target
        /// `libxl`.
        words: Words,
        /// The last refusal of this ctx's event loop, if `code` shows that the loop refused ([R3]).
        refusal: Option<RegistrationError>,
    },
    /// There is no such domain: it never existed, or was destroyed meanwhile. Every method that takes a domain returns this, with
    /// all releases, except a [watch of its death](crate::Ctx::watch_death). It includes numbers that no domain can have (32752
    /// and above).
    #[error("cannot {doing}: there is no domain {domid}")]
    NoSuchDomain {
        /// The action that failed.
        doing: &'static str,
        /// The domain.
        domid: DomainId,
    },
    /// Another operation of this ctx is already migrating the domain: await that operation. Nothing was begun.
    #[error("domain {domid} is being migrated already: another migration of it is at work")]
    BeingMigrated {
        /// The domain.
        domid: DomainId,
    },
    /// The domain stands still: it has shut down, or it is suspended. Nothing was begun. If a migration has left it so, look at its target first:
    /// it may run there.
    #[error(
        "cannot {doing}: domain {domid} has shut down or is suspended; if a migration has left it, look at the target first"
    )]
    StandsStill {
        /// The action that failed.
        doing: &'static str,
        /// The domain.
        domid: DomainId,
    },
    /// Another operation of this ctx is already destroying the domain: await that operation. Nothing was begun.
    #[error("domain {domid} is being destroyed already: another destroy of it is at work")]
    BeingDestroyed {
        /// The domain.
        domid: DomainId,
    },
    /// The domain must not be ended, stopped or moved, because the host depends on it: it is domain 0 or the domain of
    /// xenstored. libxl was not called.
    #[error("cannot {doing}: domain {domid} {role}")]
    Protected {
        /// The action that failed.
        doing: &'static str,
        /// The domain.
        domid: DomainId,
        /// The role of the domain on this host.
        role: &'static str,
    },
    /// libxl would end the process if it were asked to abort this: end it at its connection. It goes on.
    #[error("libxl does not survive an abort of this (to {doing}): shut down the connection that it goes over")]
    NotAbortable {
        /// The action that goes on.
        doing: &'static str,
    },
    /// The ctx is closed or being closed.
    #[error("the ctx is closed")]
    Closed,
    /// The host's event loop is gone, so no operation can complete. Open another ctx on a new loop.
    #[error("the event loop of this ctx has ended: no operation can be completed any more")]
    LoopGone,
    /// xenstored has ended or was restarted. The watches of this ctx are lost, and libxl cannot reconnect. An
    /// [`EventKind::Disaster`](crate::EventKind::Disaster) reports it, before or after this error. Queries of the hypervisor,
    /// such as [`Ctx::domains`](crate::Ctx::domains), still work. Close this ctx and open another one.
    #[error("the connection to xenstored is lost: close this ctx and open another one, once xenstored runs")]
    XenstoredLost,
    /// A blocking call was made inside an event callback, the logger, or another call into libxl. It would wait for its own
    /// caller.
    #[error("{0} cannot be called from inside a callback: it would wait for itself; use the future instead")]
    InsideCallback(&'static str),
    /// libxl was called inside one of its hooks, on the same thread: in a tracer, in the logger while it logs a line of libxl, or
    /// in a registration method of an event loop. libxl holds its lock there and is changing its lists, so no ctx may be called
    /// ([R15]). Nothing was begun: try again later, from the loop.
    #[error(
        "libxl cannot be called from inside its hooks (a tracer, a logger, a loop's own registration): do it later, from the loop"
    )]
    InsideHook,
    /// A child was reported to a ctx whose libxl handles SIGCHLD itself and would end the process because of the report ([S2]).
    /// Do not report children to it, or open the ctx with [`Children::Host`].
    #[error(
        "this ctx's libxl waits for its children itself ({0:?}): report children to those opened with Children::Host only"
    )]
    ChildrenOf(Children),
    /// The process already has a SIGCHLD handler, perhaps from GLib. The chosen [`Children`] makes libxl install its own, and
    /// libxl would end the process ([S1]). Use [`Children::ByPidfd`], the default, which needs no handler.
    #[error(
        "this process has a SIGCHLD handler already, so libxl cannot have one ({0:?}): open the ctx with Children::ByPidfd"
    )]
    SigchldTaken(Children),
    /// The process ignores SIGCHLD; it may have inherited this from its parent. The kernel then keeps no exit status of children,
    /// and libxl would treat each of its children as failed. Set SIGCHLD to its default action before you open the ctx.
    #[error("this process ignores SIGCHLD, so libxl would never learn how its children end: set it to SIG_DFL first")]
    SigchldIgnored,
    /// The loaded libxl is too old for this call.
    #[error("{what} needs Xen {needs} or later; libxl {loaded} is loaded")]
    Unsupported {
        /// The missing function.
        what: &'static str,
        /// The first release that has it.
        needs: Release,
        /// The loaded release.
        loaded: Release,
    },
    /// libxl has this for machines of another architecture only.
    #[error("{what} needs a machine of the architecture {needs}")]
    OtherArchitecture {
        /// The missing function.
        what: &'static str,
        /// The architecture, as in [`std::env::consts::ARCH`].
        needs: &'static str,
    },
    /// The configuration of a domain is invalid, or libxl would misread it.
    #[error("the configuration is wrong at {path}: {problem}")]
    Config {
        /// The place, for instance `b_info.max_memkb`.
        path: String,
        /// What is wrong there, and what is allowed.
        problem: String,
    },
    /// What was waited for did not come in time.
    #[error("cannot {doing}: it did not come within {seconds} s")]
    TimedOut {
        /// What was waited for.
        doing: &'static str,
        /// How long, in seconds.
        seconds: u64,
    },
    /// A number that the loaded libxl cannot take. Nothing was asked of it.
    #[error("the {what} is {value}, but libxl takes at most {most}")]
    OutOfRange {
        /// What it is the number of.
        what: &'static str,
        /// The number.
        value: u64,
        /// The greatest that libxl takes.
        most: u64,
    },
    /// The loaded libxl is too old for a field of the domain's configuration: it would ignore it.
    #[error("the configuration has {path}, which needs Xen {needs} or later; libxl {loaded} is loaded")]
    ConfigNeeds {
        /// Where, such as `disks[0].trusted`.
        path: String,
        /// The first release that has it.
        needs: Release,
        /// The release of the loaded libxl.
        loaded: Release,
    },
    /// A file that the configuration names cannot be opened.
    #[error("cannot open {}, which the configuration names: {reason}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The cause.
        reason: io::Error,
    },
    /// `xl` could not read a configuration file.
    #[error("xl cannot read {}: {words}", file.display())]
    Xl {
        /// The file.
        file: PathBuf,
        /// The message of `xl`, or why it did not run.
        words: String,
    },
    /// A create or restore was aborted and has left an unfinished domain behind: destroy it.
    #[error("{reason}; domain {domid} is left behind, unfinished: destroy it")]
    Unfinished {
        /// The domain.
        domid: DomainId,
        /// How the operation ended.
        reason: Box<Error>,
    },
    /// A migration has failed. `state` says where the domain is now, and what remains to be done.
    #[error("the migration failed {step}: {reason}; {state}")]
    Migration {
        /// How far it had come.
        step: MigrationStep,
        /// Where the domain is.
        state: MigrationState,
        /// What went wrong on this side, or what this side saw of the other one.
        reason: Box<Error>,
    },
    /// The other side of a migration has left, failed, or speaks something else. Its own messages, such as those of an ssh, have more.
    #[error("the other side did not send {waited_for}: {fault}")]
    Peer {
        /// What it should have sent or read.
        waited_for: &'static str,
        /// What it did.
        fault: PeerFault,
    },
    /// The file was not written by `xl save`, is damaged, or has a format that cannot be restored.
    #[error("this is no save file that can be restored: {0}")]
    SaveFile(&'static str),
    /// A string contains a NUL byte and cannot be passed to libxl.
    #[error("{0} has a NUL byte in it")]
    Nul(&'static str),
    /// The operating system refused.
    #[error("cannot {doing}: {reason}")]
    Io {
        /// The action that failed.
        doing: &'static str,
        /// The cause.
        reason: io::Error,
    },
    /// The event loop refused a source of the ctx itself.
    #[error("the event loop refused: {0}")]
    Loop(LoopError),
    /// The event loop refused to register a source of the ctx itself.
    #[error("cannot register with the event loop: {0}")]
    Registration(RegistrationError),
    /// The output of libxl, or of a Xen program, cannot be parsed.
    #[error("cannot understand {what}: {problem}")]
    Format {
        /// Which output.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

/// The result code of a call into libxl: a negative code of libxl, or a positive code that a hook returned ([R3]).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number, which is all that it can be")]
pub struct Code(pub i32);

impl Code {
    /// libxl's name of the code, for instance `ERROR_TIMEDOUT`.
    pub fn name(self) -> Option<&'static str> {
        codes::error_name(self.0)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None if self.0 > 0 => write!(f, "{} ({})", io::Error::from_raw_os_error(self.0), self.0),
            None => write!(f, "libxl's error {}", self.0),
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({self})")
    }
}

impl Error {
    /// What is wrong with a configuration, and where.
    pub(crate) fn config(path: &str, problem: &str) -> Self {
        Self::Config { path: path.to_owned(), problem: problem.to_owned() }
    }

    /// The code of libxl, if libxl failed.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Libxl { code, .. } | Self::Open { code, .. } => Some(*code),
            Self::Unfinished { reason, .. } | Self::Migration { reason, .. } => reason.code(),
            _ => None,
        }
    }

    /// Whether the operation was aborted ([E6]). Of a migration only if the domain is [at the source](MigrationState::AtSource): otherwise
    /// something remains to be done, and [`code`](Self::code) tells that an abort was the reason.
    pub fn is_aborted(&self) -> bool {
        let is_settled = !matches!(self, Self::Migration { state, .. } if *state != MigrationState::AtSource);
        is_settled && self.code() == Some(Code(codes::ERROR_ABORTED))
    }

    /// Whether the domain does not exist.
    pub fn is_no_such_domain(&self) -> bool {
        matches!(self, Self::NoSuchDomain { .. })
    }

    /// The lines of libxl's log about the error. Empty if libxl logged nothing or was not called.
    pub fn words(&self) -> &[Line] {
        match self {
            Self::Libxl { words, .. } | Self::Open { words, .. } => words,
            Self::Unfinished { reason, .. } | Self::Migration { reason, .. } => reason.words(),
            _ => &[],
        }
    }
}

/// The number as the type that libxl takes.
pub(crate) fn fits<N: TryFrom<u64> + Limit>(what: &'static str, value: u64) -> Result<N, Error> {
    value.try_into().map_err(|_| Error::OutOfRange { what, value, most: N::MOST })
}

/// The number that libxl has for a value of an enumeration, as the type that its functions take.
pub(crate) fn numbered(what: &str, number: Option<i32>, value: &dyn fmt::Debug) -> Result<c_uint, Error> {
    let number = number.and_then(|number| c_uint::try_from(number).ok());
    number.ok_or_else(|| Error::config(what, &format!("{value:?} has no number here")))
}

/// A type of number that libxl takes.
pub(crate) trait Limit {
    /// The greatest.
    const MOST: u64;
}

impl Limit for i32 {
    const MOST: u64 = i32::MAX as u64;
}

impl Limit for u32 {
    const MOST: u64 = u32::MAX as u64;
}

impl Limit for i64 {
    const MOST: u64 = i64::MAX as u64;
}

fn quoted(words: &Words) -> String {
    if words.is_empty() { String::new() } else { format!("; libxl said: {words}") }
}

impl From<Invalid> for Error {
    fn from(Invalid { path, found, expected, .. }: Invalid) -> Self {
        let problem = match found {
            Some(found) => format!("{found} is not {expected}"),
            None => format!("missing: {expected}"),
        };
        Self::Config { path, problem }
    }
}

impl From<LoopError> for Error {
    fn from(error: LoopError) -> Self {
        Self::Loop(error)
    }
}

impl From<RegistrationError> for Error {
    fn from(error: RegistrationError) -> Self {
        Self::Registration(error)
    }
}

impl From<osevent_core::Closed> for Error {
    fn from(_: osevent_core::Closed) -> Self {
        Self::Closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use osevent_core::Token;
    use std::error::Error as _;

    #[test]
    fn a_migration_was_aborted_only_if_the_domain_is_where_it_was() {
        let code = Code(codes::ERROR_ABORTED);
        let of = |state| {
            let reason = Error::Libxl { doing: "migrate it", code, words: Words::default(), refusal: None };
            Error::Migration { step: MigrationStep::Report, state, reason: Box::new(reason) }
        };
        assert!(of(MigrationState::AtSource).is_aborted());
        let name = || "web".to_owned();
        for state in [
            MigrationState::Renamed { name: name() },
            MigrationState::MaySuspend { name: name() },
            MigrationState::AtTarget { name: name() },
            MigrationState::SuspendedAtSource { name: name() },
            MigrationState::Unknown { name: name() },
            MigrationState::CopyLeft { domid: DomainId::new(5) },
            MigrationState::Gone,
        ] {
            let error = of(state);
            assert!(!error.is_aborted() && error.code() == Some(code), "{error}");
        }
    }

    #[test]
    fn no_error_repeats_what_its_source_says() {
        let errno = || io::Error::from_raw_os_error(libc::EMFILE);
        let token = Token::from_handle(u64::MAX).expect("it has the mark");
        let all = [
            Error::Unfinished { domid: DomainId::new(5), reason: Box::new(Error::LoopGone) },
            Error::Io { doing: "make an eventfd", reason: errno() },
            Error::Loop(LoopError::Os(libc::EMFILE)),
            Error::Registration(RegistrationError::Loop(LoopError::UnknownToken(token))),
        ];
        for error in all {
            let mut said = error.to_string();
            let mut next = error.source();
            while let Some(source) = next {
                let text = source.to_string();
                assert!(!said.contains(&text), "{error:?}: {said:?} has {text:?}");
                said.push_str(&text);
                next = source.source();
            }
        }
    }
}
