//! Cases that load libraries made up for them: of other releases, damaged, or no libxl at all.

use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Completion, Failed};
use xenlight_sys::by_release::{
    CreateRestore, DomainControl, FreeMemory, MemoryTarget, MonitorCommand, NeedMemory, RetrieveConfiguration,
    SendTrigger, SetMaximumMemory, SetMemoryTarget, VcpuAffinity, VcpuOnline, WaitForFreeMemory,
};
use xenlight_sys::{Library, LoadError, Release, SYMBOLS};

use crate::Outcome;
use crate::compiler::Compiler;

/// Loads a library that was made up here.
fn open(path: impl AsRef<Path>) -> Result<Library, LoadError> {
    // SAFETY: its functions do nothing, and none of them is called.
    unsafe { Library::open(path) }
}

pub(crate) fn a_missing_symbol_is_named_with_its_library() -> Outcome {
    with_compiler(|compiler| {
        let source = exporting(&["libxl_ctx_alloc"]);
        let path = compiler.shared_object("libxenlight.so.4.17", &source, &[])?;
        let error = open(&path).unwrap_err();
        let library = path.display().to_string();
        assert_eq!(error, LoadError::MissingSymbol { library: library.clone(), symbol: "libxl_ctx_free" });
        let text = error.to_string();
        assert!(text.contains("libxl_ctx_free") && text.contains(&library), "{text:?}");
        Ok(())
    })
}

/// Otherwise a damaged library would pass for an older one.
pub(crate) fn a_symbol_that_came_later_is_required_of_later_releases() -> Outcome {
    with_compiler(|compiler| {
        let path = made_up(compiler, "damaged.so", Release::V4_5, Some("libxenlight.so.4.17"))?;
        let error = open(path).unwrap_err();
        assert!(matches!(error, LoadError::MissingSymbol { symbol: "libxl_ao_abort", .. }), "{error:?}");
        Ok(())
    })
}

/// Contract V, "Which release is loaded".
pub(crate) fn the_soname_tells_the_release_whatever_the_file_is_called() -> Outcome {
    with_compiler(|compiler| {
        for (file, soname, release) in [
            ("renamed.so", "libxenlight.so.4.11", Release::new(4, 11)),
            ("libxenlight.so.4.5", "libxenlight.so.4.22", Release::new(4, 22)),
            ("oldest.so", "libxenlight.so.2.0", Release::V4_2),
        ] {
            let path = made_up(compiler, file, release, Some(soname))?;
            let library = open(&path)?;
            assert_eq!(library.release(), release, "{file}");
            assert_eq!(library.path(), path);
        }
        Ok(())
    })
}

/// Contract V, "Backup, by exported symbol".
pub(crate) fn without_a_soname_the_symbols_tell_the_release() -> Outcome {
    with_compiler(|compiler| {
        for release in [Release::V4_2, Release::V4_4, Release::V4_5, Release::V4_6] {
            let path = made_up(compiler, &format!("without-{release}.so"), release, None)?;
            assert_eq!(open(path)?.release(), release);
        }
        Ok(())
    })
}

pub(crate) fn each_release_gets_its_forms_of_functions() -> Outcome {
    with_compiler(|compiler| {
        let load = |minor: u32| -> Result<Library, Failed> {
            let soname = format!("libxenlight.so.4.{minor}");
            let file = format!("forms-{minor}.so");
            Ok(open(made_up(compiler, &file, Release::new(4, minor), Some(&soname))?)?)
        };
        for minor in 3..=22 {
            let library = load(minor)?;
            let asynchronous = minor >= 13;
            for control in
                [library.domain_pause(), library.domain_unpause(), library.domain_shutdown(), library.domain_reboot()]
            {
                assert_eq!(matches!(control, DomainControl::Asynchronous(_)), asynchronous);
            }
            let restore = match library.domain_create_restore() {
                CreateRestore::Plain(_) => minor < 4,
                CreateRestore::Params(_) => (4..7).contains(&minor),
                CreateRestore::SendBack(_) => minor >= 7,
            };
            assert!(restore, "the form of a restore in 4.{minor}");
            let retrieve = match library.retrieve_domain_configuration() {
                RetrieveConfiguration::Missing => minor < 5,
                RetrieveConfiguration::Blocking(_) => (5..13).contains(&minor),
                RetrieveConfiguration::Asynchronous(_) => asynchronous,
            };
            assert!(retrieve, "the form of retrieve_domain_configuration in 4.{minor}");
            let command = match library.qemu_monitor_command() {
                MonitorCommand::Missing => minor < 8,
                MonitorCommand::Blocking(_) => (8..13).contains(&minor),
                MonitorCommand::Asynchronous(_) => asynchronous,
            };
            assert!(command, "the form of qemu_monitor_command in 4.{minor}");
            assert_eq!(matches!(library.set_vcpuonline(), VcpuOnline::Asynchronous(_)), asynchronous);
            assert_eq!(matches!(library.send_trigger(), SendTrigger::Asynchronous(_)), asynchronous);
            for affinity in [library.set_vcpuaffinity(), library.set_vcpuaffinity_all()] {
                assert_eq!(matches!(affinity, VcpuAffinity::HardAndSoft(_)), minor >= 5);
            }
            let wide = minor >= 8;
            assert_eq!(matches!(library.get_free_memory(), FreeMemory::Bits64(_)), wide);
            assert_eq!(matches!(library.wait_for_free_memory(), WaitForFreeMemory::Bits64(_)), wide);
            assert_eq!(matches!(library.domain_setmaxmem(), SetMaximumMemory::Bits64(_)), wide);
            assert_eq!(matches!(library.set_memory_target(), SetMemoryTarget::Bits64(_)), wide);
            assert_eq!(matches!(library.get_memory_target(), MemoryTarget::Bits64(_)), wide);
            let need = match library.domain_need_memory() {
                NeedMemory::Bits32(_) => !wide,
                NeedMemory::Bits64(_) => wide && !asynchronous,
                NeedMemory::Configuration(_) => asynchronous,
            };
            assert!(need, "the form of domain_need_memory in 4.{minor}");
            let on_x86 = cfg!(target_arch = "x86_64");
            assert_eq!(library.psr_cmt_attach().is_some(), on_x86 && minor >= 5);
            assert_eq!(library.dt_overlay().is_some(), !on_x86 && minor >= 18);
            assert_eq!(library.ao_abort().is_some(), minor >= 6);
            assert_eq!(library.childproc_sigchld_occurred().is_some(), minor >= 4);
        }
        Ok(())
    })
}

