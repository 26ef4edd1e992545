//! What a disk shall be, as it is filled in.

use super::form::{self, Changed, Choice};
use crate::engine::{DraftDisk, Format};
use crate::i18n::gettext;
use gtk::prelude::*;

const FORMATS: [Format; 3] = [Format::Raw, Format::Qcow2, Format::Vhd];

pub(super) struct DiskFields {
    pub(super) path: gtk::Entry,
    pub(super) format: Choice,
    pub(super) is_read_only: gtk::CheckButton,
}

impl DiskFields {
    /// With the line that has its path; the others are to be placed.
    pub(super) fn new(title: &str, changed: &Changed) -> (adw::ActionRow, Self) {
        let (row, path) = form::file(title, changed);
        let format = Choice::new(&gettext("Format"), &["raw", "qcow2", "vhd"], changed);
        (row, Self { path, format, is_read_only: gtk::CheckButton::with_label(&gettext("Read Only")) })
    }

    /// What is filled in.
    pub(super) fn draft(&self) -> DraftDisk {
        DraftDisk {
            path: self.path.text().trim().to_owned(),
            format: FORMATS[self.format.chosen()],
            is_read_only: self.is_read_only.is_active(),
        }
    }
}
