//! Another configuration for a domain that there is, and one for a domain like it.
//!
//! A few values can be changed while it runs. The rest waits until it is started again, as for `xl config-update`: noted under the name
//! `xl`, where xl finds it for the domains that it made, and this program for its own.

use super::work::elsewhere;
use super::xen::Xen;
use super::{Config, Failure, Form, Work};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use xenlight::{Ctx, DomainId, Error};

/// Under whose name a configuration waits.
const NOTED_FOR: &str = "xl";

/// A value that differs between two configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    /// Where it is in libxl's JSON, such as `b_info.max_memkb`.
    pub(crate) path: String,
    /// As JSON; empty where it is not set.
    pub(crate) before: String,
    pub(crate) after: String,
    /// It can be changed while the domain runs; otherwise, it waits for a restart.
    pub(crate) is_at_once: bool,
}

/// What there is to be edited.
pub(crate) struct Editable {
    /// What the domain has.
    pub(crate) present: Config,
    /// The paths of what it has besides, and a file of xl's cannot say.
    pub(crate) unsayable: Vec<String>,
    /// What it gets with its next start, if that differs.
    pub(crate) waiting: Option<Config>,
}

/// A configuration for a domain like another one.
pub(crate) struct Copied {
    pub(crate) config: Config,
    /// The disks that only one domain can have.
    pub(crate) left_out: Vec<String>,
}

pub(super) const MEMORY: &str = "b_info.target_memkb";
const VCPUS: &str = "b_info.avail_vcpus";
pub(super) const NAME: &str = "c_info.name";

impl Config {
    /// What differs in another one for the same domain.
    pub(crate) fn edits(&self, to: &Self) -> Vec<Edit> {
        let (before, after) = (self.leaves(), to.leaves());
        let has_room = |memory: &String| {
            before.get("b_info.max_memkb").is_none_or(|limit| memory.parse::<u64>().ok() <= limit.parse().ok())
        };
        let paths = before.keys().chain(after.keys().filter(|path| !before.contains_key(*path)));
        let value = |of: &BTreeMap<String, String>, path: &str| of.get(path).cloned().unwrap_or_default();
        let edit = |path: &String| Edit {
            before: value(&before, path),
            after: value(&after, path),
            is_at_once: match path.as_str() {
                NAME => true,
                // What is no longer set is libxl's to choose, which it does when it builds a domain.
                MEMORY => after.get(path).is_some_and(has_room),
                VCPUS if !after.contains_key(path) => false,
                VCPUS => to.0.build_info.avail_vcpus.len() as u64 <= self.0.build_info.max_vcpus.unwrap_or(1) as u64,
                _ => false,
            },
            path: path.clone(),
        };
        paths.filter(|path| before.get(*path) != after.get(*path)).map(edit).collect()
    }

    /// For a domain like this one, of this name: with a UUID and addresses of its own, and without what only one domain can have.
    pub(crate) fn copied(&self, name: &str) -> Copied {
        let mut config = self.0.clone();
        config.create_info.name = Some(name.to_owned());
        config.create_info.uuid = None;
        for nic in &mut config.nics {
            nic.mac = None;
            nic.ifname = None;
        }
        // Two that write to one disk destroy what is on it.
        let left_out =
            config.disks.iter().filter(|disk| disk.readwrite == Some(true)).filter_map(|disk| disk.pdev_path.clone());
        let left_out = left_out.collect();
        config.disks.retain(|disk| disk.readwrite != Some(true));
        config.pcidevs.clear();
        config.usbdevs.clear();
        Copied { config: Self(config), left_out }
    }

    /// As a file of xl's has it, with the paths of what such a file cannot say: mostly defaults that libxl has filled in.
    fn into_xl(self) -> (Self, Vec<String>) {
        let (text, unsayable) = match self.0.to_xl() {
            Ok(text) => (text, Vec::new()),
            Err(error) => (error.text, error.paths),
        };
        match Self::read(&text) {
            Ok(read) => (read.config, unsayable),
            Err(_) => (self, Vec::new()),
        }
    }

    /// As a file of xl's, without what such a file cannot say.
    pub(super) fn to_file(&self) -> String {
        self.0.to_xl().unwrap_or_else(|error| error.text)
    }

    /// Each value that is set, by its path.
    fn leaves(&self) -> BTreeMap<String, String> {
        let mut leaves = BTreeMap::new();
        // What libxl's own function wrote is JSON.
        let json = serde_json::from_str(&self.0.to_json()).unwrap_or_default();
        collect(&json, String::new(), &mut leaves);
        leaves
    }
}

fn collect(value: &Value, path: String, leaves: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect(value, path, leaves);
            }
        }
        Value::Array(values) if values.iter().any(Value::is_object) => {
            values.iter().enumerate().for_each(|(at, value)| collect(value, format!("{path}[{at}]"), leaves));
        }
        value => drop(leaves.insert(path, value.to_string())),
    }
}

