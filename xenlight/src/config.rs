//! A domain's configuration, on its way to libxl and back.

use crate::error::Error;
use crate::hosted::Hosted;
use crate::structs::Typed;
use std::io;
use std::path::{self, Path};
use std::process::{Command, Stdio};
use uuid::Uuid;
use xenlight_sys::{self as sys, Release};
use xenlight_types::{BuildInfo, DeviceModelVersion, DomainConfig, Machine};

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
    config.build_info = harmless(&config.build_info, hosted.library().release())?;
    if config.create_info.uuid.is_none_or(|uuid| uuid.is_nil()) {
        let uuid = random_uuid().map_err(|reason| Error::Io { doing: "make up a uuid", reason })?;
        config.create_info.uuid = Some(uuid);
    }
    // SAFETY: the caller's promise.
    unsafe { Typed::given(hosted, ctx, &config) }
}

/// The same without what libxl does harm with.
///
/// Of a `cpumap` alone, libxl (4.5 to 4.22) makes affinities in memory that it frees itself, and that our dispose would free again:
/// so they are made here. For device models of old, 4.21 and later abort.
///
/// # Errors
/// This release has no such device model any more.
pub(crate) fn harmless(build: &BuildInfo, release: Release) -> Result<BuildInfo, Error> {
    let mut build = build.clone();
    if !build.cpumap.is_empty() && build.vcpu_hard_affinity.is_empty() {
        let vcpus = usize::try_from(build.max_vcpus.unwrap_or(1)).unwrap_or(1).max(1);
        build.vcpu_hard_affinity = vec![std::mem::take(&mut build.cpumap); vcpus];
    }
    if release >= Release::new(4, 21) {
        match build.device_model_version {
            Some(DeviceModelVersion::QemuXenTraditional) => {
                let problem = "this device model is gone since Xen 4.21: leave it out, or \"qemu_xen\"";
                return Err(Error::config("b_info.device_model_version", problem));
            }
            None if matches!(&build.machine, Some(Machine::Hvm(hvm)) if hvm.bios.is_some()) => {
                build.device_model_version = Some(DeviceModelVersion::QemuXen);
            }
            _ => {}
        }
    }
    Ok(build)
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
    use std::collections::BTreeSet;
    use xenlight_types::Hvm;

    #[test]
    fn affinities_are_made_here_and_not_in_memory_that_libxl_frees() {
        let cpus = BTreeSet::from([1, 2]);
        let build = BuildInfo::default().max_vcpus(2).cpumap([1, 2]);
        let made = harmless(&build, Release::new(4, 17)).expect("it is good");
        assert!(made.cpumap.is_empty());
        assert_eq!(made.vcpu_hard_affinity, [cpus.clone(), cpus]);
        let given = build.vcpu_hard_affinity([BTreeSet::from([0])]);
        assert_eq!(harmless(&given, Release::new(4, 17)).expect("it is good"), given);
    }

    #[test]
    fn device_models_that_a_release_aborts_for_are_refused() {
        let old = BuildInfo::default().device_model_version(DeviceModelVersion::QemuXenTraditional);
        assert!(harmless(&old, Release::new(4, 20)).is_ok());
        assert!(harmless(&old, Release::new(4, 21)).is_err());
        let bios = BuildInfo::default().machine(Machine::Hvm(Hvm::default().bios(xenlight_types::Bios::Seabios)));
        let made = harmless(&bios, Release::new(4, 21)).expect("it is good");
        assert_eq!(made.device_model_version, Some(DeviceModelVersion::QemuXen));
    }

    #[test]
    fn made_up_uuids_are_random_ones_and_differ() {
        let [one, other] = [(); 2].map(|()| random_uuid().expect("the kernel has randomness"));
        assert_ne!(one, other);
        assert_eq!(one.get_version_num(), 4);
    }
}
