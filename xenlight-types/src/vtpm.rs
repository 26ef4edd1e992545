table! {
    /// A virtual Trusted Platform Module of a domain.
    ///
    /// A domain's backend is a domain that runs its vTPM, and the vTPM's is the one that runs the vTPM manager: one of
    /// [`backend_domname`](field@Self::backend_domname) and [`backend_domid`](field@Self::backend_domid) has to be set.
    /// xl's `vtpm = […]`.
    struct Vtpm = "device_vtpm" since "4.3" {
        /// The name, or the id in decimal digits, of the domain in which the backend runs. xl's `backend`.
        backend_domname: [text];
        /// The id of the domain in which the backend runs. Default 0; [`backend_domname`](field@Self::backend_domname)
        /// takes precedence.
        backend_domid: [domid];
        /// Which vTPM it is. The vTPM manager keeps a vTPM's secrets by its UUID, so that a vTPM's domain has to set
        /// it. Default: a random one, each time.
        uuid: [uuid];
        /// The number of the device, from 0. Default: the next that is free.
        devid: [devid];
    }

    /// The state of a domain's virtual Trusted Platform Module.
    info VtpmInfo = "vtpminfo" since "4.3" {
        /// The backend's directory in Xenstore.
        backend: [optional text];
        /// The id of the domain in which the backend runs.
        backend_id: [u32];
        /// The frontend's directory in Xenstore.
        frontend: [optional text];
        /// The id of the domain that has the vTPM.
        frontend_id: [u32];
        /// The number of the device, as in [`Vtpm::devid`](field@Vtpm::devid).
        devid: [optional devid];
        /// The frontend's state on the Xenbus: 1 initialising, 2 waiting for the other end's details, 3 initialised, 4
        /// connected, 5 closing, 6 closed. -1 if the frontend reports none.
        state: [i32];
        /// The domain's event channel (its port). -1 if the frontend reports none.
        evtch: [i32];
        /// The grant reference of the ring's page. -1 if the frontend reports none.
        rref: [i32];
        /// Which vTPM it is, as in [`Vtpm::uuid`](field@Vtpm::uuid).
        uuid: [uuid];
    }
}
