table! {
    struct UsbController = "device_usbctrl" since "4.7" {
        kind = "type": [enum UsbControllerKind];
        devid: [devid];
        version: [i32];
        ports: [i32];
        backend_domid: [domid];
        backend_domname: [text];
    }

    struct HostUsbDevice = "device_usbdev.type.hostdev" since "4.7" {
        hostbus: [u8];
        hostaddr: [u8];
    }

    struct UsbDevice = "device_usbdev" since "4.7" {
        ctrl: [devid];
        port: [i32];
        kind = "type": [union UsbDeviceKind];
    }

    union UsbDeviceKind = "device_usbdev.type" since "4.7" {
        Host(HostUsbDevice) = "hostdev";
    }

    info UsbControllerInfo = "usbctrlinfo" since "4.7" {
        kind = "type": [enum UsbControllerKind];
        devid: [optional devid];
        version: [i32];
        ports: [i32];
        backend: [optional text];
        backend_id: [u32];
        frontend: [optional text];
        frontend_id: [u32];
        state: [i32];
        evtch: [i32];
        ref_urb: [i32];
        ref_conn: [i32];
    }

    enum UsbControllerKind = "usbctrl_type" since "4.7" {
        Auto = "auto" 0;
        Pv = "pv" 1;
        DeviceModel = "devicemodel" 2;
        Qusb = "qusb" 3;
    }
}
