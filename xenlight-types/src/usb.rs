table! {
    /// A USB controller of a domain, into which USB devices are plugged. xl's `usbctrl = […]`.
    struct UsbController = "device_usbctrl" since "4.7" {
        /// Its kind and its backend. Default [`Auto`](UsbControllerKind::Auto).
        kind = "type": [enum UsbControllerKind];
        /// The version of USB: 1 (1.1), 2 (2.0), or 3 (3.0), the last only for
        /// [`DeviceModel`](UsbControllerKind::DeviceModel). Default 2.
        version: [i32];
        /// How many ports it has, 1 to 31; default 8. A [`DeviceModel`](UsbControllerKind::DeviceModel) of
        /// [`version`](field@Self::version) 1 has 2 and one of version 2 has 6, always; one of version 3 has at most
        /// 15.
        ports: [i32];
        /// The number of the controller, from 0. Default: the next that is free.
        devid: [devid];
        /// The id of the domain in which the backend runs. Default 0; [`backend_domname`](field@Self::backend_domname)
        /// takes precedence.
        backend_domid: [domid];
        /// The name, or the id in decimal digits, of the domain in which the backend runs.
        backend_domname: [text];
    }

    /// A USB device of the host, as `lsusb` lists it there.
    struct HostUsbDevice = "device_usbdev.type.hostdev" since "4.7" {
        /// The number of the host's bus. Has to be set.
        hostbus: [u8];
        /// The device's address on that bus. Has to be set; it changes when the device is plugged in again.
        hostaddr: [u8];
    }

    /// A USB device that a domain is given. xl's `usbdev = […]`.
    struct UsbDevice = "device_usbdev" since "4.7" {
        /// Which device. Has to be set.
        kind = "type": [union UsbDeviceKind];
        /// The number of the controller ([`UsbController::devid`](field@UsbController::devid)). Default: one with a
        /// free port, and if there is none, libxl adds a controller. xl's `controller`.
        ctrl: [devid];
        /// The port of the controller, from 1; needs [`ctrl`](field@Self::ctrl). 0, the default: one that is free.
        port: [i32];
    }

    /// What a domain's USB device is.
    union UsbDeviceKind = "device_usbdev.type" since "4.7" {
        /// A device of the host.
        Host(HostUsbDevice) = "hostdev";
    }

    /// The state of a domain's USB controller.
    ///
    /// A [`DeviceModel`](UsbControllerKind::DeviceModel) has no backend and no frontend in Xenstore: what belongs to
    /// them is not told.
    info UsbControllerInfo = "usbctrlinfo" since "4.7" {
        /// Its kind and its backend.
        kind = "type": [enum UsbControllerKind];
        /// The number of the controller, as in [`UsbController::devid`](field@UsbController::devid).
        devid: [optional devid];
        /// The version of USB: 1 (1.1), 2 (2.0) or 3 (3.0). -1 if unknown.
        version: [i32];
        /// How many ports it has. -1 if unknown.
        ports: [i32];
        /// The backend's directory in Xenstore.
        backend: [optional text];
        /// The id of the domain in which the backend runs.
        backend_id: [u32];
        /// The frontend's directory in Xenstore.
        frontend: [optional text];
        /// The id of the domain that has the controller.
        frontend_id: [u32];
        /// The frontend's state on the Xenbus: 1 initialising, 2 waiting for the other end's details, 3 initialised, 4
        /// connected, 5 closing, 6 closed. -1 if the frontend reports none.
        state: [i32];
        /// The domain's event channel (its port). -1 if the frontend reports none.
        evtch: [i32];
        /// The grant reference of the page with the ring of transfers. -1 if the frontend reports none.
        ref_urb: [i32];
        /// Meant for the grant reference of the page with the ring of connections. libxl tells the same as
        /// [`ref_urb`](field@Self::ref_urb).
        ref_conn: [i32];
    }

    /// Who implements a USB controller.
    enum UsbControllerKind = "usbctrl_type" since "4.7" {
        /// libxl chooses: [`DeviceModel`](Self::DeviceModel) for an HVM domain; for others [`Pv`](Self::Pv) if the
        /// host's kernel has the backend, and [`Qusb`](Self::Qusb) if not.
        Auto = "auto" 0;
        /// A paravirtual controller with its backend in the kernel (usbback).
        Pv = "pv" 1;
        /// A controller that QEMU emulates, a PCI device in the domain. Only for HVM domains.
        DeviceModel = "devicemodel" 2;
        /// A paravirtual controller with its backend in QEMU.
        Qusb = "qusb" 3;
    }
}
