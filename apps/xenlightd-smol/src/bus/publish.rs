//! What happens on the host becomes objects and signals.

use std::collections::HashMap;
use std::sync::Arc;

use smol::channel::{Receiver, Sender};
use zbus::names::InterfaceName;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, fdo};

use super::domain::DomainObject;
use super::{Manager, Service};
use crate::host::News;
use crate::names;
use crate::table::Change;

/// Tells the news, one after the other, until the bus is gone. Whoever hears of it finds it in the journal already. `settled` is closed when
/// the first look at Xen has been told.
///
/// # Errors
/// Those of the bus.
pub(crate) async fn publish(
    bus: Connection,
    service: Arc<Service>,
    news: Receiver<News>,
    settled: Sender<()>,
) -> zbus::Result<()> {
    let manager = bus.object_server().interface::<_, Manager>(names::HOST).await?;
    let emitter = manager.signal_emitter();
    while let Ok(one) = news.recv().await {
        match one {
            News::Domain(change) => tell(&bus, &service, emitter, change).await?,
            News::Availability(availability) => {
                service.journal.add_availability(&availability);
                let manager = manager.get().await;
                manager.xen_version_changed(emitter).await?;
                manager.libxl_version_changed(emitter).await?;
                manager.trouble_changed(emitter).await?;
                manager.available_changed(emitter).await?;
                settled.close();
            }
        }
    }
    Ok(())
}

async fn tell(
    bus: &Connection,
    service: &Arc<Service>,
    manager: &SignalEmitter<'_>,
    change: Change,
) -> zbus::Result<()> {
    let server = bus.object_server();
    match change {
        Change::Appeared(domain) => {
            service.journal.add("appeared", Some(&domain), HashMap::new());
            let path = names::domain(domain.uuid);
            server.at(&path, DomainObject { uuid: domain.uuid, service: service.clone() }).await?;
            let (uuid, state) = (domain.uuid.to_string(), domain.state.as_str());
            Manager::domain_appeared(manager, path.into_inner(), &uuid, domain.id, &domain.name, state).await
        }
        Change::Changed { before, now } => {
            let path = names::domain(now.uuid);
            let changed = now.changes(&before);
            service.journal.add("changed", Some(&now), changed.clone());
            let interface = InterfaceName::from_static_str(names::DOMAIN)?;
            let object = SignalEmitter::new(bus, &path)?;
            fdo::Properties::properties_changed(&object, interface, changed.clone(), [].as_slice().into()).await?;
            let (uuid, state) = (now.uuid.to_string(), now.state.as_str());
            Manager::domain_changed(manager, path.into_inner(), &uuid, now.id, &now.name, state, changed).await
        }
        Change::Gone(domain) => {
            service.journal.add("gone", Some(&domain), HashMap::new());
            let path = names::domain(domain.uuid);
            server.remove::<DomainObject, _>(&path).await?;
            let (uuid, state) = (domain.uuid.to_string(), domain.state.as_str());
            Manager::domain_gone(manager, path.into_inner(), &uuid, domain.id, &domain.name, state).await
        }
    }
}