impl Xen {
    /// The configuration of a domain, and the one that waits.
    pub(crate) async fn editable(&self, domid: u32) -> Result<Editable, Failure> {
        let domid = DomainId::new(domid);
        let (present, unsayable) = Config::from(self.config(domid).await?).into_xl();
        Ok(Editable { present, unsayable, waiting: waiting(self.ctx(), domid).await? })
    }

    /// Gives a domain another configuration: now what is possible, and the rest with its next start.
    pub(crate) fn edit(&self, domid: u32, from: Config, to: Config) -> Work {
        let (ctx, domid) = (self.ctx().clone(), DomainId::new(domid));
        Work::steps(move |steps| async move {
            let edits = from.edits(&to);
            let (now, later): (Vec<_>, Vec<_>) = edits.iter().partition(|edit| edit.is_at_once);
            let text = if later.is_empty() { String::new() } else { to.write(Form::Xl).map_err(Failure::new)? };
            let noting = ctx.clone();
            elsewhere(move || noting.note(domid, NOTED_FOR, text.as_bytes())).await?;
            for edit in now {
                let (asked, to) = (ctx.clone(), to.0.clone());
                match edit.path.as_str() {
                    NAME => elsewhere(move || asked.rename(domid, to.name())).await?,
                    MEMORY => {
                        let kib = to.build_info.target_memory_kib.unwrap_or_default();
                        elsewhere(move || asked.set_memory_target_kib(domid, kib, true)).await?;
                    }
                    _ => {
                        steps.run(&ctx, move |ctx| ctx.set_online_vcpus(domid, &to.build_info.avail_vcpus)).await?;
                    }
                }
            }
            Ok(())
        })
    }
}

/// The configuration that waits for a restart.
pub(super) async fn waiting(ctx: &Arc<Ctx>, domid: DomainId) -> Result<Option<Config>, Error> {
    let asked = ctx.clone();
    let text = elsewhere(move || asked.noted(domid, NOTED_FOR)).await?;
    // One that cannot be read is xl's to complain about.
    Ok(String::from_utf8(text)
        .ok()
        .filter(|text| !text.is_empty())
        .and_then(|text| Config::read(&text).ok())
        .map(|read| read.config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(rest: &str) -> Config {
        let text =
            format!("name = 'web'\ntype = 'pvh'\nkernel = '/k'\nmemory = 64\nmaxmem = 128\nmaxvcpus = 2\n{rest}");
        Config::read(&text).map_err(|_| ()).unwrap().config
    }

    #[test]
    fn what_waits_for_a_restart_is_told_apart() {
        let before = config("vcpus = 1\n");
        let at_once =
            |to: &Config| before.edits(to).iter().map(|edit| (edit.path.clone(), edit.is_at_once)).collect::<Vec<_>>();
        assert_eq!(at_once(&before), []);
        assert_eq!(at_once(&config("vcpus = 2\n")), [(VCPUS.to_owned(), true)]);
        let mut more = config("vcpus = 1\ncmdline = 'quiet'\n");
        more.0.build_info.target_memory_kib = Some(100 << 10);
        assert_eq!(at_once(&more), [(MEMORY.to_owned(), true), ("b_info.cmdline".to_owned(), false)]);
        more.0.build_info.target_memory_kib = Some(200 << 10);
        assert!(at_once(&more).contains(&(MEMORY.to_owned(), false)), "more than it can have");
        more.0.build_info.target_memory_kib = None;
        more.0.build_info.avail_vcpus = Default::default();
        let unset = at_once(&more);
        assert!(unset.contains(&(MEMORY.to_owned(), false)), "there is no amount to be set: {unset:?}");
        assert!(unset.contains(&(VCPUS.to_owned(), false)), "{unset:?}");
        let disk = config("vcpus = 1\ndisk = ['/a,raw,xvda']\n");
        let edits = before.edits(&disk);
        let path = edits.iter().find(|edit| edit.path == "disks[0].pdev_path").unwrap();
        assert_eq!((path.before.as_str(), path.after.as_str(), path.is_at_once), ("", "\"/a\"", false));
    }

    #[test]
    fn a_copy_shares_nothing_that_only_one_domain_can_have() {
        let of = config(
            "uuid = '8f0e9a5c-1111-2222-3333-444455556666'\nvif = ['mac=00:16:3e:00:00:01']\ndisk = ['/a,raw,xvda,rw', '/b,raw,xvdb,ro']\n",
        );
        let Copied { config, left_out } = of.copied("web-2");
        assert_eq!((config.name(), left_out), ("web-2", vec!["/a".to_owned()]));
        assert_eq!((config.0.create_info.uuid, config.0.nics[0].mac), (None, None));
        assert_eq!(config.0.disks.len(), 1);
    }
}
