use std::fmt;

/// The reason why a reactor, or the source of an adapter, could not be created.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CreateError {
    /// The process has reached its limit of open files.
    TooManyFiles,
    /// The machine has reached its limit of open files, or has no memory left.
    OutOfResources,
    /// The operating system refused for another reason.
    Os {
        /// The system call.
        call: &'static str,
        /// Its errno.
        errno: i32,
    },
}

impl CreateError {
    /// Creates the error for a system call that failed to create an fd. Adapters use it for their own fds.
    pub fn new(call: &'static str, error: &std::io::Error) -> Self {
        Self::from_call(call, error.raw_os_error().unwrap_or(libc::EIO))
    }

    pub(crate) fn from_call(call: &'static str, errno: i32) -> Self {
        match errno {
            libc::EMFILE => Self::TooManyFiles,
            libc::ENFILE | libc::ENOMEM | libc::ENOSPC => Self::OutOfResources,
            _ => Self::Os { call, errno },
        }
    }
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyFiles => f.write_str(
                "this process has too many files open to wait for more: close some, or raise the limit (`ulimit -n`, RLIMIT_NOFILE)",
            ),
            Self::OutOfResources => f.write_str(
                "the machine is out of memory, or of files (see /proc/sys/fs/file-nr): end something, then try again",
            ),
            Self::Os { call, errno } => {
                let reason = std::io::Error::from_raw_os_error(*errno);
                write!(f, "{call} failed: {reason}; does a sandbox forbid it?")
            }
        }
    }
}

impl std::error::Error for CreateError {}
