//! `dom0-program`: the suite as one file that runs on other machines' dom0, without what this one has installed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use elf::ElfBytes;
use elf::abi::DT_NEEDED;
use elf::endian::LittleEndian;

use crate::setup;
use crate::workspace::Workspace;

const PROGRAM: &str = "osevent-conformance";

/// What every machine with glibc has.
const EVERYWHERE: [&str; 4] = ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2"];

/// The static libraries that stand in for shared ones, as pkg-config names them and as files.
const STATIC: [(&str, &str); 2] = [("glib-2.0", "libglib-2.0.a"), ("libpcre2-8", "libpcre2-8.a")];

/// Builds it into a folder of its own, and says what it needs. In the dev profile, whose parts are there already; it has no
/// symbols for debuggers.
///
/// # Errors
/// It does not build, or would need a library that a dom0 may not have.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    setup::for_building()?;
    let folder = workspace.target.join("dom0");
    // With nothing but static libraries in it, and searched first: the linker finds no shared ones.
    let libraries = folder.join("static");
    fs::create_dir_all(&libraries)?;
    for (package, file) in STATIC {
        let link = libraries.join(file);
        if link.symlink_metadata().is_ok() {
            fs::remove_file(&link)?;
        }
        symlink(folder_of(package)?.join(file), link)?;
    }
    let suite = workspace.program(PROGRAM).with_context(|| format!("the workspace has no {PROGRAM}"))?;
    let built = workspace.executable(suite, "rustc", |cargo| {
        cargo.args(["--", "-C", "strip=debuginfo", "-L"]).arg(format!("native={}", libraries.display()));
        cargo.args(["-C", "link-arg=-lpcre2-8"])
    })?;
    let program = folder.join(PROGRAM);
    fs::copy(built, &program)?;
    let glibc = check(&fs::read(&program)?)?;
    println!("{}", program.display());
    println!("It needs x86-64 Linux with glibc {glibc} or later, and on a Xen dom0 libxl, xl and xenstore-read:");
    println!("    {PROGRAM} --guest xen");
    Ok(())
}

fn folder_of(package: &str) -> Result<PathBuf> {
    let output = Command::new("pkg-config").args(["--variable=libdir", package]).output();
    let output = output.context("cannot run pkg-config")?;
    let folder = String::from_utf8(output.stdout)?.trim().to_owned();
    ensure!(output.status.success() && !folder.is_empty(), "pkg-config does not know {package}");
    Ok(folder.into())
}

/// The glibc that it needs, if it needs no library that is not everywhere.
fn check(program: &[u8]) -> Result<String> {
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
    let mut required = BTreeSet::new();
    for at in 0..symbols.len() {
        if let Some(requirement) = versions.get_requirement(at)?
            && let Some(version) = requirement.name.strip_prefix("GLIBC_")
        {
            required.insert(numbers(version));
        }
    }
    let last = required.last().context("it needs no glibc at all")?;
    Ok(last.iter().map(u32::to_string).collect::<Vec<_>>().join("."))
}

fn numbers(version: &str) -> Vec<u32> {
    version.split('.').filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_that_needs_glib_is_refused() {
        assert!(check(&fs::read("/proc/self/exe").unwrap()).is_ok(), "this test's own program needs nothing but glibc");
        let glib = fs::read(folder_of("glib-2.0").unwrap().join("libgobject-2.0.so")).unwrap();
        let error = check(&glib).unwrap_err();
        assert!(error.to_string().contains("it needs libglib-2.0.so.0"), "{error}");
    }

    #[test]
    fn versions_are_ordered_by_number() {
        assert!(numbers("2.9") < numbers("2.34"));
    }
}
