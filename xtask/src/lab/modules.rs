//! Modules of Linux, with those that they depend on, where modprobe looks for them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::kernel;

/// The modules of one kernel that are to be in an image.
pub(crate) struct Modules {
    /// By name.
    found: BTreeMap<String, Module>,
}

struct Module {
    content: Vec<u8>,
    /// The names of those that are to be loaded before it.
    depends: Vec<String>,
}

impl Modules {
    /// The modules with those names and all that they depend on, of the kernel whose modules are in `folder`.
    pub(crate) fn of(folder: &Path, names: &[&str]) -> Result<Modules> {
        let mut files = BTreeMap::new();
        list(&folder.join("kernel"), &mut files)?;
        let mut found = BTreeMap::new();
        let mut wanted: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        while let Some(name) = wanted.pop() {
            // A module's name has underscores where that of its file may have hyphens.
            let key = name.replace('-', "_");
            if found.contains_key(&key) {
                continue;
            }
            let path = files.get(&key).with_context(|| format!("the kernel has no module {name}"))?;
            let packed = fs::read(path)?;
            let content = if packed.starts_with(b"\x7fELF") { packed } else { kernel::decompress(&packed)? };
            let depends = depends(&content);
            wanted.extend(depends.iter().cloned());
            found.insert(key, Module { content, depends });
        }
        Ok(Modules { found })
    }

    /// The files for the folder of the kernel's version: the modules, unpacked, and modprobe's list.
    pub(crate) fn files(self) -> Vec<(String, Vec<u8>)> {
        let mut list = String::new();
        for name in self.found.keys() {
            let mut order = Vec::new();
            self.load(name, &mut order);
            // modprobe begins at the end of a line, and looks no further than that line.
            let depends: Vec<String> = order.iter().rev().skip(1).map(|name| format!(" {name}.ko")).collect();
            list += &format!("{name}.ko:{}\n", depends.concat());
        }
        let modules = self.found.into_iter().map(|(name, module)| (format!("{name}.ko"), module.content));
        modules.chain([("modules.dep".to_owned(), list.into_bytes())]).collect()
    }

    /// Adds a module to those that are loaded in this order, after all that it depends on.
    fn load<'a>(&'a self, name: &'a str, order: &mut Vec<&'a str>) {
        if !order.contains(&name) {
            for name in &self.found[name].depends {
                self.load(name, order);
            }
            order.push(name);
        }
    }
}

/// Adds the modules below `folder` to `files`, by name.
fn list(folder: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    let entries = folder.read_dir().with_context(|| format!("the packages hold no {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list(&entry.path(), files)?;
        } else if let Some((name, _)) = entry.file_name().to_string_lossy().split_once(".ko") {
            files.insert(name.replace('-', "_"), entry.path());
        }
    }
    Ok(())
}

/// The names of the modules that this one depends on, as it says in its section `.modinfo`.
fn depends(module: &[u8]) -> Vec<String> {
    const BEFORE: &[u8] = b"\0depends=";
    let Some(at) = module.windows(BEFORE.len()).position(|window| window == BEFORE) else { return Vec::new() };
    let names: Vec<u8> = module[at + BEFORE.len()..].iter().copied().take_while(|byte| *byte != 0).collect();
    let names = String::from_utf8_lossy(&names);
    names.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_come_with_those_that_they_depend_on() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("kernel/net/bridge");
        fs::create_dir_all(&inside).unwrap();
        for (file, depends) in [("bridge.ko", "stp"), ("stp.ko", "llc"), ("llc.ko", ""), ("other.ko", "")] {
            let content = format!("\x7fELF…license=GPL\0depends={depends}\0intree=Y\0");
            fs::write(inside.join(file), content).unwrap();
        }
        fs::write(inside.join("xen-blkfront.ko"), "\x7fELF\0depends=\0").unwrap();
        let names = |wanted: &[&str]| {
            let files = Modules::of(folder.path(), wanted).unwrap().files();
            let list = String::from_utf8(files.last().unwrap().1.clone()).unwrap();
            (files.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), list)
        };
        let (files, list) = names(&["bridge"]);
        assert_eq!(files, ["bridge.ko", "llc.ko", "stp.ko", "modules.dep"]);
        assert_eq!(list, "bridge.ko: stp.ko llc.ko\nllc.ko:\nstp.ko: llc.ko\n");
        assert_eq!(names(&["xen-blkfront"]).0, ["xen_blkfront.ko", "modules.dep"]);
        let error = Modules::of(folder.path(), &["absent"]).map(|_| ()).unwrap_err().to_string();
        assert_eq!(error, "the kernel has no module absent");
    }
}
