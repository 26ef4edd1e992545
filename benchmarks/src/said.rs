//! What libxl says, with the time of each line: where the time of an operation goes.

use log::{LevelFilter, Log, Metadata, Record};
use std::fmt::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

struct Said(Mutex<Vec<(Instant, String)>>);

static SAID: Said = Said(Mutex::new(vec![]));

impl Log for Said {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push((Instant::now(), record.args().to_string()));
    }

    fn flush(&self) {}
}

/// Keeps what is said while `act` runs, and writes it into the file: milliseconds since the beginning, and since the line before.
pub(crate) fn written<T>(file: &Path, act: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    log::set_logger(&SAID).map_err(|error| anyhow::anyhow!("{error}"))?;
    log::set_max_level(LevelFilter::Trace);
    let began = Instant::now();
    let done = act()?;
    SAID.log(&Record::builder().args(format_args!("the end")).build());
    log::set_max_level(LevelFilter::Off);
    let lines = SAID.0.lock().unwrap_or_else(PoisonError::into_inner);
    let mut text = String::new();
    let mut before = began;
    for (at, line) in lines.iter() {
        let [since, after] = [*at - began, *at - before].map(|time| time.as_secs_f64() * 1e3);
        writeln!(text, "{since:9.2} {after:8.2}  {line}")?;
        before = *at;
    }
    std::fs::write(file, text)?;
    Ok(done)
}