pub(crate) fn a_libxl_without_event_interface_is_too_old() -> Outcome {
    with_compiler(|compiler| {
        let path = made_up(compiler, "old.so", Release::V4_2, Some("libxenlight.so.1.0"))?;
        let error = open(path).unwrap_err();
        assert!(matches!(error, LoadError::TooOld { .. }), "{error:?}");
        assert!(error.to_string().contains("Xen 4.2 or later is needed"), "{error}");
        Ok(())
    })
}

pub(crate) fn an_unknown_numbering_is_refused() -> Outcome {
    with_compiler(|compiler| {
        let path = made_up(compiler, "new.so", Release::V4_14, Some("libxenlight.so.5.0"))?;
        let error = open(path).unwrap_err();
        assert!(matches!(error, LoadError::UnknownRelease { .. }), "{error:?}");
        assert!(error.to_string().contains("libxenlight.so.5.0"), "{error}");
        Ok(())
    })
}

/// 4.40 needs a library that is not there, 4.39 and 4.38 are sound; all three are found before any
/// that is installed. In a process of its own, as the linker reads its search path at the start.
pub(crate) fn the_newest_that_can_be_loaded_is_loaded() -> Outcome {
    with_compiler(|compiler| {
        let folder = compiler.folder();
        let needed = compiler.shared_object("libneeded.so", "int needed;", &[])?;
        let needed_name = needed.to_str().ok_or("a folder that is not UTF-8")?;
        let source = exporting(&[]) + "extern int needed; int *use = &needed;";
        let soname = "-Wl,-soname,libxenlight.so.4.40";
        compiler.shared_object("libxenlight.so.4.40", &source, &[soname, needed_name])?;
        std::fs::remove_file(&needed)?;
        for minor in [38, 39] {
            let name = format!("libxenlight.so.4.{minor}");
            made_up(compiler, &name, Release::new(4, minor), Some(&name))?;
        }
        let output = Command::new(env::current_exe()?).env(CHILD, "1").env("LD_LIBRARY_PATH", folder).output()?;
        let expected = folder.join("libxenlight.so.4.39");
        assert_eq!(String::from_utf8(output.stdout)?, format!("4.39 {}\n", expected.display()));
        Ok(())
    })
}

/// Whether this process was started by [`the_newest_that_can_be_loaded_is_loaded`].
pub(crate) fn is_child() -> bool {
    env::var_os(CHILD).is_some()
}

/// What that process does.
pub(crate) fn child() {
    match Library::load() {
        Ok(library) => println!("{} {}", library.release(), library.path().display()),
        Err(error) => println!("{error}"),
    }
}

const CHILD: &str = "XENLIGHT_SYS_TEST_PRINTS_WHAT_IT_LOADS";

/// A library with all symbols that `release` must have; they do nothing.
fn made_up(compiler: &Compiler, file: &str, release: Release, soname: Option<&str>) -> Result<PathBuf, Failed> {
    let names: Vec<&str> = SYMBOLS.iter().filter(|symbol| symbol.since <= release).map(|symbol| symbol.name).collect();
    let soname = soname.map(|soname| format!("-Wl,-soname,{soname}"));
    compiler.shared_object(file, &exporting(&names), soname.as_deref().as_slice())
}

fn exporting(names: &[&str]) -> String {
    names.iter().fold(String::new(), |mut source, name| {
        let _ = writeln!(source, "int {name}(void) {{ return 0; }}");
        source
    })
}

fn with_compiler(case: fn(&Compiler) -> Result<(), Failed>) -> Outcome {
    match Compiler::find() {
        Ok(compiler) => case(&compiler).map(|()| Completion::Completed),
        Err(reason) => Ok(Completion::ignored_with(reason)),
    }
}
