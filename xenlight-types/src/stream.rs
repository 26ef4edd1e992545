//! What a domain is restored from, and how it is replicated.

table! {
    /// How to read the stream of a saved or migrated domain.
    struct RestoreParams = "domain_restore_params" since "4.4" {
        /// The number of the [`CheckpointedStream`] that the sender writes. Not set: 0, a domain that is saved or
        /// migrated once.
        checkpointed_stream: [i32];
        /// The version of the stream's format. libxl before Xen 4.6 wrote 1, later ones write 2. Not set: 1, which
        /// libxl converts; so a stream of today's needs a 2 here.
        stream_version: [u32] since "4.6";
        /// The script that sets up COLO's network proxy, for [`CheckpointedStream::Colo`]. Not set: `colo-proxy-setup`
        /// in Xen's directory of scripts.
        colo_proxy_script: [text] since "4.7";
        /// Whether COLO's network proxy is that of QEMU instead of the kernel's. It must be set for
        /// [`CheckpointedStream::Colo`], as the sender's [`field@RemusInfo::userspace_colo_proxy`] is: libxl has no
        /// default, and an assertion in it fails.
        userspace_colo_proxy: [defbool] since "4.9";
    }

    /// How a running domain is replicated to another host, with Remus (checkpoints at intervals) or COLO (checkpoints
    /// when the two copies differ).
    struct RemusInfo = "domain_remus_info" since "4.2" {
        /// How long the domain runs between two checkpoints, in ms. Not set: 0, the next one follows at once; xl takes
        /// 200. Remus only.
        interval: [i32];
        /// Whether the caller throws the checkpoints away instead of sending them, to test or to measure. libxl only
        /// checks that [`field@RemusInfo::allow_unsafe`] is set, too; to open `/dev/null` is the caller's. Default: no.
        /// Remus only.
        blackhole: [defbool] since "4.5";
        /// Whether memory is compressed in the stream. Default: yes for Remus, no for COLO, which refuses it. Since Xen
        /// 4.6 it has no effect: nothing is compressed.
        compression: [defbool] since "4.5";
        /// Whether a replication is allowed that loses data when the host fails: with [`field@RemusInfo::blackhole`],
        /// or without [`field@RemusInfo::netbuf`] or [`field@RemusInfo::diskbuf`]. Default: no.
        allow_unsafe: [defbool] since "4.5";
        /// Whether what the domain sends to the network is held back until the checkpoint that it belongs to has
        /// arrived. Default: yes. Needs network buffering in libxl and in the kernel. Remus only. xl: `-n` turns it
        /// off.
        netbuf: [defbool] since "4.5";
        /// The script that sets up network buffering, or COLO's network proxy. Not set: `remus-netbuf-setup`, for COLO
        /// `colo-proxy-setup`, in Xen's directory of scripts.
        netbufscript: [text] since "4.5";
        /// Whether writes to disks are replicated. Default: yes. With Remus, the disks must be DRBD's. xl: `-d` turns
        /// it off.
        diskbuf: [defbool] since "4.5";
        /// Whether it is COLO instead of Remus. There is no default: not set, libxl refuses to start. COLO is for HVM
        /// domains only.
        colo: [defbool] since "4.7";
        /// Whether COLO's network proxy is that of QEMU instead of the kernel's. It must be set with
        /// [`field@RemusInfo::colo`]: libxl has no default, and an assertion in it fails.
        userspace_colo_proxy: [defbool] since "4.9";
    }

    /// How often a stream brings the state of its domain.
    enum CheckpointedStream = "checkpointed_stream" since "4.7" {
        /// Once: the domain was saved, or is migrated.
        None = "none" 0;
        /// Again and again, at intervals, until the sender fails.
        Remus = "remus" 1;
        /// Whenever the domain and its copy, which runs at the same time, differ. For HVM domains only.
        Colo = "colo" 2;
    }
}
