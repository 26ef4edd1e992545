//! Who may do what: polkit decides. The bus lets everybody call.
//!
//! polkit is asked about the connection that the message came from, which its header names: never about a process id, which another
//! process may have got meanwhile.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_io::Timer;
use futures_lite::future::or;
use zbus::fdo::DBusProxy;
use zbus::message::{Flags, Header};
use zbus::names::OwnedUniqueName;
use zbus::{Connection, fdo};
use zbus_polkit::policykit1::{AuthorityProxy, CheckAuthorizationFlags, Subject};

use crate::domain::Domain;
use crate::failure::Failure;

/// Without a person who is asked, it answers at once.
const ANSWER: Duration = Duration::from_secs(20);

/// Calls of one client that polkit has not answered yet.
const PENDING: usize = 32;

/// What somebody wants to do. `data/org.osevent.Xen1.policy` has them all, with what is allowed unless an administrator says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The properties, which everybody can read, tell as much, but for processor times.
    Read,
    /// More than that, and no secret. It is not told if polkit cannot be asked.
    ReadHost,
    /// A configuration has passwords of screens in it. What libxl says of a failure has parts of it.
    ReadConfiguration,
    Manage,
    /// A configuration names programs that run as root.
    Create,
    /// So does a device.
    Attach,
    Destroy,
    /// A file of a save has all that is in the domain's memory.
    Save,
    /// It has a configuration, too.
    Restore,
    /// As a save, but the domain goes on.
    Dump,
    /// Whoever types there may be who is logged in. Of the screen, this is where it is.
    Console,
    /// As a save, and it runs elsewhere then.
    Migrate,
    /// As a restore.
    Receive,
}

impl Action {
    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::Read | Self::ReadHost => "org.osevent.Xen1.read",
            Self::ReadConfiguration => "org.osevent.Xen1.read-configuration",
            Self::Manage => "org.osevent.Xen1.manage",
            Self::Create => "org.osevent.Xen1.create",
            Self::Attach => "org.osevent.Xen1.attach",
            Self::Destroy => "org.osevent.Xen1.destroy",
            Self::Save => "org.osevent.Xen1.save",
            Self::Restore => "org.osevent.Xen1.restore",
            Self::Dump => "org.osevent.Xen1.dump",
            Self::Console => "org.osevent.Xen1.console",
            Self::Migrate => "org.osevent.Xen1.migrate",
            Self::Receive => "org.osevent.Xen1.receive",
        }
    }

    /// How many files a message may have.
    const fn files(self) -> u32 {
        match self {
            Self::Save | Self::Restore | Self::Dump => 1,
            Self::Migrate | Self::Receive => 2,
            _ => 0,
        }
    }
}

pub(crate) struct Authority {
    polkit: AuthorityProxy<'static>,
    bus: DBusProxy<'static>,
    pending: Mutex<HashMap<OwnedUniqueName, usize>>,
}

impl Authority {
    /// # Errors
    /// Those of the bus; polkit need not be there.
    pub(crate) async fn new(bus: &Connection) -> zbus::Result<Self> {
        let (polkit, bus) = (AuthorityProxy::new(bus).await?, DBusProxy::new(bus).await?);
        Ok(Self { polkit, bus, pending: Mutex::default() })
    }

    /// The number of the user whose message it is.
    ///
    /// # Errors
    /// The sender has left the bus.
    pub(crate) async fn user(&self, header: &Header<'_>) -> Result<u32, Failure> {
        let sender = header.sender().ok_or_else(no_sender)?;
        Ok(self.bus.get_connection_unix_user(sender.clone().into()).await.map_err(zbus::Error::from)?)
    }

    /// Returns if the sender of the message may do this. A person is asked for a password only if the message allows it. The domain's
    /// name and uuid are at hand for polkit's rules, as `domain` and `uuid`.
    ///
    /// # Errors
    /// [`Failure::NotAuthorized`], [`Failure::AuthorityMissing`], [`Failure::Busy`]; [`Failure::InvalidArgument`] if the message has files
    /// that nobody asked for.
    pub(crate) async fn check(
        &self,
        header: &Header<'_>,
        action: Action,
        domain: Option<&Domain>,
    ) -> Result<(), Failure> {
        // They are kept until the answer: a client must not be able to leave none to others.
        if header.unix_fds().unwrap_or_default() > action.files() {
            return Err(Failure::InvalidArgument("the message has more files than the method takes".to_owned()));
        }
        let _pending = self.pending(header)?;
        let missing =
            |why: String| Failure::AuthorityMissing(format!("polkit cannot be asked for {}: {why}", action.id()));
        let subject = Subject::new_for_message_header(header).map_err(|error| missing(error.to_string()))?;
        let uuid = domain.map(|domain| domain.uuid.to_string());
        let mut details = HashMap::new();
        if let (Some(domain), Some(uuid)) = (domain, &uuid) {
            details.extend([("domain", domain.name.as_str()), ("uuid", uuid)]);
        }
        let interactive = header.primary().flags().contains(Flags::ALLOW_INTERACTIVE_AUTH);
        let (flags, limit) = if interactive {
            (CheckAuthorizationFlags::ALLOW_USER_INTERACTION, None)
        } else {
            (CheckAuthorizationFlags::empty(), Some(ANSWER))
        };
        let asked = self.polkit.check_authorization(&subject, action.id(), &details, flags, "");
        let late = async {
            match limit {
                Some(limit) => Timer::after(limit).await,
                None => std::future::pending().await,
            };
            Err(fdo::Error::TimedOut("it does not answer".to_owned()).into())
        };
        match or(asked, late).await {
            Ok(answer) if answer.is_authorized => Ok(()),
            Ok(answer) => {
                let more = match (answer.is_challenge, interactive) {
                    (true, false) => ": it needs authentication, which the call did not allow",
                    (true, true) => {
                        ": it needs authentication, and the caller's session has no agent of polkit's that could ask"
                    }
                    (false, _) => "",
                };
                Err(Failure::NotAuthorized(format!("not authorized for {}{more}", action.id())))
            }
            // The properties tell all of it anyway.
            Err(_) if action == Action::Read => Ok(()),
            Err(error) => Err(missing(error.to_string())),
        }
    }

    fn pending(&self, header: &Header<'_>) -> Result<Pending<'_>, Failure> {
        let sender = OwnedUniqueName::from(header.sender().ok_or_else(no_sender)?.clone());
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let count = pending.entry(sender.clone()).or_default();
        if *count == PENDING {
            return Err(Failure::Busy(format!("{PENDING} calls of yours wait for polkit already")));
        }
        *count += 1;
        Ok(Pending { authority: self, sender })
    }
}

fn no_sender() -> Failure {
    Failure::NotAuthorized("the message has no sender".to_owned())
}

/// Counts while it lives.
struct Pending<'a> {
    authority: &'a Authority,
    sender: OwnedUniqueName,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let mut pending = self.authority.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = pending.get_mut(&self.sender) {
            *count -= 1;
            if *count == 0 {
                pending.remove(&self.sender);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_has_each_action_and_no_other() {
        use Action::*;
        let all =
            [Read, ReadConfiguration, Manage, Create, Attach, Destroy, Save, Restore, Dump, Console, Migrate, Receive];
        let policy = include_str!("../data/org.osevent.Xen1.policy");
        let described = policy.split("<action id=\"").skip(1).map(|rest| rest.split('"').next().unwrap_or_default());
        assert_eq!(described.collect::<Vec<_>>(), all.map(Action::id));
    }
}
