//! A domain's configuration, on its way to libxl and back.

use crate::error::Error;
use crate::hosted::Hosted;
use crate::json::object;
use crate::library::Library;
use crate::round_trip;
use crate::structs::Owned;
use serde_json::{Map, Value};
use std::ffi::CString;
use std::io;
use std::path::{self, Path};
use std::process::{Command, Stdio};
use uuid::Uuid;
use xenlight_sys::domain::DomainConfig as RawConfig;
use xenlight_sys::{self as sys, Release};
use xenlight_types::{DomainConfig, LibxlType};

/// Reads a configuration file of `xl`. It runs `xl create -q -n` on the file, which needs root in dom0, and parses the JSON
/// that `xl` prints.
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
pub(crate) fn from_libxl(
    hosted: &Hosted,
    ctx: *mut sys::Ctx,
    config: &Owned<RawConfig>,
) -> Result<DomainConfig, Error> {
    let what = "libxl's domain_config";
    let config = object(what, to_json(hosted, ctx, config))?;
    let config = DomainConfig::from_value(Value::Object(config));
    let mut config = config.map_err(|invalid| Error::Format { what, problem: invalid.to_string() })?;
    config.create_info.domid = None;
    Ok(config)
}

/// For libxl, which is known to understand it then. A uuid is made up if there is none: libxl
/// would take the nil one.
pub(crate) fn to_libxl(
    config: &DomainConfig,
    library: &Library,
    hosted: &Hosted,
    ctx: *mut sys::Ctx,
) -> Result<Owned<RawConfig>, Error> {
    config.check()?;
    if let Some(newer) = config.newer_than(library.release()) {
        return Err(Error::ConfigNeeds { path: newer.path, needs: newer.since, loaded: library.release() });
    }
    let mut config = config.clone();
    if config.create_info.uuid.is_none_or(|uuid| uuid.is_nil()) {
        let uuid = random_uuid().map_err(|reason| Error::Io { doing: "make up a uuid", reason })?;
        config.create_info.uuid = Some(uuid);
    }
    let config = config.to_value();
    if let Value::Object(config) = &config {
        round_trip::check_harmless(config)?;
    }
    let reread = |config: &Value| -> Result<Option<Map<String, Value>>, Error> {
        let understood = from_json(library, ctx, config)?;
        understood.map(|understood| object("libxl's domain_config", to_json(hosted, ctx, &understood))).transpose()
    };
    round_trip::check(&config, &reread)?;
    from_json(library, ctx, &config)?.ok_or_else(|| Error::config("", "libxl does not take it"))
}

/// `None` if libxl refuses it.
fn from_json(library: &Library, ctx: *mut sys::Ctx, config: &Value) -> Result<Option<Owned<RawConfig>>, Error> {
    let Some(from_json) = library.sys().domain_config_from_json() else {
        let loaded = library.release();
        return Err(Error::Unsupported { what: "a configuration in JSON", needs: Release::V4_5, loaded });
    };
    // Serialised, a NUL byte is an escape sequence.
    let json = CString::new(config.to_string()).map_err(|_| Error::Nul("the configuration"))?;
    let parsed = Owned::new(library);
    // SAFETY: the ctx is alive, the struct initialised, the string good for the call.
    let rc = unsafe { from_json(ctx, parsed.as_ptr(), json.as_ptr()) };
    Ok((rc == 0).then_some(parsed))
}

fn to_json(hosted: &Hosted, ctx: *mut sys::Ctx, config: &Owned<RawConfig>) -> Option<String> {
    // SAFETY: ctx and struct are alive; the string is ours to free.
    unsafe { hosted.take_string(hosted.library().domain_config_to_json(ctx, config.as_ptr())) }
}

fn random_uuid() -> io::Result<Uuid> {
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
