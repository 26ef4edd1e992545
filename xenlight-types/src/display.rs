table! {
    struct Connector = "connector_param" since "4.10" {
        width: [u32];
        height: [u32];
        unique_id: [text] since "4.12";
    }

    struct Vdispl = "device_vdispl" since "4.10" {
        backend_domid: [domid];
        backend_domname: [text];
        devid: [devid];
        be_alloc: [bool];
        connectors: [list struct Connector];
    }

    info ConnectorInfo = "connectorinfo" since "4.10" {
        width: [u32];
        height: [u32];
        req_evtch: [i32];
        req_rref: [i32];
        evt_evtch: [i32];
        evt_rref: [i32];
        unique_id: [optional text] since "4.12";
    }

    info VdisplInfo = "vdisplinfo" since "4.10" {
        backend: [optional text];
        backend_id: [u32];
        frontend: [optional text];
        frontend_id: [u32];
        devid: [optional devid];
        state: [i32];
        be_alloc: [bool];
        connectors: [list struct ConnectorInfo];
    }
}
