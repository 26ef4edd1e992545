//! The files of this host that a configuration names.

use crate::error::Error;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use xenlight_types::{Disk, DiskFormat, DomainConfig, Machine};

/// Checks that this process can open the files that a configuration names: kernel, ramdisk, firmware, device tree, device model, and the disks
/// of this domain. They are opened to be read, and closed. Use it before a domain is ended in order to be created again:
/// [`Ctx::create`](crate::Ctx::create) looks for them when nothing is left of the domain that was there.
///
/// Not checked is what only libxl can find: a name in one of Xen's directories, what a bootloader takes from a disk, a disk with a script, a disk
/// of another domain. Blocks as long as the file systems take.
///
/// # Errors
/// [`Error::File`] with the first that cannot be opened.
pub fn check_files(config: &DomainConfig) -> Result<(), Error> {
    for file in named(config) {
        // One that is a pipe must not wait for its other end.
        let opened = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(file);
        opened.map_err(|reason| Error::File { file: file.into(), reason })?;
    }
    Ok(())
}

fn named(config: &DomainConfig) -> impl Iterator<Item = &str> {
    let build = &config.build_info;
    let mut files = vec![&build.device_tree, &build.device_model];
    // By libxl from a directory of Xen's, unless the path is absolute.
    let mut installed = vec![&build.stubdomain_kernel, &build.stubdomain_ramdisk];
    let (mut booted, mut bootloader) = (vec![&build.kernel, &build.ramdisk], build.bootloader.as_ref());
    match &build.machine {
        Some(Machine::Hvm(hvm)) => {
            files.extend([&hvm.system_firmware, &hvm.acpi_firmware, &hvm.smbios_firmware]);
            installed.push(&hvm.firmware);
        }
        Some(Machine::Pv(pv)) => {
            booted.extend([&pv.kernel, &pv.ramdisk]);
            bootloader = bootloader.or(pv.bootloader.as_ref());
        }
        Some(Machine::Pvh(pvh)) => installed.push(&pvh.pvshim_path),
        _ => {}
    }
    // It is what the bootloader looks for.
    if bootloader.is_none() {
        files.extend(booted);
    }
    installed.extend(config.disks.iter().filter(|disk| is_here(disk)).map(|disk| &disk.pdev_path));
    let installed = installed.into_iter().flatten().filter(|path| path.starts_with('/'));
    files.into_iter().flatten().chain(installed).map(String::as_str).filter(|path| !path.is_empty())
}

/// Whether its image is a file or a device of this domain.
fn is_here(disk: &Disk) -> bool {
    let is_set = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    disk.format != Some(DiskFormat::Empty)
        && !is_set(&disk.script)
        && !is_set(&disk.backend_domname)
        && disk.backend_domid.is_none_or(|domid| domid.get() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use xenlight_types::{DomainId, Hvm, Pv, Pvh};

    /// The file that is the matter.
    fn missing(config: &DomainConfig) -> Option<String> {
        let error = check_files(config).err()?;
        let Error::File { file, .. } = &error else { panic!("{error}") };
        assert!(error.to_string().starts_with(&format!("cannot open {}", file.display())), "{error}");
        Some(file.display().to_string())
    }

    fn of(machine: Machine) -> DomainConfig {
        DomainConfig::new("web", machine)
    }

    #[test]
    fn each_file_that_libxl_would_open_is_looked_for() {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("it").display().to_string();
        let builds: [fn(&str) -> DomainConfig; 9] = [
            |path| with(Machine::Pvh(Pvh::default()), |build| build.kernel = Some(path.into())),
            |path| with(Machine::Pv(Pv::default()), |build| build.ramdisk = Some(path.into())),
            |path| with(Machine::Hvm(Hvm::default()), |build| build.device_model = Some(path.into())),
            |path| with(Machine::Hvm(Hvm::default()), |build| build.stubdomain_kernel = Some(path.into())),
            |path| of(Machine::Pv(Pv::default().kernel(path))),
            |path| of(Machine::Pvh(Pvh::default().pvshim_path(path))),
            |path| of(Machine::Hvm(Hvm::default().firmware(path))),
            |path| of(Machine::Hvm(Hvm::default().system_firmware(path))),
            |path| with_disk(Disk::default().pdev_path(path).format(DiskFormat::Raw).backend_domid(DomainId::new(0))),
        ];
        for (number, build) in builds.into_iter().enumerate() {
            let config = build(&path);
            assert_eq!(missing(&config).as_ref(), Some(&path), "{number}");
            fs::write(&path, "").expect("there is room");
            assert_eq!(missing(&config), None, "{number}");
            fs::remove_file(&path).expect("it is there");
        }
    }

    #[test]
    fn a_file_that_is_another_ones_to_find_is_not_looked_for() {
        let disk = || Disk::default().pdev_path("/nowhere").format(DiskFormat::Raw);
        for config in [
            of(Machine::Hvm(Hvm::default().firmware("hvmloader"))),
            of(Machine::Pv(Pv::default().bootloader("pygrub").kernel("/in/the/domain"))),
            with(Machine::Pvh(Pvh::default()), |build| {
                (build.bootloader, build.kernel) = (Some("pygrub".into()), Some("/in/the/domain".into()));
            }),
            with_disk(disk().script("block-iscsi")),
            with_disk(disk().backend_domid(DomainId::new(5))),
            with_disk(disk().backend_domname("storage")),
            with_disk(Disk::default().pdev_path("rbd:pool/image").format(DiskFormat::Raw)),
            with_disk(Disk::default().pdev_path("").format(DiskFormat::Empty)),
        ] {
            assert_eq!(missing(&config), None, "{config:?}");
        }
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let folder = tempfile::tempdir().expect("there is room");
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("it runs");
        assert!(made.success());
        let config = with_disk(Disk::default().pdev_path(pipe.display().to_string()).format(DiskFormat::Raw));
        assert_eq!(missing(&config), None);
    }

    fn with(machine: Machine, set: impl FnOnce(&mut xenlight_types::BuildInfo)) -> DomainConfig {
        let mut config = of(machine);
        set(&mut config.build_info);
        config
    }

    fn with_disk(disk: Disk) -> DomainConfig {
        let mut config = of(Machine::Pv(Pv::default()));
        config.disks.push(disk);
        config
    }
}
