//! The files that a run was asked for.

use super::{Report, json, junit, page, tap};
use anyhow::Context;
use clap::Args;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

/// Which files.
#[derive(Args)]
pub(crate) struct Files {
    /// Write the results to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the results to this file, in the Test Anything Protocol.
    #[arg(long, value_name = "FILE")]
    tap: Option<PathBuf>,
    /// Write the results to this file, as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write the results to this file, as one HTML page with each case's steps over time.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

type Format = fn(&Report) -> String;

/// One of them, open.
pub(crate) struct Open {
    path: PathBuf,
    file: File,
    format: Format,
}

impl Files {
    /// Creates them, so that a long run does not end in a path that cannot be written.
    pub(crate) fn create(&self) -> anyhow::Result<Vec<Open>> {
        let formats: [(_, Format); 4] =
            [(&self.json, json), (&self.tap, tap), (&self.junit, junit), (&self.html, page)];
        let wanted = formats.into_iter().filter_map(|(path, format)| Some((path.clone()?, format)));
        wanted
            .map(|(path, format)| {
                let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
                Ok(Open { path, file, format })
            })
            .collect()
    }
}

impl Open {
    /// Fills the file.
    pub(crate) fn write(mut self, report: &Report) -> anyhow::Result<()> {
        let text = (self.format)(report);
        self.file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", self.path.display()))
    }
}
