table! {
    /// A disk, a partition or a CD-ROM drive of a domain.
    ///
    /// [`pdev_path`](field@Self::pdev_path), [`format`](field@Self::format) and [`vdev`](field@Self::vdev) have to be
    /// set, and [`readwrite`](field@Self::readwrite) if the domain is to write. xl's `disk = […]`.
    struct Disk = "device_disk" since "4.2" {
        /// The block device or the image, as an absolute path in the backend's domain. With a
        /// [`script`](field@Self::script) it is whatever that script takes. Not set or empty: a CD-ROM drive without a
        /// medium, whose [`format`](field@Self::format) is [`Empty`](DiskFormat::Empty). xl's `target`.
        pdev_path: [text];
        /// The format of what [`pdev_path`](field@Self::pdev_path) names. Has to be set, as libxl does not detect it;
        /// xl uses [`Raw`](DiskFormat::Raw).
        format: [enum DiskFormat];
        /// The name of the device: `xvda`, `xvdb`, …, `hda` to `hdd`, or `sda` to `sdp`; with a number it is a
        /// partition (`xvda1`). Has to be set. An HVM domain has a whole disk emulated, too: as a SCSI disk if it is
        /// `sd…`, or else as an IDE or AHCI disk if it is among the first (4 with IDE, 6 with AHCI).
        vdev: [text];
        /// The domain may write. Not set: it may only read, where xl's `access` defaults to `rw`. libxl refuses a disk
        /// that is emulated as an IDE or AHCI disk ([`vdev`](field@Self::vdev)) and is only to be read.
        readwrite: [flag];
        /// It is a CD-ROM drive: set [`removable`](field@Self::removable), too, and leave
        /// [`readwrite`](field@Self::readwrite) false. An HVM domain's is emulated if it is one of the first four
        /// disks, and its backend is [`Qdisk`](DiskBackend::Qdisk) (the default) or [`Phy`](DiskBackend::Phy). Default
        /// false. xl's `devtype=cdrom`.
        is_cdrom: [flag];
        /// The medium can be changed while the domain runs. Default false; xl sets it for a CD-ROM drive.
        removable: [flag];
        /// What implements the backend. Not set: libxl takes the first that can do it, of [`Phy`](DiskBackend::Phy),
        /// [`Qdisk`](DiskBackend::Qdisk), [`Tap`](DiskBackend::Tap) and [`Standalone`](DiskBackend::Standalone). xl's
        /// `backendtype`.
        backend: [enum DiskBackend];
        /// The id of the domain in which the backend runs. Default 0; [`backend_domname`](field@Self::backend_domname)
        /// takes precedence.
        backend_domid: [domid];
        /// The name, or the id in decimal digits, of the domain in which the backend runs. xl's `backend`.
        backend_domname: [text] since "4.3";
        /// The program that makes a block device of [`pdev_path`](field@Self::pdev_path): an absolute path, or a name
        /// in Xen's directory of scripts (`/etc/xen/scripts`). Not for [`Qdisk`](DiskBackend::Qdisk) and
        /// [`Standalone`](DiskBackend::Standalone). Default `block`, or `block-tap` for [`Tap`](DiskBackend::Tap).
        script: [text];
        /// The backend offers to discard blocks (TRIM, UNMAP). Default: as [`readwrite`](field@Self::readwrite). xl's
        /// `discard` and `no-discard`.
        discard_enable: [defbool] since "4.5";
        /// The backend may use `O_DIRECT`, as the storage is no network file system. Without it,
        /// [`Qdisk`](DiskBackend::Qdisk) avoids `O_DIRECT`, since some kernels crash with it on such storage. Default
        /// false.
        direct_io_safe: [bool] since "4.5";
        /// Tells the domain's driver that it may trust the backend. The driver may ignore this. Default true. xl's
        /// `trusted` and `untrusted`.
        trusted: [defbool] since "4.17";
        /// The protocol between domain and backend. Default [`Xen`](DiskSpecification::Xen).
        specification: [enum DiskSpecification] since "4.17";
        /// How a [`Virtio`](DiskSpecification::Virtio) disk is reached. Default [`Mmio`](DiskTransport::Mmio), the only
        /// one. Must not be set for a [`Xen`](DiskSpecification::Xen) disk.
        transport: [enum DiskTransport] since "4.17";
        /// The backend of a [`Virtio`](DiskSpecification::Virtio) disk uses Xen grants to access the domain's memory.
        /// Default: true unless the backend runs in domain 0.
        grant_usage: [defbool] since "4.19";
        /// The interrupt of a [`Virtio`](DiskSpecification::Virtio) disk, as the number of an Arm GIC interrupt. libxl
        /// chooses it (33 to 43) and overwrites what is set.
        irq: [u32] since "4.17";
        /// The guest physical address of a [`Virtio`](DiskSpecification::Virtio) disk's registers, 512 bytes. libxl
        /// chooses it (from 0x2000000) and overwrites what is set.
        base: [u64] since "4.17";
    }

    /// The state of a domain's disk.
    info DiskInfo = "diskinfo" since "4.2" {
        /// The backend's directory in Xenstore.
        backend: [optional text];
        /// The id of the domain in which the backend runs.
        backend_id: [u32];
        /// The frontend's directory in Xenstore.
        frontend: [optional text];
        /// The id of the domain that has the disk.
        frontend_id: [u32];
        /// The number of the device, which libxl computes of [`Disk::vdev`](field@Disk::vdev): `xvda` is 51712.
        devid: [optional devid];
        /// The frontend's state on the Xenbus: 1 initialising, 2 waiting for the other end's details, 3 initialised, 4
        /// connected, 5 closing, 6 closed. -1 if the frontend reports none.
        state: [i32];
        /// The domain's event channel (its port). -1 if the frontend reports none.
        evtch: [i32];
        /// The grant reference of the ring's page. -1 if the frontend reports none.
        rref: [i32];
    }

    /// The format of a disk image.
    enum DiskFormat = "disk_format" since "4.2" {
        /// None is set. The list of a domain's disks always has this one, as Xenstore does not tell the format.
        Unknown = "unknown" 0;
        /// QEMU's first copy-on-write format. Needs [`DiskBackend::Qdisk`].
        Qcow = "qcow" 1;
        /// QEMU's copy-on-write format. Needs [`DiskBackend::Qdisk`].
        Qcow2 = "qcow2" 2;
        /// Microsoft's Virtual Hard Disk. Needs [`DiskBackend::Qdisk`] or [`DiskBackend::Tap`].
        Vhd = "vhd" 3;
        /// The blocks as they are, in a block device or in a file. All backends can do it.
        Raw = "raw" 4;
        /// No medium. Only for a CD-ROM drive ([`Disk::is_cdrom`](field@Disk::is_cdrom)), and without
        /// [`Disk::pdev_path`](field@Disk::pdev_path).
        Empty = "empty" 5;
        /// QEMU's enhanced disk format. Needs [`DiskBackend::Qdisk`].
        Qed = "qed" 6 since "4.9";
    }

    /// What implements the backend of a disk.
    enum DiskBackend = "disk_backend" since "4.2" {
        /// libxl chooses.
        Unknown = "unknown" 0;
        /// The kernel of the backend's domain (Linux: blkback). [`DiskFormat::Raw`] only: a block device, and a file
        /// through a loop device.
        Phy = "phy" 1;
        /// blktap, which has to be installed. [`DiskFormat::Raw`] and [`DiskFormat::Vhd`]. Xen 4.13 to 4.18 refuse it.
        Tap = "tap" 2;
        /// QEMU. All formats, without [`Disk::script`](field@Disk::script).
        Qdisk = "qdisk" 3;
        /// A process of your own, for which libxl writes the disk to Xenstore. Needs [`DiskSpecification::Virtio`] and
        /// [`DiskFormat::Raw`].
        Standalone = "standalone" 4 since "4.17";
    }

    /// The protocol between a domain and the backend of its disk.
    enum DiskSpecification = "disk_specification" since "4.17" {
        /// libxl uses [`Xen`](Self::Xen).
        Unknown = "unknown" 0;
        /// Xen's paravirtual block protocol.
        Xen = "xen" 1;
        /// virtio-blk, described to a domain on Arm. Needs [`DiskBackend::Standalone`]. It cannot be added to a domain
        /// that runs, and all disks of a domain have one protocol.
        Virtio = "virtio" 2;
    }

    /// How a domain reaches a Virtio disk.
    enum DiskTransport = "disk_transport" since "4.17" {
        /// libxl uses [`Mmio`](Self::Mmio).
        Unknown = "unknown" 0;
        /// Registers in memory, virtio-mmio.
        Mmio = "mmio" 1;
    }
}
