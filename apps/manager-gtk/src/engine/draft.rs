//! A domain that is to be made, as somebody fills it in.

use super::Config;
use crate::i18n::{gettext, with};
use osevent_standin_machine::demo;
use xenlight::DomainConfig;
use xenlight::types::{Disk, DiskFormat, Hvm, Machine, Nic, Pv, Pvh, ShutdownAction};

/// How Xen runs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    Pv,
    #[default]
    Pvh,
    Hvm,
}

/// How the content of a disk is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Raw,
    Qcow2,
    Vhd,
}

/// What was filled in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) memory_mib: u32,
    pub(crate) vcpus: u32,
    pub(crate) kernel: String,
    pub(crate) ramdisk: String,
    pub(crate) cmdline: String,
    /// The image of a disc in the drive of an HVM domain.
    pub(crate) disc: String,
    pub(crate) disks: Vec<DraftDisk>,
    /// The bridge of each network interface; empty for Xen's default.
    pub(crate) bridges: Vec<String>,
}

/// A disk of a [`Draft`].
#[derive(Clone, Debug, Default)]
pub(crate) struct DraftDisk {
    pub(crate) path: String,
    pub(crate) format: Format,
    pub(crate) is_read_only: bool,
}

/// Where something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Name,
    Kernel,
    Ramdisk,
    Disc,
    /// The disk at this place.
    Disk(usize),
}

/// Where disks of HVM domains are; `hdc` is the drive. Those behind them are not emulated.
const EMULATED: [&str; 3] = ["hda", "hdb", "hdd"];
const DRIVE: &str = "hdc";

impl Draft {
    /// The kernel of the simulated machine, if it is one.
    pub(crate) fn suggested_kernel() -> String {
        demo::kernel().and_then(|path| path.into_os_string().into_string().ok()).unwrap_or_default()
    }

    /// As a configuration, or what is missing or wrong first. `is_taken` knows the names of other domains.
    pub(crate) fn config(&self, is_taken: impl Fn(&str) -> bool) -> Result<Config, (Field, String)> {
        self.check(is_taken)?;
        let machine = match self.kind {
            Kind::Pv => Machine::Pv(Pv::default()),
            Kind::Pvh => Machine::Pvh(Pvh::default()),
            Kind::Hvm => Machine::Hvm(Hvm::default().boot(if self.disc.is_empty() { "c" } else { "dc" })),
        };
        let memory = u64::from(self.memory_mib) << 10;
        let mut config = DomainConfig::new(&*self.name, machine).on_reboot(ShutdownAction::Restart);
        let mut build = config.build_info.max_memory_kib(memory).target_memory_kib(memory);
        build = build.max_vcpus(i32::try_from(self.vcpus).unwrap_or(i32::MAX)).avail_vcpus(0..self.vcpus);
        if self.kind != Kind::Hvm {
            let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            build.kernel = text(&self.kernel);
            build.ramdisk = text(&self.ramdisk);
            build.cmdline = text(&self.cmdline);
            if build.kernel.is_none() {
                build = build.bootloader("pygrub");
            }
        }
        config.build_info = build;
        config.disks = self.disks.iter().enumerate().map(|(at, disk)| disk.disk(&self.vdev(at))).collect();
        if self.kind == Kind::Hvm && !self.disc.is_empty() {
            let disc = Disk::default().vdev(DRIVE).pdev_path(&*self.disc).format(DiskFormat::Raw);
            config.disks.push(disc.is_cdrom(true).removable(true).readwrite(false));
        }
        let nic = |bridge: &String| {
            if bridge.is_empty() { Nic::default() } else { Nic::default().bridge(bridge) }
        };
        config.nics = self.bridges.iter().map(nic).collect();
        Ok(config.into())
    }

    /// The virtual device of the disk at this place.
    fn vdev(&self, at: usize) -> String {
        match (self.kind, EMULATED.get(at)) {
            (Kind::Hvm, Some(name)) => (*name).to_owned(),
            // xvda to xvdd are the same disks as hda to hdd.
            (Kind::Hvm, None) => vdev(at + 1),
            _ => vdev(at),
        }
    }

    fn check(&self, is_taken: impl Fn(&str) -> bool) -> Result<(), (Field, String)> {
        if self.name.is_empty() {
            return Err((Field::Name, gettext("The domain needs a name")));
        }
        if xenlight::types::check_name(&self.name).is_err() {
            return Err((Field::Name, gettext("A name has no slashes: files are named after it")));
        }
        if is_taken(&self.name) {
            let said = with(gettext("There is a domain {name} already"), &[("name", &self.name)]);
            return Err((Field::Name, said));
        }
        let files = match self.kind {
            Kind::Hvm => vec![(Field::Disc, &self.disc)],
            _ => vec![(Field::Kernel, &self.kernel), (Field::Ramdisk, &self.ramdisk)],
        };
        for (field, path) in files.into_iter().filter(|(_, path)| !path.is_empty()) {
            check_path(path).map_err(|said| (field, said))?;
        }
        for (at, disk) in self.disks.iter().enumerate() {
            disk.check().map_err(|said| (Field::Disk(at), said))?;
        }
        match self.kind {
            Kind::Hvm if self.disc.is_empty() && self.disks.is_empty() => {
                Err((Field::Disc, gettext("Choose the image of a disc, or add a disk, to boot from")))
            }
            Kind::Pv | Kind::Pvh if self.kernel.is_empty() && self.disks.is_empty() => {
                Err((Field::Kernel, gettext("Choose a kernel, or add a disk whose own boot menu is to be used")))
            }
            _ => Ok(()),
        }
    }
}

