//! A domain's configuration, on its way to libxl and back.

use crate::error::Error;
use crate::hosted::Hosted;
use crate::structs::Typed;
use std::io;
use std::path::{self, Path};
use std::process::{Command, Stdio};
use uuid::Uuid;
use xenlight_sys as sys;
use xenlight_types::DomainConfig;

/// Reads a configuration file of `xl`. It runs `xl create -q -n` on the file, which needs root in dom0, and parses the JSON
/// that `xl` prints.
///
/// [`DomainConfig::from_xl`] reads the same files without `xl`, without root and anywhere, refuses what `xl` would silently ignore,
/// and tells line and column. This function is right where the file has to be read as this host's own `xl` reads it: with its
/// `xl.conf`, with the host's CPUs and NUMA nodes, and with keys that only this release has.
///
/// Blocks until `xl` has ended, for a few hundred milliseconds. Does not work with
/// [`Children::Libxl`](crate::Children::Libxl) and [`LibxlAlways`](crate::Children::LibxlAlways), because libxl then reaps
/// `xl`.
///
/// # Errors
/// [`Error::Xl`] with the message of `xl`, or if `xl` is not installed; [`Error::Config`] if its JSON is not valid.
pub fn config_by_xl(file: impl AsRef<Path>) -> Result<DomainConfig, Error> {
    let file = file.as_ref();
    let failed = |words: String| Error::Xl { file: file.to_owned(), words };
    // A name like `-x` would be an option of xl's.
    let absolute = path::absolute(file).map_err(|error| failed(error.to_string()))?;
    let xl = Command::new("xl").args(["create", "-q", "-n"]).arg(&absolute).stdin(Stdio::null()).output();
    let output = xl.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => failed("there is no xl; install Xen's tools (Debian: xen-utils)".to_owned()),
        _ => failed(error.to_string()),
    })?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(failed(format!("{} ({})", words.trim_end(), output.status)));
    }
    Ok(DomainConfig::from_json(&String::from_utf8_lossy(&output.stdout))?)
}

/// Reads one that libxl has filled in, without the number that its domain happens to have.
///
/// # Safety
/// The ctx is alive.
pub(crate) unsafe fn from_libxl(ctx: *mut sys::Ctx, config: &Typed<DomainConfig>) -> Result<DomainConfig, Error> {
    // SAFETY: the caller's promise.
    let mut config = unsafe { config.read(ctx) }?;
    config.create_info.domid = None;
    Ok(config)
}

/// For libxl, which is known to understand it then. A uuid is made up if there is none: libxl
/// would take the nil one.
///
/// # Safety
/// The ctx is alive.
pub(crate) unsafe fn to_libxl(
    hosted: &Hosted,
    ctx: *mut sys::Ctx,
    config: &DomainConfig,
) -> Result<Typed<DomainConfig>, Error> {
    config.check()?;
    let mut config = config.clone();
    if config.create_info.uuid.is_none_or(|uuid| uuid.is_nil()) {
        let uuid = random_uuid().map_err(|reason| Error::Io { doing: "make up a uuid", reason })?;
        config.create_info.uuid = Some(uuid);
    }
    // SAFETY: the caller's promise.
    unsafe { Typed::given(hosted, ctx, &config) }
}

pub(crate) fn random_uuid() -> io::Result<Uuid> {
    let mut bytes = [0; 16];
    // SAFETY: `bytes` is writable, and has this length.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    match usize::try_from(got) {
        // The kernel does not cut requests of up to 256 bytes short.
        Ok(16) => Ok(uuid::Builder::from_random_bytes(bytes).into_uuid()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_uuids_are_random_ones_and_differ() {
        let [one, other] = [(); 2].map(|()| random_uuid().expect("the kernel has randomness"));
        assert_ne!(one, other);
        assert_eq!(one.get_version_num(), 4);
    }
}
