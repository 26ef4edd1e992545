table! {
    /// A directory of the backend's domain that a domain can mount with the protocol 9P. xl's `p9 = […]`.
    ///
    /// [`path`](field@Self::path) and [`security_model`](field@Self::security_model) have to be set, and
    /// [`tag`](field@Self::tag) unless it is of the kind [`Xen9pfsd`](P9Kind::Xen9pfsd).
    struct P9 = "device_p9" since "4.9" {
        /// The directory in the backend's domain. Has to be set; xl takes a directory for the domain's logs if it is
        /// [`Xen9pfsd`](P9Kind::Xen9pfsd).
        path: [text];
        /// The name by which the domain mounts it. Has to be set, except for [`Xen9pfsd`](P9Kind::Xen9pfsd), where it is `Xen`
        /// by default.
        tag: [text];
        /// How owners and modes of files are kept. Has to be set. Only `none` is supported: as the domain sets them.
        security_model: [text];
        /// What implements the backend. Default [`Qemu`](P9Kind::Qemu).
        kind = "type": [enum P9Kind] since "4.19";
        /// The maximum size of the files, in MiB. 0, the default: no limit. Only for [`Xen9pfsd`](P9Kind::Xen9pfsd). xl's
        /// `max-space`.
        max_space: [i32] since "4.19";
        /// How many files there may be. 0, the default: no limit. Only for [`Xen9pfsd`](P9Kind::Xen9pfsd). xl's
        /// `max-files`.
        max_files: [i32] since "4.19";
        /// How many files the domain may have open at a time. 0, the default: the daemon's limit, which is 5. Only for
        /// [`Xen9pfsd`](P9Kind::Xen9pfsd). xl's `max-open-files`.
        max_open_files: [i32] since "4.19";
        /// At [`max_space`](field@Self::max_space) and [`max_files`](field@Self::max_files) the oldest file that is not
        /// open is deleted. Default false. Only for [`Xen9pfsd`](P9Kind::Xen9pfsd). xl's `auto-delete`.
        auto_delete: [bool] since "4.19";
        /// The id of the domain in which the backend runs. Default 0; [`backend_domname`](field@Self::backend_domname)
        /// takes precedence.
        backend_domid: [domid];
        /// The name, or the id in decimal digits, of the domain in which the backend runs. xl's `backend`.
        backend_domname: [text];
        /// The number of the device, from 0. Default: the next that is free.
        devid: [devid];
    }

    /// Sockets that the backend's domain makes for a domain (PV Calls): the domain needs no network interface then.
    /// xl's `pvcalls = […]`.
    struct PvCalls = "device_pvcallsif" since "4.11" {
        /// The id of the domain in which the backend runs. Default 0; [`backend_domname`](field@Self::backend_domname)
        /// takes precedence.
        backend_domid: [domid];
        /// The name, or the id in decimal digits, of the domain in which the backend runs. xl's `backend`.
        backend_domname: [text];
        /// The number of the device, from 0. Default: the next that is free.
        devid: [devid];
    }

    /// What implements the backend of a directory that is shared.
    enum P9Kind = "p9_type" since "4.19" {
        /// libxl uses [`Qemu`](Self::Qemu).
        Unknown = "unknown" 0;
        /// QEMU.
        Qemu = "qemu" 1;
        /// Xen's daemon `xen-9pfsd`, which libxl starts. It can limit what the domain stores.
        Xen9pfsd = "xen_9pfsd" 2;
    }
}
