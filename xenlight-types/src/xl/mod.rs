//! xl's configuration files: [`syntax`] says what a file consists of, [`keys`] what its keys mean.

mod apart;
mod cpuid;
mod device;
mod disk;
mod hvm;
mod item;
mod keys;
mod numbers;
mod pci;
mod problem;
mod processors;
mod rate;
mod read;
mod scalar;
mod sound;
mod source;
mod syntax;
mod tree;
mod write;

pub use numbers::XlHost;
pub use problem::{XlError, XlUnsayable, XlWarning};
pub use read::XlFile;

use crate::config::DomainConfig;

impl DomainConfig {
    /// Reads a configuration file of xl's, [xl.cfg(5)](https://xenbits.xenproject.org/docs/unstable/man/xl.cfg.5.html), without
    /// libxl or xl.
    ///
    /// ```
    /// use xenlight_types::{DomainConfig, XlError};
    ///
    /// let file = DomainConfig::from_xl(
    ///     r#"
    ///     name = "web"
    ///     type = "pvh"
    ///     kernel = "/boot/vmlinuz"
    ///     memory = 512
    ///     disk = [ "format=raw, vdev=xvda, access=rw, target=/dev/vg/web" ]
    ///     vif = [ "bridge=xenbr0" ]
    ///     "#,
    /// )?;
    /// assert!(file.warnings.is_empty());
    /// assert_eq!(file.config.build_info.target_memory_kib, Some(512 * 1024));
    /// assert_eq!(file.config.disks[0].vdev.as_deref(), Some("xvda"));
    ///
    /// let error = DomainConfig::from_xl("name = 'web'\nmemory = 'much'").unwrap_err();
    /// assert_eq!((error.line, error.column), (2, 10));
    /// assert!(error.to_string().starts_with("line 2, column 10: memory: \"much\" is not a number"));
    /// # Ok::<(), XlError>(())
    /// ```
    ///
    /// The result is what `xl create -n` prints, apart from what xl makes up: the domain's uuid, and `ms_vm_genid`. Tests compare it
    /// with xl 4.14, 4.17 and 4.20. As xl does, it sets [`on_reboot`](field@Self::on_reboot) and
    /// [`on_soft_reset`](field@Self::on_soft_reset) to restart and soft reset, and
    /// [`claim_mode`](field@crate::BuildInfo::claim_mode) and
    /// [`run_hotplug_scripts`](field@crate::CreateInfo::run_hotplug_scripts) to true, if nothing else is said; `xl.conf` is not read.
    /// The type of domain is PV if none is named.
    ///
    /// # Where it is stricter than xl
    /// xl ignores a value that it does not understand, often with a message on standard error. Here it is an error: a number with
    /// a typo, a list instead of a single value, a part of a device that does not exist. Keys that are not known are
    /// [warnings](XlFile::warnings). The type of domain has to be named in full. In a text, digits behind a backslash are an
    /// error: xl loses them. COLO, which libxl calls unstable, is not known.
    ///
    /// # Where it differs from xl
    /// | file | xl | here |
    /// |---|---|---|
    /// | `rdm` with a policy | 4.17 and 4.20 ignore the key | the policy is set |
    /// | `rdm` without a policy | 4.17 and 4.20 set one from memory that they did not write | none is set: libxl's default |
    /// | `usbdev` without `type` | the device is lost | a device of the host, as xl.cfg(5) says |
    /// | `cpus` without `vcpus` | up to 4.21: ignored | for one vCPU |
    /// | `cpus = "all"` and no [`XlHost`] | the numbers of all CPUs | not set, which means the same |
    /// | `trusted`, `untrusted` in `disk` | Debian's 4.17 takes them for the target | as in later releases |
    /// | `pci` with `*`, `bdf=` or `name=` | 4.14 refuses them, or ends with an assertion | as in later releases |
    /// | `cpuid` with a name that came later | ignored: 4.17 knows 198 names, 4.20 knows 315 | the 330 names up to 4.22 |
    /// | `mtu` in `vif` | 4.14 ignores it | as in later releases |
    /// | `channel` with a second `=` in a part | up to 4.17: the rest is lost | part of the value |
    /// | `vnc` and its kin in a PVH domain | fields are set that only HVM domains have | a warning |
    /// | a comment without a newline at the end of the file | an error | a comment |
    /// | `firmware = "pvgrub64"` | the folder that xl was built for | the folder of [`XlHost`] |
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn from_xl(text: &str) -> Result<XlFile, XlError> {
        Self::from_xl_on(text, &XlHost::default())
    }

    /// The same for a file that refers to the host: CPUs as `"all,^0"` or `"node:1"`, or `firmware = "pvgrub64"`.
    ///
    /// # Errors
    /// As [`from_xl`](Self::from_xl).
    pub fn from_xl_on(text: &str, host: &XlHost) -> Result<XlFile, XlError> {
        read::read(text, host)
    }

    /// Writes a configuration file of xl's. [`from_xl`](Self::from_xl) reads it as the same configuration, with what xl sets by
    /// itself: the numbers of devices, which are their places, a keyboard beside each display, and the fields that `from_xl` names. It
    /// does not say which scheduler the domain has, because that is the one of its CPU pool.
    ///
    /// ```
    /// use xenlight_types::{DomainConfig, Machine, Nic, Pvh};
    ///
    /// let mut config = DomainConfig::new("web", Machine::Pvh(Pvh::default()));
    /// config.build_info = config.build_info.kernel("/boot/vmlinuz").max_memory_kib(512 * 1024);
    /// config.nics = vec![Nic::default().bridge("xenbr0")];
    /// let text = config.to_xl()?;
    /// assert!(text.contains("maxmem = 512\n"));
    /// assert!(text.contains("vif = [\"bridge=xenbr0\"]\n"));
    ///
    /// config.build_info.blkdev_start = Some("xvdz".to_owned());
    /// assert_eq!(config.to_xl().unwrap_err().paths, ["b_info.blkdev_start"]);
    /// # Ok::<(), xenlight_types::XlUnsayable>(())
    /// ```
    ///
    /// # Errors
    /// What a file cannot say: fields without a key; memory that is no whole number of MiB; texts with commas in a device; and what
    /// would be read as something else, such as a number of a device that is not its place.
    pub fn to_xl(&self) -> Result<String, XlUnsayable> {
        write::write(self)
    }

    /// All keys that [`from_xl`](Self::from_xl) knows.
    pub fn xl_keys() -> impl Iterator<Item = &'static str> {
        keys::KEYS.iter().map(|key| key.name)
    }
}
