use anyhow::Context;
use std::path::Path;

/// A file for xl, whose domain gets other names.
pub(crate) struct XlFile(String);

impl XlFile {
    /// The name has to be in a line of its own.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("name"));
        Ok(Self(lines.map(|line| format!("{line}\n")).collect()))
    }

    pub(crate) fn named(&self, name: &str) -> String {
        format!("{}name = \"{name}\"\n", self.0)
    }
}
