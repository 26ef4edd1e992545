//! The shared libraries that a program needs, as the dynamic linker itself says.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use elf::ElfBytes;
use elf::abi::SHT_GNU_VERNEED;
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::gnu_symver::VerNeedIterator;

/// A library: the name that programs ask for, and where it lies, if anywhere.
pub(crate) type Library = (String, Option<PathBuf>);

/// The libraries of a program or library of this machine. None for a script or a static program.
pub(crate) fn of_host(program: &Path) -> Result<Vec<Library>> {
    list(Command::new("ldd").arg(program))
}

/// The libraries of a program that lies unpacked in `root` and is to find them there, with the linker that lies
/// there as well.
pub(crate) fn of_unpacked(root: &Path, program: &Path) -> Result<Vec<Library>> {
    let linker = find(root, LINKER).context("the packages hold no dynamic linker")?;
    list(Command::new(linker).args(["--library-path", &path(root), "--list"]).arg(program))
}

/// Where the libraries of `root`, an unpacked system, lie, as a dynamic linker is told.
pub(crate) fn path(root: &Path) -> String {
    folders(root).map(|folder| folder.display().to_string()).join(":")
}

/// The library of that name in `root`, an unpacked system.
pub(crate) fn find(root: &Path, name: &str) -> Option<PathBuf> {
    let mut paths = folders(root).into_iter().map(|folder| folder.join(name));
    paths.find(|path| path.exists())
}

/// The parts of the C library, which belong together: of one of them and another release's rest nothing starts.
pub(crate) const C_LIBRARY: [&str; 8] =
    [LINKER, "libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1", "libresolv.so.2"];

/// The version of the C library in this file, `libc.so.6`.
pub(crate) fn c_version(library: &[u8]) -> Option<(u32, u32)> {
    const BEFORE: &[u8] = b"stable release version ";
    let at = library.windows(BEFORE.len()).position(|window| window == BEFORE)?;
    let number: Vec<u8> =
        library[at + BEFORE.len()..].iter().copied().take_while(|c| b"0123456789.".contains(c)).collect();
    let number = String::from_utf8(number).ok()?;
    let (major, minor) = number.trim_end_matches('.').split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The version of the C library that this program or library needs at least; `None` if it needs none.
pub(crate) fn c_version_needed(file: &[u8]) -> Result<Option<(u32, u32)>> {
    let versions = versions_needed(&ElfBytes::minimal_parse(file)?)?;
    let numbers = versions.into_iter().filter_map(|version| {
        let mut numbers = version.strip_prefix("GLIBC_")?.split('.').map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    });
    Ok(numbers.max())
}

/// All versions that a file's libraries have to have, be they of symbols or stand for a property of the file.
pub(crate) fn versions_needed<'a>(file: &ElfBytes<'a, LittleEndian>) -> Result<Vec<&'a str>> {
    let mut names = Vec::new();
    let Some(sections) = file.section_headers() else { return Ok(names) };
    for section in sections.iter().filter(|section| section.sh_type == SHT_GNU_VERNEED) {
        let strings = file.section_data_as_strtab(&sections.get(section.sh_link as usize)?)?;
        let (data, _) = file.section_data(&section)?;
        let needs = VerNeedIterator::new(LittleEndian, Class::ELF64, section.sh_info.into(), 0, data);
        for (_, versions) in needs {
            for version in versions {
                names.push(strings.get(version.vna_name as usize)?);
            }
        }
    }
    Ok(names)
}

/// The version of this machine's C library.
pub(crate) fn c_version_of_host() -> Result<Option<(u32, u32)>> {
    let libraries = of_host(&std::env::current_exe()?)?;
    let library = libraries.into_iter().find(|(name, _)| name == "libc.so.6").and_then(|(_, path)| path);
    Ok(c_version(&std::fs::read(library.context("this machine has no libc.so.6")?)?))
}

/// The dynamic linker, which every program names by its path.
pub(crate) const LINKER: &str = "ld-linux-x86-64.so.2";

/// Where libraries lie, be `/lib` a link to `/usr/lib` or not.
pub(crate) fn folders(root: &Path) -> [PathBuf; 2] {
    ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"].map(|folder| root.join(folder))
}

fn list(command: &mut Command) -> Result<Vec<Library>> {
    let program = command.get_program().display().to_string();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {program}"))?;
    // It fails for what is not dynamic, and has then nothing to list.
    Ok(parse(&String::from_utf8_lossy(&output.stdout)))
}

fn parse(list: &str) -> Vec<Library> {
    list.lines()
        .filter_map(|line| line.split_once(" => "))
        .map(|(name, found)| {
            let path = found.split(" (").next().filter(|path| path.contains('/'));
            let name = name.trim().rsplit('/').next().unwrap_or_default();
            (name.to_owned(), path.map(PathBuf::from))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_of_the_c_library_is_read() {
        let library = b"\x7fELF\0GNU C Library (Debian GLIBC 2.31-13) stable release version 2.31.\nCopyright";
        assert_eq!(c_version(library), Some((2, 31)));
        assert_eq!(c_version(b"\x7fELF"), None);
    }

    #[test]
    fn program_needs_no_newer_c_library_than_it_runs_on() {
        let program = std::fs::read("/proc/self/exe").unwrap();
        let file = ElfBytes::minimal_parse(&program).unwrap();
        assert!(versions_needed(&file).unwrap().contains(&"GLIBC_2.14"), "memcpy came with it");
        let needed = c_version_needed(&program).unwrap();
        assert!(Some((2, 14)) <= needed && needed <= c_version_of_host().unwrap(), "{needed:?}");
        assert_eq!(c_version_needed(&osevent_domains::kernel::idle()).unwrap(), None, "no program of Linux's");
    }

    #[test]
    fn libraries_found_and_not_found_are_told_apart() {
        let list = "\tlinux-vdso.so.1 (0x00007ffc)\n\tlibc.so.6 => /lib/libc.so.6 (0x00007f)\n\
                    \tlibxenlight.so.4.17 => not found\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let expected: [Library; 2] =
            [("libc.so.6".into(), Some("/lib/libc.so.6".into())), ("libxenlight.so.4.17".into(), None)];
        assert_eq!(parse(list), expected);
        assert_eq!(parse("\tnot a dynamic executable\n"), []);
    }
}
