use osevent_standin_xenstored::{Refusal, Server};

/// Adds a network interface to a domain, as libxl leaves one in xenstore: connected, with a backend in domain 0. libxl runs
/// `script` when it is removed.
///
/// # Errors
/// `script` has bytes that xenstore does not take.
pub fn add_nic(store: &Server, domid: u32, devid: u32, script: &str) -> Result<(), Refusal> {
    let backend = format!("/local/domain/0/backend/vif/{domid}/{devid}");
    let frontend = format!("/local/domain/{domid}/device/vif/{devid}");
    let libxl = format!("/libxl/{domid}/device/vif/{devid}");
    let nodes = [
        (format!("{backend}/frontend"), frontend.as_str()),
        (format!("{backend}/frontend-id"), &domid.to_string()),
        (format!("{backend}/online"), "1"),
        (format!("{backend}/state"), "4"),
        (format!("{backend}/type"), "vif"),
        (format!("{backend}/script"), script),
        (format!("{backend}/mac"), "00:16:3e:00:00:01"),
        (format!("{backend}/handle"), &devid.to_string()),
        (format!("{frontend}/handle"), &devid.to_string()),
        (format!("{libxl}/handle"), &devid.to_string()),
        (format!("{frontend}/backend"), backend.as_str()),
        (format!("{frontend}/backend-id"), "0"),
        (format!("{frontend}/state"), "4"),
        (format!("{libxl}/backend"), backend.as_str()),
        (format!("{libxl}/frontend"), frontend.as_str()),
        (format!("{libxl}/type"), "vif"),
        (format!("{libxl}/mac"), "00:16:3e:00:00:01"),
        (format!("{libxl}/script"), script),
    ];
    nodes.iter().try_for_each(|(path, value)| store.write(path, value.as_bytes()))
}
