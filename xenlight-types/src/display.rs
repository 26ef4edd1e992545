table! {
    /// A paravirtual display of a domain, with one or more screens. xl's `vdispl = […]`.
    struct Vdispl = "device_vdispl" since "4.10" {
        /// Its screens, in their order.
        connectors: [list struct Connector];
        /// The backend can allocate the memory of pictures. Default false: the domain does.
        be_alloc: [bool];
        /// The id of the domain in which the backend runs. Default 0; [`backend_domname`](field@Self::backend_domname)
        /// takes precedence.
        backend_domid: [domid];
        /// The name, or the id in decimal digits, of the domain in which the backend runs. xl's `backend`.
        backend_domname: [text];
        /// The number of the display, from 0. Default: the next that is free.
        devid: [devid];
    }

    /// A screen of a paravirtual display.
    struct Connector = "connector_param" since "4.10" {
        /// The name by which the backend identifies the screen. Without spaces and commas.
        unique_id: [text] since "4.12";
        /// The width in pixels.
        width: [u32];
        /// The height in pixels.
        height: [u32];
    }

    /// The state of a domain's paravirtual display.
    info VdisplInfo = "vdisplinfo" since "4.10" {
        /// The backend's directory in Xenstore.
        backend: [optional text];
        /// The id of the domain in which the backend runs.
        backend_id: [u32];
        /// The frontend's directory in Xenstore.
        frontend: [optional text];
        /// The id of the domain that has the display.
        frontend_id: [u32];
        /// The number of the display, as in [`Vdispl::devid`](field@Vdispl::devid).
        devid: [optional devid];
        /// The frontend's state on the Xenbus: 1 initialising, 2 waiting for the other end's details, 3 initialised, 4
        /// connected, 5 closing, 6 closed. -1 if the frontend reports none.
        state: [i32];
        /// The backend can allocate the memory of pictures.
        be_alloc: [bool];
        /// Its screens, in their order.
        connectors: [list struct ConnectorInfo];
    }

    /// The state of a paravirtual display's screen.
    info ConnectorInfo = "connectorinfo" since "4.10" {
        /// The name by which the backend identifies the screen.
        unique_id: [optional text] since "4.12";
        /// The width in pixels.
        width: [u32];
        /// The height in pixels.
        height: [u32];
        /// The event channel (the domain's port) for requests to the backend. -1 if the frontend reports none.
        req_evtch: [i32];
        /// The grant reference of the page with the ring of requests. -1 if the frontend reports none.
        req_rref: [i32];
        /// The event channel (the domain's port) for events from the backend. -1 if the frontend reports none.
        evt_evtch: [i32];
        /// The grant reference of the page with the ring of events. -1 if the frontend reports none.
        evt_rref: [i32];
    }
}
