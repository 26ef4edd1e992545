//! `dom0-program`: the suite as one file that runs on other machines' dom0, without what this one has installed.

mod older_glibc;

use std::collections::BTreeSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use elf::ElfBytes;
use elf::abi::DT_NEEDED;
use elf::endian::LittleEndian;

use crate::lab::libraries;
use crate::setup;
use crate::workspace::Workspace;

const PROGRAM: &str = "osevent-conformance";

/// What every machine with glibc has.
const EVERYWHERE: [&str; 6] =
    ["libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "libgcc_s.so.1", "ld-linux-x86-64.so.2"];

/// Builds it into a folder of its own, and says what it needs. In the dev profile, whose parts are there already; it has no
/// symbols for debuggers.
///
/// # Errors
/// It does not build, or would need a library or a version of one that a dom0 may not have.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    setup::for_building()?;
    let folder = workspace.target.join("dom0");
    // Searched first, so that the linker finds static libraries for shared ones, and an older C library.
    let libraries = folder.join("libraries");
    if libraries.exists() {
        fs::remove_dir_all(&libraries)?;
    }
    fs::create_dir_all(&libraries)?;
    let older = older_glibc::prepare(&libraries)?;
    let parts = static_libraries(&libraries)?;
    for part in &parts {
        symlink(older_glibc::file_of_cc(part)?, libraries.join(part))?;
    }
    let linked_with = hash_of(&libraries)?;
    let suite = workspace.program(PROGRAM).with_context(|| format!("the workspace has no {PROGRAM}"))?;
    let built = workspace.executable(suite, "rustc", |cargo| {
        cargo.args(["--", "-C", "strip=debuginfo", "-L"]).arg(format!("native={}", libraries.display()));
        for argument in &older {
            cargo.args(["-C", &format!("link-arg={argument}")]);
        }
        for part in &parts {
            cargo.args(["-C", &format!("link-arg=-l:{part}")]);
        }
        // These are none of cargo's business, so where one has changed it would not link anew.
        cargo.args(["-C", &format!("metadata={linked_with:016x}")])
    })?;
    let program = folder.join(PROGRAM);
    fs::copy(built, &program)?;
    check(&fs::read(&program)?, older_glibc::is_old)?;
    let [(_, glibc), _] = older_glibc::OLDEST;
    println!("{}", program.display());
    println!("It needs x86-64 Linux with glibc {glibc} or later, and on a Xen dom0 libxl, xl and xenstore-read:");
    println!("    {PROGRAM} --tier xen");
    Ok(())
}

/// Of all files in `folder`.
fn hash_of(folder: &Path) -> Result<u64> {
    let mut files = folder.read_dir()?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        fs::read(file)?.hash(&mut hasher);
    }
    Ok(hasher.finish())
}

/// GLib and what it is made of, as files: it differs by release. Without the parts of the C library, which are in `folder`.
fn static_libraries(folder: &Path) -> Result<Vec<String>> {
    let output = Command::new("pkg-config").args(["--static", "--libs-only-l", "glib-2.0"]).output();
    let output = output.context("cannot run pkg-config")?;
    ensure!(output.status.success(), "pkg-config does not know glib-2.0");
    let words = String::from_utf8(output.stdout)?;
    let names = words.split_whitespace().filter_map(|word| word.strip_prefix("-l"));
    let names = names.filter(|name| !folder.join(format!("lib{name}.so")).exists());
    Ok(names.map(|name| format!("lib{name}.a")).collect::<BTreeSet<_>>().into_iter().collect())
}

/// Refuses a program that needs a library that is not everywhere, or a version of one that is not old.
fn check(program: &[u8], is_old: impl Fn(&str) -> bool) -> Result<()> {
    let file = ElfBytes::<LittleEndian>::minimal_parse(program)?;
    let common = file.find_common_data()?;
    let (Some(symbols), Some(strings), Some(dynamic)) = (common.dynsyms, common.dynsyms_strs, common.dynamic) else {
        bail!("it is no dynamically linked program");
    };
    for needed in dynamic.iter().filter(|entry| entry.d_tag == DT_NEEDED) {
        let name = strings.get(needed.d_val() as usize)?;
        ensure!(EVERYWHERE.contains(&name), "it needs {name}, which not every dom0 has");
    }
    let versions = file.symbol_version_table()?.context("its symbols have no versions")?;
    let mut young = BTreeSet::new();
    for (at, symbol) in symbols.iter().enumerate() {
        if let Some(needed) = versions.get_requirement(at)?
            && !is_old(needed.name)
        {
            let name = strings.get(symbol.st_name as usize)?;
            young.insert(format!("{name} in version {} of {}", needed.name, needed.file));
        }
    }
    // No symbol has those that stand for a property of the file.
    for version in libraries::versions_needed(&file)? {
        if !is_old(version) && !young.iter().any(|symbol| symbol.contains(version)) {
            young.insert(format!("version {version}"));
        }
    }
    let young = young.into_iter().collect::<Vec<_>>().join(", ");
    ensure!(young.is_empty(), "it needs what an old dom0 does not have: {young}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn this_program() -> Vec<u8> {
        fs::read("/proc/self/exe").unwrap()
    }

    #[test]
    fn program_that_needs_glib_is_refused() {
        check(&this_program(), |_| true).expect("this test's own program needs nothing but glibc");
        let glib = fs::read(older_glibc::file_of_cc("libgobject-2.0.so").unwrap()).unwrap();
        let error = check(&glib, |_| true).unwrap_err().to_string();
        assert!(error.contains("it needs libglib-2.0.so.0"), "{error}");
    }

    #[test]
    fn symbol_that_is_too_young_is_named_with_its_version() {
        // memcpy came with that version; Rust's library wants it everywhere.
        let error = check(&this_program(), |version| version != "GLIBC_2.14").unwrap_err().to_string();
        assert!(error.contains("memcpy in version GLIBC_2.14 of libc.so.6"), "{error}");
        assert_eq!(error.matches(" in version ").count(), error.matches("GLIBC_2.14").count(), "nothing else: {error}");
    }
}
