//! The one place where Rust receives a `va_list`.

use std::ffi::{c_char, c_int, c_uint};
use std::ptr;
use std::sync::Mutex;

use libtest_mimic::{Completion, Failed};
use xenlight_sys::log::{Logger, VaList, format_message};

use crate::Outcome;
use crate::compiler::Compiler;

/// More arguments than the registers hold, of both kinds; one that fits, one that is cut off, and an
/// empty buffer.
pub(crate) fn a_message_of_c_is_formatted() -> Outcome {
    let compiler = match Compiler::find() {
        Ok(compiler) => compiler,
        Err(reason) => return Ok(Completion::ignored_with(reason)),
    };
    let path = compiler.shared_object("speaker.so", SPEAKER, &[])?;
    // SAFETY: made of the source below, without initialisers.
    let object = unsafe { libloading::Library::new(path) }?;
    // SAFETY: `speak` is of this type in the source below.
    let speak = unsafe { object.get::<Speak>("speak") }?;
    let mut logger = Logger { vmessage: hear, progress: None, destroy };
    // SAFETY: the logger outlives the call.
    unsafe { speak(&mut logger) };
    let heard = HEARD.lock().map_err(|_| Failed::from("the listener panicked"))?;
    let long = "1 2 3 4 5 6 7 8 nine 0.5 1.5 2.5 3.5 4.5 5.5 6.5 7.5 8.5 9.5 10.5 11";
    assert_eq!(*heard, [(8, 5, long.to_owned()), (1, -1, long[..9].to_owned()), (4, 0, String::new())]);
    Ok(Completion::Completed)
}

type Speak = unsafe extern "C" fn(*mut Logger);

static HEARD: Mutex<Vec<(c_uint, c_int, String)>> = Mutex::new(Vec::new());

unsafe extern "C" fn hear(
    _: *mut Logger,
    level: c_uint,
    errno: c_int,
    context: *const c_char,
    format: *const c_char,
    arguments: VaList,
) {
    let mut buffer = [0; 200];
    let size = match level {
        8 => 200,
        1 => 10,
        _ => 0,
    };
    // SAFETY: as `speak` passed them on, in this very call.
    let text = unsafe { format_message(&mut buffer[..size], format, arguments) };
    let text = String::from_utf8_lossy(text).into_owned();
    assert_eq!(context, ptr::null());
    if let Ok(mut heard) = HEARD.lock() {
        heard.push((level, errno, text));
    }
}

unsafe extern "C" fn destroy(_: *mut Logger) {}

const SPEAKER: &str = r#"
#include <stdarg.h>
struct logger {
    void (*vmessage)(struct logger *, int, int, const char *, const char *, va_list);
};
static void say(struct logger *logger, int level, int err, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    logger->vmessage(logger, level, err, 0, format, arguments);
    va_end(arguments);
}
#define LONG "%d %d %d %d %d %d %d %d %s %.1f %.1f %.1f %.1f %.1f %.1f %.1f %.1f %.1f %.1f %.1f %d", \
    1, 2, 3, 4, 5, 6, 7, 8, "nine", 0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 10.5, 11
void speak(struct logger *logger) {
    say(logger, 8, 5, LONG);
    say(logger, 1, -1, LONG);
    say(logger, 4, 0, LONG);
}
"#;
