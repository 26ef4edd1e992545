//! What xenstored tells of the domains of the host, and the nodes that are watched for it.

use xenlight_types::DomainId;

/// Something has changed, of which domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Told {
    /// One comes or goes.
    Domains,
    Name(DomainId),
    Memory(DomainId),
    Cpus(DomainId),
    /// What libxl notes of it, such as its devices. Of any, if it is not told of which.
    Noted(Option<DomainId>),
}

/// Below which libxl notes what it knows of each domain.
pub(crate) const NOTED: (&str, &str) = ("/libxl", "noted");

/// What is told when domains come and go.
pub(crate) const DOMAINS: [(&str, &str); 2] = [("@introduceDomain", "introduced"), ("@releaseDomain", "released")];

/// The nodes of a domain that are watched, and the tokens.
pub(crate) fn nodes(domid: DomainId) -> [(String, String); 3] {
    ["name", "memory", "cpu"].map(|node| (format!("/local/domain/{domid}/{node}"), format!("{node} {domid}")))
}

impl Told {
    /// By a change below `path`, which is watched with this token.
    pub(crate) fn of(path: &str, token: &str) -> Self {
        let domid = |number: &str| number.parse().ok().map(DomainId::new);
        let whole = token.split_once(' ').and_then(|(node, number)| Some((node, domid(number)?)));
        match whole {
            Some(("name", domid)) => Self::Name(domid),
            Some(("memory", domid)) => Self::Memory(domid),
            Some(("cpu", domid)) => Self::Cpus(domid),
            _ if token == NOTED.1 => Self::Noted(path.split('/').nth(2).and_then(domid)),
            _ => Self::Domains,
        }
    }

    /// Whether the domains are to be read again.
    pub(crate) fn calls_for_reading(&self) -> bool {
        !matches!(self, Self::Noted(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE: DomainId = DomainId::new(5);

    #[test]
    fn a_watched_node_tells_of_its_domain() {
        let told = nodes(FIVE).map(|(path, token)| Told::of(&path, &token));
        assert_eq!(told, [Told::Name(FIVE), Told::Memory(FIVE), Told::Cpus(FIVE)]);
        let told = DOMAINS.map(|(path, token)| Told::of(path, token));
        assert_eq!(told, [Told::Domains; 2]);
    }

    #[test]
    fn what_libxl_notes_is_told_with_its_domain_or_of_all() {
        let noted = |path| Told::of(path, NOTED.1);
        assert_eq!(noted("/libxl/5/device/vbd/51712/params"), Told::Noted(Some(FIVE)));
        assert_eq!(noted("/libxl/5"), Told::Noted(Some(FIVE)));
        // As the watch is set, or should all of it be removed.
        assert_eq!(noted("/libxl"), Told::Noted(None));
        assert_eq!(noted("/libxl/five"), Told::Noted(None));
        assert!(!noted("/libxl/5").calls_for_reading());
    }
}
