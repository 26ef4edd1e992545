//! What this program's own commands see of the service, as any client on the bus does.

use std::collections::HashMap;

use zbus::fdo::{ManagedObjects, ObjectManagerProxy};
use zbus::{Connection, OwnedVariant, Variant};

use crate::Failed;
use crate::names;

/// The properties of the domains, in the order of their numbers.
///
/// # Errors
/// Those of the bus; there is no service.
pub(crate) async fn domains(bus: &Connection) -> Result<Vec<Properties>, Failed> {
    let objects = ObjectManagerProxy::builder(bus).destination(names::SERVICE).path(names::HOST).build().await?;
    Ok(domains_of(objects.get_managed_objects().await?))
}

/// Those among the objects.
pub(crate) fn domains_of(objects: ManagedObjects) -> Vec<Properties> {
    let domain = |mut interfaces: HashMap<_, _>| interfaces.remove(names::DOMAIN);
    let mut domains: Vec<_> = objects.into_values().filter_map(domain).map(Properties).collect();
    domains.sort_by_key(|domain| domain.number("Id"));
    domains
}

/// The properties of one domain. One that the service does not have is empty or 0.
pub(crate) struct Properties(pub(crate) HashMap<String, OwnedVariant>);

impl Properties {
    pub(crate) fn text(&self, name: &str) -> &str {
        match self.0.get(name).map(|value| &**value) {
            Some(Variant::Str(text)) => text.as_str(),
            _ => "",
        }
    }

    pub(crate) fn number(&self, name: &str) -> u64 {
        match self.0.get(name).map(|value| &**value) {
            Some(Variant::U32(number)) => (*number).into(),
            Some(Variant::U64(number)) => *number,
            _ => 0,
        }
    }
}
