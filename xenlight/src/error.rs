use crate::children::Children;
#[cfg(doc)]
use crate::contract::*;
use crate::domain_id::DomainId;
use crate::words::{Line, Words};
use osevent_core::{LoopError, RegistrationError};
use std::fmt;
use std::io;
use std::path::PathBuf;
use xenlight_sys::Release;
use xenlight_sys::codes;

/// What went wrong, by who can do something about it. Shown, it is complete: what another error is the reason of is shown with that
/// one's words, which is then no [source](std::error::Error::source) besides.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no libxl, or none that can be used.
    #[error(transparent)]
    Load(#[from] xenlight_sys::LoadError),
    /// Libxl made no ctx.
    #[error("libxl cannot be opened: {code}{}; {advice}", quoted(words))]
    Open {
        /// What libxl returned.
        code: Code,
        /// What libxl said in its log.
        words: Words,
        /// What probably is the matter, from a look at this machine.
        advice: &'static str,
    },
    /// Libxl refused a call, or the operation failed.
    #[error("cannot {doing}: {code}{}{}", refusal.as_ref().map(|why| format!(" ({why})")).unwrap_or_default(), quoted(words))]
    Libxl {
        /// What was tried.
        doing: &'static str,
        /// What libxl returned. `ERROR_FAIL`, as a rule; `words` have the reason.
        code: Code,
        /// What libxl said in its log, at the level of errors, while it worked on this. The whole log goes to the `log` crate, target `libxl`.
        words: Words,
        /// What this ctx's event loop last refused, where `code` says that it did ([R3]).
        refusal: Option<RegistrationError>,
    },
    /// There is no such domain: there was none, or it went away meanwhile. In all releases, from every method that is about a
    /// domain, except for a [watch of its death](crate::Ctx::watch_death). Numbers that no domain can have (32752 and above) included.
    #[error("cannot {doing}: there is no domain {domid}")]
    NoSuchDomain {
        /// What was tried.
        doing: &'static str,
        /// The domain.
        domid: DomainId,
    },
    /// The domain is being destroyed already, by an operation of this ctx: await that operation. Nothing was begun.
    #[error("domain {domid} is being destroyed already: another destroy of it is at work")]
    BeingDestroyed {
        /// The domain.
        domid: DomainId,
    },
    /// The domain may not be ended, stopped or moved, because the host depends on it: domain 0, or xenstored's own. Libxl was
    /// not called.
    #[error("cannot {doing}: domain {domid} {role}")]
    Protected {
        /// What was tried.
        doing: &'static str,
        /// The domain.
        domid: DomainId,
        /// What the host has it for.
        role: &'static str,
    },
    /// The ctx is closed, or being closed.
    #[error("the ctx is closed")]
    Closed,
    /// The host's event loop is gone, so nobody would ever complete the operation. Attach a loop anew and open another ctx on it.
    #[error("the event loop of this ctx has ended: no operation can be completed any more")]
    LoopGone,
    /// Xenstored has ended, or has been started anew: this ctx's watches are lost, and libxl cannot reconnect. An
    /// [`EventKind::Disaster`](crate::EventKind::Disaster) has told so, or will. Questions to the hypervisor, as
    /// [`Ctx::domains`](crate::Ctx::domains), are answered still. Close this ctx and open another one.
    #[error("the connection to xenstored is lost: close this ctx and open another one, once xenstored runs")]
    XenstoredLost,
    /// A blocking call was made from inside an event callback, the logger, or another call into libxl: it would wait for its own caller.
    #[error("{0} cannot be called from inside a callback: it would wait for itself; use the future instead")]
    InsideCallback(&'static str),
    /// Libxl was called from inside one of its hooks, on the same thread: from a tracer, from the logger while it is told libxl's
    /// words, or from an event loop's registration methods. Libxl holds its lock there and is at work on its lists, so no call may
    /// come to any ctx ([R15]). Nothing was begun: have the loop call you later, and try again.
    #[error(
        "libxl cannot be called from inside its hooks (a tracer, a logger, a loop's own registration): do it later, from the loop"
    )]
    InsideHook,
    /// A child was reported to a ctx whose libxl handles SIGCHLD itself and would end the process for that ([S2]). Leave
    /// its children to libxl, or open the ctx with [`Children::Host`].
    #[error(
        "this ctx's libxl waits for its children itself ({0:?}): report children to those opened with Children::Host only"
    )]
    ChildrenOf(Children),
    /// The process has a SIGCHLD handler, and libxl, which was asked to install its own, would end the process for
    /// that ([S1]). GLib and others may have installed it. Open with [`Children::ByPidfd`], the default, which needs none.
    #[error(
        "this process has a SIGCHLD handler already, so libxl cannot have one ({0:?}): open the ctx with Children::ByPidfd"
    )]
    SigchldTaken(Children),
    /// The process ignores SIGCHLD, inherited perhaps from the one that started it: the kernel then keeps no child's status, and
    /// libxl would take each of its children for failed. Set SIGCHLD to its default action before the ctx is opened.
    #[error("this process ignores SIGCHLD, so libxl would never learn how its children end: set it to SIG_DFL first")]
    SigchldIgnored,
    /// The loaded libxl is too old for it.
    #[error("{what} needs Xen {needs} or later; libxl {loaded} is loaded")]
    Unsupported {
        /// What was asked for.
        what: &'static str,
        /// The first release that can do it.
        needs: Release,
        /// The one that is loaded.
        loaded: Release,
    },
    /// A domain's configuration that libxl would have taken for another one.
    #[error("the domain's configuration is wrong at {path}: {problem}")]
    Config {
        /// Where, as `b_info.max_memkb`.
        path: String,
        /// What is wrong there, and what would be right.
        problem: String,
    },
    /// `xl` did not make sense of a configuration file.
    #[error("xl cannot read {}: {words}", file.display())]
    Xl {
        /// The file.
        file: PathBuf,
        /// What `xl` said, or why it did not run.
        words: String,
    },
    /// A create or restore was aborted, and has left the domain behind, half made: destroy it.
    #[error("{reason}; domain {domid} is left behind, unfinished: destroy it")]
    Unfinished {
        /// The domain.
        domid: DomainId,
        /// How the operation ended.
        reason: Box<Error>,
    },
    /// A file that is not what `xl save` writes, or of a kind that cannot be restored.
    #[error("this is no save file that can be restored: {0}")]
    SaveFile(&'static str),
    /// A string with a NUL byte in it cannot be passed to libxl.
    #[error("{0} has a NUL byte in it")]
    Nul(&'static str),
    /// The operating system refused.
    #[error("cannot {doing}: {reason}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Why not.
        reason: io::Error,
    },
    /// The event loop refused a source of the ctx's own.
    #[error("the event loop refused: {0}")]
    Loop(LoopError),
    /// The event loop refused to register a source of the ctx's own.
    #[error("cannot register with the event loop: {0}")]
    Registration(RegistrationError),
    /// Text from libxl, or from a program of Xen's, that is not what it should be.
    #[error("cannot understand {what}: {problem}")]
    Format {
        /// Whose.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

/// What a call into libxl returned: a negative number of libxl's, or a positive one that a hook gave it ([R3]).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number, which is all that it can be")]
pub struct Code(pub i32);

impl Code {
    /// Libxl's name for it, for instance `ERROR_TIMEDOUT`.
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

    /// Libxl's code, where it is libxl that failed.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Libxl { code, .. } | Self::Open { code, .. } => Some(*code),
            Self::Unfinished { reason, .. } => reason.code(),
            _ => None,
        }
    }

    /// Whether the operation ended because it was asked to abort ([E6]).
    pub fn is_aborted(&self) -> bool {
        self.code() == Some(Code(codes::ERROR_ABORTED))
    }

    /// Whether there is no such domain.
    pub fn is_no_such_domain(&self) -> bool {
        matches!(self, Self::NoSuchDomain { .. })
    }

    /// What libxl said about it in its log. Empty where it said nothing, or was not called.
    pub fn words(&self) -> &[Line] {
        match self {
            Self::Libxl { words, .. } | Self::Open { words, .. } => words,
            Self::Unfinished { reason, .. } => reason.words(),
            _ => &[],
        }
    }
}

fn quoted(words: &Words) -> String {
    if words.is_empty() { String::new() } else { format!("; libxl said: {words}") }
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
