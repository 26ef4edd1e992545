//! Cases that compile C against Xen's headers.

use std::any::type_name;
use std::collections::BTreeSet;
use std::env;
use std::ffi::c_char;
use std::fmt::Write as _;
use std::mem::offset_of;

use libtest_mimic::{Completion, Failed};
use xenlight_sys::children::{self, ChildprocHooks};
use xenlight_sys::domain::{
    AsyncopHow, AsyncprogressHow, Bitmap, OPAQUE_SIZE, PsrHwInfo, Uuid, Vminfo, XenConsoleReader,
};
use xenlight_sys::event::{Event, EventHooks, OseventHooks};
use xenlight_sys::log::{self, Logger};
use xenlight_sys::{Release, SYMBOLS, codes};

use crate::Outcome;
use crate::c_type::declare;
use crate::compiler::Compiler;

const INCLUDES: &str = "#include <stddef.h>\n#include <libxl.h>\n#include <libxl_event.h>\n#include <libxl_utils.h>\n";

/// For what is compared with types of this crate.
fn includes(release: Release) -> String {
    // Some parameters have become const up to 4.13, or ceased to be, which changes nothing for a caller.
    let without_const = if release < Release::V4_13 { "#define const\n" } else { "" };
    format!("{without_const}{INCLUDES}")
}

/// In 4.11 and later.
const PSR_HW_INFO: &str = "libxl_psr_hw_info";

/// E3 for the event's head; contract V for vminfo.
pub(crate) fn structs_lie_as_in_the_headers() -> Outcome {
    let structs = [
        ("libxl_osevent_hooks", size_of::<OseventHooks>()),
        ("libxl_event_hooks", size_of::<EventHooks>()),
        ("libxl_childproc_hooks", size_of::<ChildprocHooks>()),
        ("xentoollog_logger", size_of::<Logger>()),
        ("libxl_asyncop_how", size_of::<AsyncopHow>()),
        ("libxl_asyncprogress_how", size_of::<AsyncprogressHow>()),
        ("libxl_vminfo", size_of::<Vminfo>()),
        ("libxl_bitmap", size_of::<Bitmap>()),
        ("libxl_uuid", size_of::<Uuid>()),
        (PSR_HW_INFO, size_of::<PsrHwInfo>()),
    ];
    with_headers(|compiler, release| {
        let exists = |of: &str| of != PSR_HW_INFO || release >= Release::new(4, 11);
        let mut source = INCLUDES.to_owned();
        for (of, size) in structs.into_iter().filter(|(of, _)| exists(of)) {
            let _ = writeln!(source, "_Static_assert(sizeof({of}) == {size}, \"{of}\");");
        }
        for Field { of, name, offset, size, .. } in fields().into_iter().filter(|field| exists(field.of)) {
            let _ = writeln!(
                source,
                "_Static_assert(offsetof({of}, {name}) == {offset}, \"offset of {of}.{name}\");\n\
                 _Static_assert(sizeof((({of} *)0)->{name}) == {size}, \"size of {of}.{name}\");"
            );
        }
        compiler.check(&source)
    })
}

pub(crate) fn hooks_have_the_types_of_the_headers() -> Outcome {
    let hooks: Vec<Field> = fields().into_iter().filter(|field| field.kind.contains("fn(")).collect();
    assert_eq!(hooks.len(), 15, "a callback in a struct is not checked");
    with_headers(|compiler, release| {
        let mut source = includes(release);
        for (number, Field { of, name, kind, .. }) in hooks.iter().enumerate() {
            let ours = declare(kind, "ours");
            let _ = writeln!(source, "void check{number}({of} *s) {{ {ours}; s->{name} = ours; }}");
        }
        compiler.check(&source)
    })
}

pub(crate) fn functions_have_the_types_of_the_headers() -> Outcome {
    with_headers(|compiler, release| {
        let mut source = String::new();
        if c_char::MIN == 0 {
            // As Rust has one type for both.
            source += "#include <stdint.h>\n#define uint8_t char\n";
        }
        source += &includes(release);
        for symbol in SYMBOLS.iter().filter(|symbol| symbol.since <= release) {
            if symbol.name == "libxl_get_scheduler" && release < Release::V4_7 {
                // Returns an enumeration there, which a C compiler returns like the int of later releases.
                continue;
            }
            let pointer = declare(symbol.signature(release), &format!("of_{}", symbol.name));
            let _ = writeln!(source, "{pointer} = {};", symbol.name);
        }
        compiler.check(&source)
    })
}

