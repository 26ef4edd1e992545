//! The log of a case, which is shown when the case fails.

use std::io::Write;
use std::sync::OnceLock;

type LogObserver = Box<dyn Fn(&log::Record<'_>) + Send + Sync>;

static OBSERVER: OnceLock<LogObserver> = OnceLock::new();

/// Calls `observer` for each line of the log, in the process of a case.
pub fn observe_log(observer: impl Fn(&log::Record<'_>) + Send + Sync + 'static) {
    let set = OBSERVER.set(Box::new(observer));
    debug_assert!(set.is_ok(), "a process has one case");
}

/// Makes this process log to stderr, where the log of a case is collected.
pub fn log_to_stderr(level: log::LevelFilter) {
    struct Stderr;
    impl log::Log for Stderr {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &log::Record<'_>) {
            // One write, so that lines of several threads do not mix.
            let line = format!("{} {}: {}\n", record.level(), record.target(), record.args());
            let _ = std::io::stderr().write_all(line.as_bytes());
            if let Some(observer) = OBSERVER.get() {
                observer(record);
            }
        }
        fn flush(&self) {}
    }
    // It fails only where a logger is set already.
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(level);
    }
}
