//! The interfaces as they are documented in `data`, and as they are.

use std::fs;
use std::path::Path;

use zbus::fdo::IntrospectableProxy;

use crate::Case;
use crate::bed::{Bed, HOST, Outcome, SERVICE, path_of, with_service};

pub(crate) const CASES: &[Case] = &[("the_interfaces_are_those_that_are_documented", contract)];

const HEAD: &str = "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n \
                    \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n";

fn contract() -> Outcome {
    with_service(|bed| async move {
        // A job that fails is one, too.
        bed.polkit.lock().unwrap().allowed.push("org.osevent.Xen1.destroy");
        let job = bed.begin(&path_of(0), "Destroy").await?;
        for (interface, path) in [("Manager", HOST), ("Domain", &path_of(0)), ("Job", &job)] {
            let live = interface_of(&bed, path, interface).await?;
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("data/{SERVICE}.{interface}.xml"));
            let live = format!("{HEAD}<node>\n{live}\n</node>\n");
            if std::env::var_os("UPDATE_DOCS").is_some() {
                fs::write(&file, &live)?;
            }
            let documented = fs::read_to_string(&file)?;
            if documented != live {
                let name = file.display();
                return Err(format!("{name} is not what the object says; UPDATE_DOCS=1 writes it anew:\n{live}").into());
            }
        }
        Ok(())
    })
}

async fn interface_of(bed: &Bed, path: &str, interface: &str) -> zbus::Result<String> {
    let object = IntrospectableProxy::builder(&bed.client).destination(SERVICE).path(path).build().await?;
    let all = object.introspect().await?;
    let begin = format!("  <interface name=\"{SERVICE}.{interface}\">");
    let from = all.find(&begin).ok_or(zbus::Error::InterfaceNotFound)?;
    let end = "</interface>";
    let length = all[from..].find(end).ok_or(zbus::Error::InterfaceNotFound)?;
    Ok(all[from..from + length + end.len()].to_owned())
}
