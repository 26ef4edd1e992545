//! Where packages come from: the mirror that the host's own apt uses, or the one that is named.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::Release;

/// The environment variable that names another mirror: the address of a Debian archive, below which `dists` lies.
pub(super) const MIRROR: &str = "OSEVENT_DEBIAN_MIRROR";

/// The addresses of the archive and of its security updates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sources {
    main: String,
    security: Option<String>,
}

impl Sources {
    /// What apt reads, for `release`.
    pub(super) fn lines(&self, release: Release, keyring: &str) -> String {
        let name = release.codename();
        let mut lines = format!("deb [signed-by={keyring}] {} {name} main\n", self.main);
        if let Some(security) = &self.security {
            lines += &format!("deb [signed-by={keyring}] {security} {name}-security main\n");
        }
        lines
    }
}

/// The mirror named in [`MIRROR`], or else the one that this machine's apt uses for Debian.
///
/// # Errors
/// Neither is there: this machine runs something else.
pub(super) fn of_host() -> Result<Sources> {
    if let Ok(main) = env::var(MIRROR) {
        let main = main.trim_end_matches('/').to_owned();
        return Ok(Sources { main, security: None });
    }
    let found = files().iter().fold(Vec::new(), |mut entries, path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        entries.extend(if path.extension().is_some_and(|ending| ending == "sources") {
            paragraphs(&text)
        } else {
            one_line(&text)
        });
        entries
    });
    match choose(&found) {
        Some(sources) => Ok(sources),
        None => bail!(
            "this machine's apt has no source of Debian's: set {MIRROR} to the address of a Debian mirror, below which \
             its folder dists lies"
        ),
    }
}

/// The files that apt reads its sources from.
fn files() -> Vec<PathBuf> {
    let parts = Path::new("/etc/apt/sources.list.d").read_dir().into_iter().flatten().flatten();
    let mut parts: Vec<PathBuf> = parts.map(|entry| entry.path()).collect();
    parts.sort();
    parts.insert(0, PathBuf::from("/etc/apt/sources.list"));
    parts
}

/// An address and a suite below it.
type Entry = (String, String);

/// Entries of the older format: `deb [options] URI SUITE COMPONENT…`.
fn one_line(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some(rest) = line.strip_prefix("deb ") else { continue };
        let rest = match rest.trim_start().strip_prefix('[') {
            Some(options) => options.split_once(']').map_or("", |(_, behind)| behind),
            None => rest,
        };
        let mut words = rest.split_whitespace();
        if let (Some(address), Some(suite)) = (words.next(), words.next())
            && words.any(|component| component == "main")
        {
            entries.push((address.to_owned(), suite.to_owned()));
        }
    }
    entries
}

/// Entries of the newer format: paragraphs of fields.
fn paragraphs(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    for paragraph in text.split("\n\n") {
        let field = |name: &str| -> Vec<&str> {
            let mut lines = paragraph.lines().filter(|line| !line.starts_with('#'));
            let value = lines.find_map(|line| {
                let (field, value) = line.split_once(':')?;
                field.eq_ignore_ascii_case(name).then_some(value)
            });
            value.unwrap_or_default().split_whitespace().collect()
        };
        if field("Enabled").contains(&"no")
            || !field("Types").contains(&"deb")
            || !field("Components").contains(&"main")
        {
            continue;
        }
        for address in field("URIs") {
            entries.extend(field("Suites").iter().map(|suite| (address.to_owned(), (*suite).to_owned())));
        }
    }
    entries
}

/// Of all entries those that are Debian's.
fn choose(entries: &[Entry]) -> Option<Sources> {
    let with = |ending: &str| {
        let found = entries.iter().find(|(address, suite)| {
            let names = Release::ALL.map(Release::codename);
            let name =
                suite.strip_suffix(ending).or_else(|| suite.strip_suffix("/updates").filter(|_| !ending.is_empty()));
            !address.starts_with("cdrom:") && name.is_some_and(|name| names.contains(&name) || is_role(name))
        });
        found.map(|(address, _)| address.trim_end_matches('/').to_owned())
    };
    Some(Sources { main: with("")?, security: with("-security") })
}

/// Whether a release is called so while it has that part.
fn is_role(name: &str) -> bool {
    ["stable", "oldstable", "oldoldstable", "testing", "unstable", "sid"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEWER: &str = "\
Types: deb
# a remark
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /k

Types: deb deb-src
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
";

    const OLDER: &str = "\
# deb http://no.example/debian bullseye main
deb http://packages.example/apt tool-bullseye main
deb [arch=amd64 signed-by=/k] https://mirror.example/debian bullseye main # remark
deb-src https://mirror.example/debian bullseye main
deb https://security.example/debian-security bullseye-security main
";

    fn sources(main: &str, security: &str) -> Sources {
        Sources { main: main.to_owned(), security: Some(security.to_owned()) }
    }

    #[test]
    fn both_formats_are_read_and_other_archives_left_alone() {
        let newer = sources("http://mirror.example/debian", "http://mirror.example/debian-security");
        assert_eq!(choose(&paragraphs(NEWER)), Some(newer));
        let older = sources("https://mirror.example/debian", "https://security.example/debian-security");
        assert_eq!(choose(&one_line(OLDER)), Some(older));
        let elsewhere = "deb http://mirror.example/ubuntu noble main\n";
        assert_eq!(choose(&one_line(elsewhere)), None);
    }

    #[test]
    fn paragraph_that_is_switched_off_is_none() {
        assert_eq!(paragraphs(&NEWER.replace("Types: deb\n", "Types: deb\nEnabled: no\n")).len(), 1);
    }

    #[test]
    fn each_release_has_its_own_suites() {
        let lines = sources("http://m/debian", "http://m/security").lines(Release::Trixie, "/k");
        assert_eq!(
            lines,
            "deb [signed-by=/k] http://m/debian trixie main\ndeb [signed-by=/k] http://m/security trixie-security main\n"
        );
    }
}
