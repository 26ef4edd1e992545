//! Why something did not work.

use crate::i18n::{gettext, with};
use xenlight::Error;

/// Words for the user about what failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// One short sentence.
    pub(crate) summary: String,
    /// All that is known, in lines: to be copied into a report.
    pub(crate) details: String,
    /// It was aborted, as somebody wished.
    pub(crate) is_abort: bool,
}

impl Failure {
    pub(crate) fn new(summary: impl Into<String>) -> Self {
        let summary = summary.into();
        Self { details: summary.clone(), summary, is_abort: false }
    }

    /// It was aborted before anything has happened.
    pub(crate) fn aborted() -> Self {
        Self { is_abort: true, ..Self::new(gettext("Aborted")) }
    }
}

/// libxl says only in its log what the matter is: that is the summary, where there is a line of it.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let said = error.words().iter().find(|line| line.certain).map(|line| line.text.clone());
        let summary = match &error {
            Error::Open { advice, .. } => (*advice).to_owned(),
            Error::File { file, .. } => {
                with(gettext("The file {file} cannot be opened"), &[("file", &file.display().to_string())])
            }
            _ => said.unwrap_or_else(|| error.to_string()),
        };
        let mut details = error.to_string();
        for line in error.words() {
            details.push_str("\nlibxl: ");
            details.push_str(&line.text);
        }
        Self { summary, details, is_abort: error.is_aborted() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xenlight::{Code, MigrationState, MigrationStep, Words};

    #[test]
    fn an_aborted_migration_that_leaves_something_to_be_done_has_failed() {
        let aborted = |state| {
            let reason = Error::Libxl { doing: "migrate it", code: Code(-22), words: Words::default(), refusal: None };
            let error = Error::Migration { step: MigrationStep::Report, state, reason: Box::new(reason) };
            Failure::from(error)
        };
        assert!(aborted(MigrationState::AtSource).is_abort);
        let unknown = aborted(MigrationState::Unknown { name: "web--migratedaway".to_owned() });
        assert!(!unknown.is_abort && unknown.summary.contains("look at the target"), "{unknown:?}");
    }
}