/// Functions of the headers that this crate does not declare, and why. A `*` stands for any ending.
const LEFT_OUT: &[(&str, &str)] = &[
    ("libxl_event_wait", "runs libxl's own loop (E8)"),
    ("libxl_osevent_beforepoll", "for libxl's own loop (E8)"),
    ("libxl_osevent_afterpoll", "for libxl's own loop (E8)"),
    ("libxl_vncviewer_exec", "replaces the process"),
    ("libxl_console_exec", "replaces the process"),
    ("libxl_primary_console_exec", "replaces the process"),
    ("libxl_domain_config_init", "found by the name of the struct"),
    ("libxl_domain_config_dispose", "found by the name of the struct"),
    ("libxl_domain_config_to_json", "found by the name of the struct; in this header up to 4.2"),
    ("libxl_bitmap_*", "a Bitmap is read and written in Rust"),
    ("libxl_defbool_*", "a field, which is read and written as JSON"),
    ("libxl_string_list_*", "a field, which is read and written as JSON"),
    ("libxl_key_value_list_*", "a field, which is read and written as JSON"),
    ("libxl_cpuid_policy_list_*", "a field, which is read and written as JSON"),
    ("libxl_ms_vm_genid_*", "a field, which is read and written as JSON; random bytes"),
    ("libxl_mac_copy", "a field, which is read and written as JSON"),
    ("libxl_hwcap_copy", "a field, which is read and written as JSON"),
    ("libxl_string_copy", "strdup(3)"),
    ("libxl_basename", "std::path"),
    ("libxl_fd_set_cloexec", "fcntl(2)"),
    ("libxl_fd_set_nonblock", "fcntl(2)"),
    ("libxl_pipe", "std::io"),
    ("libxl_read_exactly", "std::io"),
    ("libxl_write_exactly", "std::io"),
    ("libxl_read_file_contents", "std::fs"),
    ("libxl_create_logfile", "std::fs"),
    ("libxl_report_child_exitstatus", "std::process"),
    ("libxl_domain_need_memory_0x040700", "the form of an earlier release, under another name"),
    ("libxl_domain_need_memory_0x041200", "the form of an earlier release, under another name"),
    ("libxl_get_free_memory_0x040700", "the form of an earlier release, under another name"),
    ("libxl_get_memory_target_0x040700", "the form of an earlier release, under another name"),
    ("libxl_cpuid_apply_policy", "libxl calls it when it builds a domain; gone in 4.14"),
    ("libxl_cpuid_set", "libxl calls it when it builds a domain; gone in 4.14"),
    ("libxl_tmem_*", "gone from Xen in 4.13; fails since then"),
    ("libxl_vtpminfo_list_free", "for an array that no function returns; gone in 4.10"),
];