impl DraftDisk {
    /// What is missing or wrong.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.path.is_empty() {
            return Err(gettext("A disk needs an image or a block device"));
        }
        check_path(&self.path)
    }

    pub(super) fn disk(&self, vdev: &str) -> Disk {
        let format = match self.format {
            Format::Raw => DiskFormat::Raw,
            Format::Qcow2 => DiskFormat::Qcow2,
            Format::Vhd => DiskFormat::Vhd,
        };
        Disk::default().vdev(vdev).pdev_path(&*self.path).format(format).readwrite(!self.is_read_only)
    }
}

fn check_path(path: &str) -> Result<(), String> {
    if path.starts_with('/') {
        return Ok(());
    }
    Err(with(gettext("{path} is no full path: it has to begin with /"), &[("path", path)]))
}

/// The paravirtual disk of that number, from 0: `xvda` to `xvdz`, then `xvdaa`.
pub(super) fn vdev(at: usize) -> String {
    let letter = |at: usize| char::from(b'a' + u8::try_from(at % 26).expect("less than 26"));
    let before = (at >= 26).then(|| letter(at / 26 - 1));
    format!("xvd{}{}", before.map(String::from).unwrap_or_default(), letter(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Form;

    fn draft(kind: Kind) -> Draft {
        Draft { name: "web".into(), kind, memory_mib: 256, vcpus: 2, ..Draft::default() }
    }

    fn disk(path: &str) -> DraftDisk {
        DraftDisk { path: path.into(), ..DraftDisk::default() }
    }

    fn wrong(draft: &Draft) -> Option<Field> {
        draft.config(|name| name == "taken").err().map(|(field, _)| field)
    }

    #[test]
    fn what_is_wrong_first_is_told_with_its_place() {
        assert_eq!(wrong(&Draft { name: String::new(), ..draft(Kind::Pv) }), Some(Field::Name));
        assert_eq!(wrong(&Draft { name: "taken".into(), ..draft(Kind::Pv) }), Some(Field::Name));
        assert_eq!(wrong(&Draft { name: "a/b".into(), ..draft(Kind::Pv) }), Some(Field::Name));
        assert_eq!(wrong(&draft(Kind::Pvh)), Some(Field::Kernel));
        assert_eq!(wrong(&draft(Kind::Hvm)), Some(Field::Disc));
        assert_eq!(wrong(&Draft { kernel: "k".into(), ..draft(Kind::Pv) }), Some(Field::Kernel));
        let disks = vec![disk("/a"), disk("")];
        assert_eq!(wrong(&Draft { disks, ..draft(Kind::Hvm) }), Some(Field::Disk(1)));
        assert_eq!(wrong(&Draft { kernel: "/k".into(), ..draft(Kind::Pvh) }), None);
    }

    #[test]
    fn each_type_can_be_written_as_a_file_of_xl_that_says_the_same() {
        let disks = vec![disk("/a"), disk("/b"), disk("/c"), disk("/d")];
        for kind in [Kind::Pv, Kind::Pvh, Kind::Hvm] {
            let (kernel, disc) = ("/k".to_owned(), "/i".to_owned());
            let bridges = vec!["xenbr1".to_owned(), String::new()];
            let draft = Draft { kernel, disc, disks: disks.clone(), bridges, ..draft(kind) };
            let config = draft.config(|_| false).unwrap();
            let text = config.write(Form::Xl).unwrap();
            let again = crate::engine::Config::read(&text).map_err(|_| ()).unwrap().config;
            // What xl sets by itself, too.
            let again = again.write(Form::Xl).unwrap().replace("on_soft_reset = \"soft-reset\"\n", "");
            assert_eq!(again, text);
            let vdevs: Vec<_> = config.0.disks.iter().filter_map(|disk| disk.vdev.as_deref()).collect();
            let expected: &[&str] = match kind {
                Kind::Hvm => &["hda", "hdb", "hdd", "xvde", "hdc"],
                _ => &["xvda", "xvdb", "xvdc", "xvdd"],
            };
            assert_eq!(vdevs, expected);
        }
    }

    #[test]
    fn without_a_kernel_the_disk_has_the_boot_menu() {
        let config = Draft { disks: vec![disk("/a")], ..draft(Kind::Pv) }.config(|_| false).unwrap();
        assert_eq!(config.0.build_info.bootloader.as_deref(), Some("pygrub"));
    }
}
