//! What the service asks, and gets as an answer, in place of polkit.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use zbus::{Connection, OwnedVariant, interface};

/// Refuses what is not in the table.
pub(crate) struct Polkit {
    pub(crate) allowed: Vec<&'static str>,
    pub(crate) asked: Vec<Asked>,
    /// While there is this, nobody gets an answer. To end it, take it, and wake all of them.
    pub(crate) held: Option<Vec<Waker>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) subject_kind: String,
    pub(crate) sender: String,
    pub(crate) action: String,
    pub(crate) domain: Option<String>,
    pub(crate) flags: u32,
}

impl Default for Polkit {
    /// As the policy says of somebody who is not asked for a password.
    fn default() -> Self {
        Self { allowed: vec!["org.osevent.Xen1.read"], asked: Vec::new(), held: None }
    }
}

struct Authority(Arc<Mutex<Polkit>>);

impl Polkit {
    pub(crate) async fn serve(polkit: &Arc<Mutex<Self>>, bus: &Connection) -> zbus::Result<()> {
        bus.object_server().at("/org/freedesktop/PolicyKit1/Authority", Authority(polkit.clone())).await?;
        bus.request_name("org.freedesktop.PolicyKit1").await
    }
}

#[interface(name = "org.freedesktop.PolicyKit1.Authority")]
impl Authority {
    async fn check_authorization(
        &self,
        subject: (String, HashMap<String, OwnedVariant>),
        action: String,
        details: HashMap<String, String>,
        flags: u32,
        _cancellation: String,
    ) -> (bool, bool, HashMap<String, String>) {
        let (subject_kind, mut subject) = subject;
        let sender = subject.remove("name").and_then(|name| String::try_from(name).ok()).unwrap_or_default();
        let domain = details.get("domain").cloned();
        self.0.lock().unwrap().asked.push(Asked { subject_kind, sender, action: action.clone(), domain, flags });
        let is_allowed = poll_fn(|context| {
            let mut polkit = self.0.lock().unwrap();
            match &mut polkit.held {
                Some(wakers) => {
                    wakers.push(context.waker().clone());
                    Poll::Pending
                }
                None => Poll::Ready(polkit.allowed.contains(&action.as_str())),
            }
        });
        (is_allowed.await, false, HashMap::new())
    }
}