/// Each is declared from the release on that has it, or left out for a reason. That a function is still there in a later release,
/// with its type, is what the case above compiles.
pub(crate) fn every_function_of_the_headers_is_declared_or_left_out() -> Outcome {
    let mut unused = BTreeSet::from_iter(LEFT_OUT.iter().map(|(left_out, _)| *left_out));
    let outcome = with_headers(|compiler, release| {
        let functions = functions(&compiler.preprocess(INCLUDES)?);
        if functions.len() < 150 {
            return Err(format!("only {functions:?} are found").into());
        }
        let mut wrong = Vec::new();
        for function in functions {
            let left_out =
                LEFT_OUT.iter().map(|(left_out, _)| *left_out).find(|left_out| match left_out.strip_suffix('*') {
                    Some(beginning) => function.starts_with(beginning),
                    None => function == *left_out,
                });
            match SYMBOLS.iter().find(|symbol| symbol.name == function) {
                Some(symbol) if symbol.since <= release => {}
                Some(symbol) => wrong.push(format!("{function} is declared for {} and later only", symbol.since)),
                None if left_out.is_some_and(|left_out| {
                    unused.remove(left_out);
                    true
                }) => {}
                None => wrong.push(format!("{function} is not declared")),
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
    })?;
    // Those that are gone are only in headers of early releases.
    if env::var_os("XEN_HEADERS").is_some() {
        for left_out in unused {
            eprintln!("{left_out} is left out, but not in any of the headers");
        }
    }
    Ok(outcome)
}

/// The functions that `libxl.h`, `libxl_event.h` and `libxl_utils.h` declare, without those that they define.
fn functions(preprocessed: &str) -> BTreeSet<String> {
    let mut text = String::new();
    let mut ours = false;
    let mut depth = 0;
    for line in preprocessed.lines() {
        if let Some(mark) = line.strip_prefix("# ") {
            let file = mark.split('"').nth(1).unwrap_or_default();
            ours = ["libxl.h", "libxl_event.h", "libxl_utils.h"].contains(&file.rsplit('/').next().unwrap_or(file));
        } else if ours {
            for sign in line.chars() {
                match sign {
                    '{' => depth += 1,
                    '}' => {
                        depth -= 1;
                        text.push(';');
                    }
                    sign if depth == 0 => text.push(sign),
                    _ => {}
                }
            }
            text.push(' ');
        }
    }
    let declared = text.split(';').filter_map(|declaration| {
        let (before, _) = declaration.split_once('(')?;
        let name = before.trim_end().rsplit([' ', '*']).next()?;
        let declares = !before.contains("typedef") && !before.contains("inline") && name.starts_with("libxl_");
        declares.then(|| name.to_owned())
    });
    declared.collect()
}

pub(crate) fn constants_have_the_values_of_the_headers() -> Outcome {
    let since_4_7 = [("LIBXL_SHUTDOWN_REASON_SOFT_RESET", codes::SHUTDOWN_REASON_SOFT_RESET.into())];
    let since_4_4 = [
        ("LIBXL_SHUTDOWN_REASON_UNKNOWN", codes::SHUTDOWN_REASON_UNKNOWN.into()),
        ("libxl_sigchld_owner_libxl_always_selective_reap", children::SIGCHLD_OWNER_LIBXL_ALWAYS_SELECTIVE_REAP.into()),
    ];
    let always: [(&str, i64); 25] = [
        ("LIBXL_VERSION", codes::LIBXL_VERSION.into()),
        ("LIBXL_EVENT_TYPE_DOMAIN_SHUTDOWN", codes::EVENT_TYPE_DOMAIN_SHUTDOWN.into()),
        ("LIBXL_EVENT_TYPE_DOMAIN_DEATH", codes::EVENT_TYPE_DOMAIN_DEATH.into()),
        ("LIBXL_EVENT_TYPE_DISK_EJECT", codes::EVENT_TYPE_DISK_EJECT.into()),
        ("LIBXL_EVENT_TYPE_OPERATION_COMPLETE", codes::EVENT_TYPE_OPERATION_COMPLETE.into()),
        ("LIBXL_EVENT_TYPE_DOMAIN_CREATE_CONSOLE_AVAILABLE", codes::EVENT_TYPE_DOMAIN_CREATE_CONSOLE_AVAILABLE.into()),
        ("LIBXL_SHUTDOWN_REASON_POWEROFF", codes::SHUTDOWN_REASON_POWEROFF.into()),
        ("LIBXL_SHUTDOWN_REASON_REBOOT", codes::SHUTDOWN_REASON_REBOOT.into()),
        ("LIBXL_SHUTDOWN_REASON_SUSPEND", codes::SHUTDOWN_REASON_SUSPEND.into()),
        ("LIBXL_SHUTDOWN_REASON_CRASH", codes::SHUTDOWN_REASON_CRASH.into()),
        ("LIBXL_SHUTDOWN_REASON_WATCHDOG", codes::SHUTDOWN_REASON_WATCHDOG.into()),
        ("LIBXL_SUSPEND_DEBUG", codes::SUSPEND_DEBUG.into()),
        ("LIBXL_SUSPEND_LIVE", codes::SUSPEND_LIVE.into()),
        ("libxl_sigchld_owner_libxl", children::SIGCHLD_OWNER_LIBXL.into()),
        ("libxl_sigchld_owner_mainloop", children::SIGCHLD_OWNER_MAINLOOP.into()),
        ("libxl_sigchld_owner_libxl_always", children::SIGCHLD_OWNER_LIBXL_ALWAYS.into()),
        ("XTL_NONE", log::LEVEL_NONE.into()),
        ("XTL_DEBUG", log::LEVEL_DEBUG.into()),
        ("XTL_VERBOSE", log::LEVEL_VERBOSE.into()),
        ("XTL_DETAIL", log::LEVEL_DETAIL.into()),
        ("XTL_PROGRESS", log::LEVEL_PROGRESS.into()),
        ("XTL_INFO", log::LEVEL_INFO.into()),
        ("XTL_NOTICE", log::LEVEL_NOTICE.into()),
        ("XTL_WARN", log::LEVEL_WARN.into()),
        ("XTL_ERROR", log::LEVEL_ERROR.into()),
    ];
    with_headers(|compiler, release| {
        let mut source = INCLUDES.to_owned();
        let mut constants = always.to_vec();
        constants.push(("XTL_CRITICAL", log::LEVEL_CRITICAL.into()));
        if release >= Release::V4_4 {
            constants.extend(since_4_4);
        }
        if release >= Release::V4_7 {
            constants.extend(since_4_7);
        }
        for (name, value) in constants {
            let _ = writeln!(source, "_Static_assert({name} == {value}, \"{name}\");");
        }
        let all = codes::EVENTMASK_ALL;
        let _ = writeln!(source, "_Static_assert(LIBXL_EVENTMASK_ALL == {all}u, \"mask\");");
        compiler.check(&source)
    })
}

/// Also the other way round: a name of ours that the headers lack is a mistake.
pub(crate) fn every_error_of_the_headers_has_its_name() -> Outcome {
    with_headers(|compiler, _| {
        let text = compiler.preprocess(INCLUDES)?;
        let mut theirs = Vec::new();
        for line in text.split([',', '{', '}', '\n']) {
            if let Some((name, value)) = line.trim().split_once(" = ")
                && name.starts_with("ERROR_")
            {
                // 4.5 and 4.6 had the first of these words.
                theirs.push((value.parse::<i32>()?, name.replace("_REMUS_", "_CHECKPOINT_")));
            }
        }
        let newest = theirs.iter().map(|(value, _)| *value).min().unwrap_or(0);
        let ours: Vec<(i32, String)> =
            (newest..0).rev().filter_map(|code| Some((code, codes::error_name(code)?.to_owned()))).collect();
        if theirs.len() < 14 || theirs != ours {
            return Err(format!("{theirs:?}\nours: {ours:?}").into());
        }
        Ok(())
    })
}

/// With so much room to spare that a release to come fits, too.
pub(crate) fn an_opaque_buffer_holds_every_struct() -> Outcome {
    with_headers(|compiler, release| {
        let mut structs = BTreeSet::new();
        for symbol in SYMBOLS.iter().filter(|symbol| symbol.since <= release) {
            let words = symbol.signature(release).split(|sign: char| !sign.is_alphanumeric() && !"_:".contains(sign));
            structs.extend(words.filter(|word| word.starts_with("xenlight_sys::domain::")));
        }
        // The headers do not define it.
        structs.remove(type_name::<XenConsoleReader>());
        if structs.len() < 20 {
            return Err(format!("only {structs:?} are found").into());
        }
        let mut source = INCLUDES.to_owned();
        for of in structs {
            let of = declare(of, "");
            let _ = writeln!(source, "_Static_assert(sizeof({of}) * 16 <= {OPAQUE_SIZE}, \"{of}\");");
        }
        compiler.check(&source)
    })
}

/// A field of a struct that is laid out here.
struct Field {
    of: &'static str,
    name: &'static str,
    offset: usize,
    size: usize,
    kind: &'static str,
}

fn field<S, F>(of: &'static str, name: &'static str, offset: usize, _: fn(&S) -> F) -> Field {
    Field { of, name, offset, size: size_of::<F>(), kind: type_name::<F>() }
}

fn fields() -> Vec<Field> {
    let osevent = "libxl_osevent_hooks";
    let event_hooks = "libxl_event_hooks";
    let event = "libxl_event";
    let childproc = "libxl_childproc_hooks";
    let logger = "xentoollog_logger";
    let asyncop = "libxl_asyncop_how";
    let progress = "libxl_asyncprogress_how";
    let vminfo = "libxl_vminfo";
    let bitmap = "libxl_bitmap";
    let detail = offset_of!(Event, detail);
    let union = offset_of!(AsyncopHow, u);
    vec![
        field(osevent, "fd_register", offset_of!(OseventHooks, fd_register), |s: &OseventHooks| s.fd_register),
        field(osevent, "fd_modify", offset_of!(OseventHooks, fd_modify), |s: &OseventHooks| s.fd_modify),
        field(osevent, "fd_deregister", offset_of!(OseventHooks, fd_deregister), |s: &OseventHooks| s.fd_deregister),
        field(osevent, "timeout_register", offset_of!(OseventHooks, timeout_register), |s: &OseventHooks| {
            s.timeout_register
        }),
        field(osevent, "timeout_modify", offset_of!(OseventHooks, timeout_modify), |s: &OseventHooks| s.timeout_modify),
        field(osevent, "timeout_deregister", offset_of!(OseventHooks, timeout_deregister), |s: &OseventHooks| {
            s.timeout_deregister
        }),
        field(event_hooks, "event_occurs_mask", offset_of!(EventHooks, event_occurs_mask), |s: &EventHooks| {
            s.event_occurs_mask
        }),
        field(event_hooks, "event_occurs", offset_of!(EventHooks, event_occurs), |s: &EventHooks| s.event_occurs),
        field(event_hooks, "disaster", offset_of!(EventHooks, disaster), |s: &EventHooks| s.disaster),
        field(event, "domid", offset_of!(Event, domid), |s: &Event| s.domid),
        field(event, "domuuid", offset_of!(Event, domuuid), |s: &Event| s.domuuid),
        field(event, "for_user", offset_of!(Event, for_user), |s: &Event| s.for_user),
        field(event, "type", offset_of!(Event, kind), |s: &Event| s.kind),
        // SAFETY: never called; only its type is looked at.
        field(event, "u.domain_shutdown.shutdown_reason", detail, |s: &Event| unsafe { s.detail.shutdown_reason }),
        // SAFETY: likewise.
        field(event, "u.disk_eject.vdev", detail, |s: &Event| unsafe { s.detail.vdev }),
        // SAFETY: likewise.
        field(event, "u.operation_complete.rc", detail, |s: &Event| unsafe { s.detail.rc }),
        field(childproc, "chldowner", offset_of!(ChildprocHooks, chldowner), |s: &ChildprocHooks| s.chldowner),
        field(childproc, "fork_replacement", offset_of!(ChildprocHooks, fork_replacement), |s: &ChildprocHooks| {
            s.fork_replacement
        }),
        field(childproc, "reaped_callback", offset_of!(ChildprocHooks, reaped_callback), |s: &ChildprocHooks| {
            s.reaped_callback
        }),
        field(logger, "vmessage", offset_of!(Logger, vmessage), |s: &Logger| s.vmessage),
        field(logger, "progress", offset_of!(Logger, progress), |s: &Logger| s.progress),
        field(logger, "destroy", offset_of!(Logger, destroy), |s: &Logger| s.destroy),
        field(asyncop, "callback", offset_of!(AsyncopHow, callback), |s: &AsyncopHow| s.callback),
        // SAFETY: likewise.
        field(asyncop, "u.for_event", union, |s: &AsyncopHow| unsafe { s.u.for_event }),
        // SAFETY: likewise.
        field(asyncop, "u.for_callback", union, |s: &AsyncopHow| unsafe { s.u.for_callback }),
        field(progress, "callback", offset_of!(AsyncprogressHow, callback), |s: &AsyncprogressHow| s.callback),
        field(progress, "for_event", offset_of!(AsyncprogressHow, for_event), |s: &AsyncprogressHow| s.for_event),
        field(progress, "for_callback", offset_of!(AsyncprogressHow, for_callback), |s: &AsyncprogressHow| {
            s.for_callback
        }),
        field(vminfo, "uuid", offset_of!(Vminfo, uuid), |s: &Vminfo| s.uuid),
        field(vminfo, "domid", offset_of!(Vminfo, domid), |s: &Vminfo| s.domid),
        field(bitmap, "size", offset_of!(Bitmap, size), |s: &Bitmap| s.size),
        field(bitmap, "map", offset_of!(Bitmap, map), |s: &Bitmap| s.map),
        field(PSR_HW_INFO, "id", offset_of!(PsrHwInfo, id), |s: &PsrHwInfo| s.id),
        field(PSR_HW_INFO, "type", offset_of!(PsrHwInfo, kind), |s: &PsrHwInfo| s.kind),
        field(PSR_HW_INFO, "u", offset_of!(PsrHwInfo, u), |s: &PsrHwInfo| s.u),
        field("libxl_uuid", "uuid", offset_of!(Uuid, uuid), |s: &Uuid| s.uuid),
    ]
}

/// Runs a case with each set of headers, or says why it cannot.
fn with_headers(mut case: impl FnMut(&Compiler, Release) -> Result<(), Failed>) -> Outcome {
    match Compiler::find_with_headers() {
        Ok(all) => {
            for (compiler, release) in all {
                case(&compiler, release).map_err(|failed| {
                    Failed::from(format!("headers of {release}: {}", failed.message().unwrap_or("a failure")))
                })?;
            }
            Ok(Completion::Completed)
        }
        Err(reason) => Ok(Completion::ignored_with(reason)),
    }
}
