//! Linking for an older C library than this machine's, with nothing but this machine's.
//!
//! The linker takes the newest version of each symbol that it finds, so a program needs the C library that it was linked
//! with. But a C library has all its older versions, too. So the linker is given, in place of each of its parts,
//! an empty library with the same name and those symbols that were there in [`OLDEST`]. What is younger is missing then:
//! `older_glibc.c` has that as far as it is needed, and the linker says what else is.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use elf::ElfBytes;
use elf::abi::{SHN_ABS, SHN_UNDEF, STT_FUNC, STT_GNU_IFUNC, STT_OBJECT};
use elf::endian::LittleEndian;

/// The oldest C library, and the oldest of the compiler's, that the program is to run on: those of CentOS 7, which XenServer and
/// XCP-ng are made of. Rust's own library asks for no more.
pub(super) const OLDEST: [(&str, &str); 2] = [("GLIBC_", "2.17"), ("GCC_", "4.8")];

/// What the linker takes by these names: the parts of the C library, and what Rust's library links beside it.
const LIBRARIES: [(&str, &str); 8] = [
    ("libc.so.6", "libc-stub.so"),
    ("ld-linux-x86-64.so.2", "ld-linux-stub.so"),
    ("libgcc_s.so.1", "libgcc_s.so"),
    ("libm.so.6", "libm.so"),
    ("libpthread.so.0", "libpthread.so"),
    ("libdl.so.2", "libdl.so"),
    ("librt.so.1", "librt.so"),
    ("libutil.so.1", "libutil.so"),
];

/// Programs that were linked apart found some functions in these; a newer C library has all in one.
const ALWAYS_NEEDED: [&str; 2] = ["libpthread.so.0", "libdl.so.2"];

/// Fills `folder`, and returns the linker's arguments with which it is used instead of this machine's libraries.
///
/// # Errors
/// There is no C compiler, or no C library of its.
pub(super) fn prepare(folder: &Path) -> Result<Vec<String>> {
    for (name, link_name) in LIBRARIES {
        let library = file_of_cc(name)?;
        let content = fs::read(&library).with_context(|| format!("cannot read {}", library.display()))?;
        let symbols = symbols(&content).with_context(|| format!("{} is not as expected", library.display()))?;
        let (assembly, versions) = sources(&symbols);
        let (assembly_file, versions_file) = (folder.join("stub.s"), folder.join("stub.map"));
        fs::write(&assembly_file, assembly)?;
        fs::write(&versions_file, versions)?;
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-nostdlib"])
            .arg(format!("-Wl,-soname,{name},--version-script={}", versions_file.display()));
        run(cc.arg(assembly_file).arg("-o").arg(folder.join(link_name)))?;
    }
    // Beside what is loaded, a C library has a part that is linked into each program.
    let rest = file_of_cc("libc_nonshared.a")?;
    let group = |name: &str| folder.join(name).display().to_string();
    let script = format!("GROUP({} {} {})\n", group("libc-stub.so"), rest.display(), group("ld-linux-stub.so"));
    fs::write(folder.join("libc.so"), script)?;

    let source = folder.join("older_glibc.c");
    let object = folder.join("older_glibc.o");
    fs::write(&source, include_str!("older_glibc.c"))?;
    run(Command::new("cc")
        .args(["-c", "-Wall", "-Wextra", "-Werror", "-O2", "-fPIC", "-ffunction-sections"])
        .arg(source)
        .arg("-o")
        .arg(&object))?;
    // The two that older C libraries need go in front, where nothing has been found yet; a copy of a variable would need its size.
    let needed = ALWAYS_NEEDED.map(|name| LIBRARIES.iter().find(|(soname, _)| *soname == name).expect("one of them").1);
    let [pthread, dl] = needed.map(group);
    Ok(vec![
        object.display().to_string(),
        format!("-Wl,--push-state,--no-as-needed,{pthread},{dl},--pop-state"),
        "-Wl,--wrap=__libc_start_main,-z,nocopyreloc".to_owned(),
    ])
}

/// Whether a library of [`OLDEST`] has this version, `GLIBC_2.9` or `GCC_3.0`.
pub(super) fn is_old(version: &str) -> bool {
    OLDEST.iter().any(|(family, oldest)| {
        let number = version.strip_prefix(family).and_then(numbers);
        number.is_some_and(|number| Some(number) <= numbers(oldest))
    })
}

