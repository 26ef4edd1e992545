table! {
    /// A network interface of a domain.
    ///
    /// Nothing has to be set: by default it is an interface on the bridge `xenbr0` with a random address. xl's
    /// `vif = […]`.
    struct Nic = "device_nic" since "4.2" {
        /// The Ethernet address that the domain has. Default: a random one under Xen's prefix, 00:16:3e.
        mac: [mac];
        /// The bridge of the backend's domain to which the hotplug script adds the interface. Default `xenbr0`.
        bridge: [text];
        /// What the domain is given: a paravirtual interface, or an emulated one as well. Default for an HVM domain:
        /// [`VifIoemu`](NicKind::VifIoemu) if it is there at the domain's start, [`Vif`](NicKind::Vif) if it is added
        /// later. PV and PVH domains have [`Vif`](NicKind::Vif) only. xl's `type`.
        nictype: [enum NicKind];
        /// The card that QEMU emulates for [`VifIoemu`](NicKind::VifIoemu), as QEMU calls it: `rtl8139` (the default),
        /// `e1000`, ….
        model: [text];
        /// The IP addresses, separated by spaces, that are passed to the hotplug script. `vif-bridge` lets only these
        /// through, `vif-route` makes routes to them. Not set: none.
        ip: [text];
        /// The hotplug script that configures the interface in the backend's domain: an absolute path, or a name in
        /// Xen's directory of scripts (`/etc/xen/scripts`). Default `vif-bridge`.
        script: [text];
        /// The device of the backend's domain whose IP address the hotplug script `vif-route` gives to the interface:
        /// it is the domain's gateway. Not set: the script takes `eth0`.
        gatewaydev: [text] since "4.3";
        /// The VLANs that are passed to the hotplug script, separated by slashes. Each is a number from 1 to 4094, a range
        /// (`10-14`), or a start, a step and a count (`10+5x3`). An appended `p` makes it the port's own VLAN, `u` an
        /// untagged one: `10p/20`. Not set: none. Xen's own scripts for Linux do nothing with it.
        vlan: [text] since "4.19";
        /// The largest packet, in bytes without the Ethernet header. Default 1500, and 1492 before Xen 4.15. The script
        /// `vif-bridge` takes the bridge's if this one is the default.
        mtu: [i32];
        /// How many bytes the domain may send in each [`rate_interval_us`](field@Self::rate_interval_us). xl makes it
        /// and the interval of its `rate`.
        rate_bytes_per_interval: [u64];
        /// In which interval, in µs, [`rate_bytes_per_interval`](field@Self::rate_bytes_per_interval) may be sent. 0,
        /// the default: no limit. With `rate`, xl uses 50000 by default.
        rate_interval_us = "rate_interval_usecs": [u32];
        /// The name of the interface in the backend's domain; the emulated one's has `-emu` appended. Default
        /// `vifDOMID.DEVID`. xl's `vifname`.
        ifname: [text];
        /// The id of the domain in which the backend runs. Default 0; [`backend_domname`](field@Self::backend_domname)
        /// takes precedence.
        backend_domid: [domid];
        /// The name, or the id in decimal digits, of the domain in which the backend runs. xl's `backend`.
        backend_domname: [text] since "4.3";
        /// The number of the interface, from 0. Default: the next that is free.
        devid: [devid];
        /// Tells the domain's driver that it may trust the backend. The driver may ignore this. Default true. xl's
        /// `trusted` and `untrusted`.
        trusted: [defbool] since "4.17";
    }

    /// The state of a domain's network interface.
    info NicInfo = "nicinfo" since "4.2" {
        /// The backend's directory in Xenstore.
        backend: [optional text];
        /// The id of the domain in which the backend runs.
        backend_id: [u32];
        /// The frontend's directory in Xenstore.
        frontend: [optional text];
        /// The id of the domain that has the interface.
        frontend_id: [u32];
        /// The number of the interface, as in [`Nic::devid`](field@Nic::devid).
        devid: [optional devid];
        /// The frontend's state on the Xenbus: 1 initialising, 2 waiting for the other end's details, 3 initialised, 4
        /// connected, 5 closing, 6 closed. -1 if the frontend reports none.
        state: [i32];
        /// The domain's event channel (its port). -1 if the frontend reports none, as one with several queues or with a
        /// channel for each direction does.
        evtch: [i32];
        /// The grant reference of the page with the ring to send. -1 if the frontend reports none, as one with several
        /// queues does.
        rref_tx: [i32];
        /// The grant reference of the page with the ring to receive. -1 if the frontend reports none, as one with several
        /// queues does.
        rref_rx: [i32];
    }

    /// Which devices a network interface is in the domain.
    enum NicKind = "nic_type" since "4.2" {
        /// A card that QEMU emulates, and also the paravirtual interface. Only for HVM domains. xl's `ioemu`.
        VifIoemu = "vif_ioemu" 1;
        /// A paravirtual interface.
        Vif = "vif" 2;
        /// libxl chooses.
        Unknown = "unknown" 0 since "4.4";
    }
}
