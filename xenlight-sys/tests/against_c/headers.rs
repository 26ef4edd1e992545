//! Cases that compile C against Xen's headers.

use std::any::type_name;
use std::ffi::c_char;
use std::fmt::Write as _;
use std::mem::offset_of;

use libtest_mimic::Completion;
use xenlight_sys::children::{self, ChildprocHooks};
use xenlight_sys::domain::{AsyncopHow, AsyncprogressHow, Bitmap, OPAQUE_SIZE, Uuid, Vminfo};
use xenlight_sys::event::{Event, EventHooks, OseventHooks};
use xenlight_sys::log::{self, Logger};
use xenlight_sys::{Release, SYMBOLS, codes};

use crate::Outcome;
use crate::c_type::declare;
use crate::compiler::Compiler;

const INCLUDES: &str = "#include <stddef.h>\n#include <libxl.h>\n#include <libxl_event.h>\n#include <libxl_utils.h>\n";

/// E3 for the event's head; contract V for vminfo.
pub(crate) fn structs_lie_as_in_the_headers() -> Outcome {
    let mut source = INCLUDES.to_owned();
    for (of, size) in [
        ("libxl_osevent_hooks", size_of::<OseventHooks>()),
        ("libxl_event_hooks", size_of::<EventHooks>()),
        ("libxl_childproc_hooks", size_of::<ChildprocHooks>()),
        ("xentoollog_logger", size_of::<Logger>()),
        ("libxl_asyncop_how", size_of::<AsyncopHow>()),
        ("libxl_asyncprogress_how", size_of::<AsyncprogressHow>()),
        ("libxl_vminfo", size_of::<Vminfo>()),
        ("libxl_bitmap", size_of::<Bitmap>()),
        ("libxl_uuid", size_of::<Uuid>()),
    ] {
        let _ = writeln!(source, "_Static_assert(sizeof({of}) == {size}, \"{of}\");");
    }
    for Field { of, name, offset, size, .. } in fields() {
        let _ = writeln!(
            source,
            "_Static_assert(offsetof({of}, {name}) == {offset}, \"offset of {of}.{name}\");\n\
             _Static_assert(sizeof((({of} *)0)->{name}) == {size}, \"size of {of}.{name}\");"
        );
    }
    with_headers(|compiler, _| compiler.check(&source))
}

pub(crate) fn hooks_have_the_types_of_the_headers() -> Outcome {
    let mut source = INCLUDES.to_owned();
    let hooks: Vec<Field> = fields().into_iter().filter(|field| field.kind.contains("fn(")).collect();
    assert_eq!(hooks.len(), 15, "a callback in a struct is not checked");
    for (number, Field { of, name, kind, .. }) in hooks.into_iter().enumerate() {
        let ours = declare(kind, "ours");
        let _ = writeln!(source, "void check{number}({of} *s) {{ {ours}; s->{name} = ours; }}");
    }
    with_headers(|compiler, _| compiler.check(&source))
}

pub(crate) fn functions_have_the_types_of_the_headers() -> Outcome {
    with_headers(|compiler, release| {
        let mut source = INCLUDES.to_owned();
        if c_char::MIN == 0 {
            // As Rust has one type for both.
            source.insert_str(0, "#include <stdint.h>\n#define uint8_t char\n");
        }
        for symbol in SYMBOLS.iter().filter(|symbol| symbol.since <= release) {
            let pointer = declare(symbol.signature(release), &format!("of_{}", symbol.name));
            let _ = writeln!(source, "{pointer} = {};", symbol.name);
        }
        compiler.check(&source)
    })
}

pub(crate) fn constants_have_the_values_of_the_headers() -> Outcome {
    let mut source = INCLUDES.to_owned();
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
    with_headers(|compiler, release| {
        let text = compiler.preprocess(INCLUDES)?;
        let mut theirs = Vec::new();
        for line in text.split([',', '{', '}', '\n']) {
            if let Some((name, value)) = line.trim().split_once(" = ")
                && name.starts_with("ERROR_")
            {
                theirs.push((value.parse::<i32>()?, name.to_owned()));
            }
        }
        let newest = theirs.iter().map(|(value, _)| *value).min().unwrap_or(0);
        let ours: Vec<(i32, String)> =
            (newest..0).rev().filter_map(|code| Some((code, codes::error_name(code)?.to_owned()))).collect();
        if theirs.len() < 14 || theirs != ours {
            return Err(format!("headers of {release}: {theirs:?}\nours: {ours:?}").into());
        }
        Ok(())
    })
}

/// With so much room to spare that a release to come fits, too.
pub(crate) fn an_opaque_buffer_holds_every_struct() -> Outcome {
    with_headers(|compiler, release| {
        let mut source = INCLUDES.to_owned();
        let mut structs =
            vec!["libxl_domain_config", "libxl_dominfo", "libxl_device_nic", "libxl_device_disk", "libxl_version_info"];
        if release >= Release::V4_4 {
            structs.push("libxl_domain_restore_params");
        }
        for of in structs {
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
        field("libxl_uuid", "uuid", offset_of!(Uuid, uuid), |s: &Uuid| s.uuid),
    ]
}

/// Runs a case that needs the headers, or says why it cannot.
fn with_headers(case: impl FnOnce(&Compiler, Release) -> Result<(), libtest_mimic::Failed>) -> Outcome {
    match Compiler::find_with_headers() {
        Ok((compiler, release)) => case(&compiler, release).map(|()| Completion::Completed),
        Err(reason) => Ok(Completion::ignored_with(reason)),
    }
}
