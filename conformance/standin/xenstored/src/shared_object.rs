use std::path::{Path, PathBuf};
use std::{env, io};

/// The stand-in for libxencall, which goes together with this one: at the path in `OSEVENT_XENCALL`, or else where cargo has put it
/// for a program that depends on its crate, which is beside this program or its tests; or else where it is installed, in
/// `../lib/osevent`. `None` if it is not there.
///
/// # Errors
/// This program's own path, or a folder, cannot be read.
pub fn libxencall() -> io::Result<Option<PathBuf>> {
    if let Some(path) = env::var_os("OSEVENT_XENCALL") {
        return Ok(Some(path.into()));
    }
    let program = env::current_exe()?;
    let beside = program.parent().unwrap_or(Path::new("."));
    for folder in ["", "deps", "..", "../deps", "../lib/osevent"] {
        match libxencall_in(&beside.join(folder)) {
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            found => return found,
        }
    }
    Ok(None)
}

/// The stand-in for libxencall in this folder. `None` if it is not there.
///
/// What the file is called depends on where the package came from: one from another git repository or a registry has a number in
/// its name, and those of earlier versions lie beside it. The newest counts.
///
/// # Errors
/// The folder cannot be read.
pub fn libxencall_in(folder: &Path) -> io::Result<Option<PathBuf>> {
    let exact = folder.join("libxencall.so");
    if exact.exists() {
        return Ok(Some(exact));
    }
    let mut newest = None;
    for file in folder.read_dir()? {
        let file = file?;
        let name = file.file_name();
        if name.to_str().is_some_and(|name| name.starts_with("libxencall-") && name.ends_with(".so")) {
            newest = newest.max(Some((file.metadata()?.modified()?, file.path())));
        }
    }
    Ok(newest.map(|(_, path)| path))
}

#[cfg(test)]
mod tests {
    use super::libxencall_in;
    use std::fs::File;
    use std::time::{Duration, SystemTime};

    #[test]
    fn the_stand_in_is_found_by_the_names_that_cargo_gives_it_the_newest_of_several() {
        let folder = tempfile::tempdir().unwrap();
        let found = || libxencall_in(folder.path()).unwrap();
        let file = |name: &str, age| {
            let path = folder.path().join(name);
            let file = File::create(&path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
            path
        };
        file("libxencall-0123456789abcdef.rlib", 0);
        assert_eq!(found(), None);
        file("libxencall-89abcdef01234567.so", 60);
        let newer = file("libxencall-0123456789abcdef.so", 30);
        file("libxencall-fedcba9876543210.so", 90);
        assert_eq!(found(), Some(newer));
        let exact = file("libxencall.so", 120);
        assert_eq!(found(), Some(exact));
    }
}