/// `None` for what is no version, as `PRIVATE`.
pub(super) fn numbers(version: &str) -> Option<Vec<u32>> {
    version.split('.').map(|number| number.parse().ok()).collect()
}

/// Of each name the newest old version, and what it is to the assembler.
type Symbols = BTreeMap<String, (String, &'static str)>;

fn symbols(library: &[u8]) -> Result<Symbols> {
    let file = ElfBytes::<LittleEndian>::minimal_parse(library)?;
    let (table, strings) = file.dynamic_symbol_table()?.context("it has no symbols")?;
    let versions = file.symbol_version_table()?.context("its symbols have no versions")?;
    let mut symbols = Symbols::new();
    for (at, symbol) in table.iter().enumerate() {
        let kind = match symbol.st_symtype() {
            STT_FUNC | STT_GNU_IFUNC => "@function",
            STT_OBJECT => "@object",
            _ => continue,
        };
        // The names of versions are symbols as well, without a place.
        if [SHN_UNDEF, SHN_ABS].contains(&symbol.st_shndx) {
            continue;
        }
        let Some(version) = versions.get_definition(at)?.and_then(|mut definition| definition.names.next()) else {
            continue;
        };
        let version = version?;
        if is_old(version) {
            let name = strings.get(symbol.st_name as usize)?.to_owned();
            let found = symbols.entry(name).or_insert_with(|| (version.to_owned(), kind));
            if is_newer(version, &found.0) {
                *found = (version.to_owned(), kind);
            }
        }
    }
    Ok(symbols)
}

/// Of two old versions.
fn is_newer(version: &str, than: &str) -> bool {
    let number = |version: &str| version.split_once('_').and_then(|(_, number)| numbers(number));
    number(version) > number(than)
}

/// A library that has nothing but these symbols: for the assembler, and their versions for the linker.
fn sources(symbols: &Symbols) -> (String, String) {
    let mut assembly = String::new();
    let mut by_version = BTreeMap::<&str, String>::new();
    for (name, (version, kind)) in symbols {
        // Infallible: it is a string.
        let _ = writeln!(assembly, ".globl {name}\n.type {name}, {kind}\n{name}:");
        let _ = write!(by_version.entry(version).or_default(), "{name}; ");
    }
    let versions = by_version.iter().map(|(version, names)| format!("{version} {{ {names}}};\n")).collect();
    (assembly, versions)
}

/// The file that the C compiler takes for that name of a library's.
pub(super) fn file_of_cc(name: &str) -> Result<PathBuf> {
    let output = Command::new("cc").arg(format!("-print-file-name={name}")).output().context("cannot run cc")?;
    let path = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    // The name alone says that there is none.
    ensure!(path.is_absolute(), "cc knows no {name}");
    Ok(path)
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_old_by_number_and_private_ones_are_not() {
        for old in ["GLIBC_2.2.5", "GLIBC_2.9", "GLIBC_2.17", "GCC_3.3.1", "GCC_4.8"] {
            assert!(is_old(old), "{old}");
        }
        for new in [
            "GLIBC_2.17.1",
            "GLIBC_2.18",
            "GLIBC_2.34",
            "GLIBC_3",
            "GLIBC_PRIVATE",
            "GLIBC_ABI_DT_RELR",
            "GCC_7",
            "X_1",
        ] {
            assert!(!is_old(new), "{new}");
        }
        assert!(is_newer("GLIBC_2.14", "GLIBC_2.2.5") && !is_newer("GLIBC_2.2.5", "GLIBC_2.2.5"));
    }

    #[test]
    fn this_machines_c_library_is_taken_back_to_the_oldest() {
        let library = fs::read(file_of_cc("libc.so.6").unwrap()).unwrap();
        let symbols = symbols(&library).unwrap();
        let of = |name: &str| symbols.get(name).map(|(version, kind)| (version.as_str(), *kind));
        // memcpy has an older version besides, and getrandom is younger.
        assert_eq!(of("memcpy"), Some(("GLIBC_2.14", "@function")));
        assert_eq!(of("environ"), Some(("GLIBC_2.2.5", "@object")));
        assert_eq!(of("getrandom"), None);
    }
}
