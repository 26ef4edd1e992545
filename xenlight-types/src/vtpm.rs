table! {
    struct Vtpm = "device_vtpm" since "4.3" {
        backend_domid: [domid];
        backend_domname: [text];
        devid: [devid];
        uuid: [uuid];
    }

    info VtpmInfo = "vtpminfo" since "4.3" {
        backend: [optional text];
        backend_id: [u32];
        frontend: [optional text];
        frontend_id: [u32];
        devid: [optional devid];
        state: [i32];
        evtch: [i32];
        rref: [i32];
        uuid: [uuid];
    }
}
