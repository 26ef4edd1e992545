//! The widgets.
//!
//! ```text
//! Window
//! ├── StatusPage        no connection: what to do
//! └── Leaflet           side by side, or one at a time in a narrow window
//!     ├── DomainRow …   the list, with search
//!     └── Details       the chosen domain
//! TasksButton           what is at work, in a popover
//! ```

mod accessible;
mod actions;
mod amount_dialog;
#[cfg(test)]
mod closed;
mod config_editor;
mod confirm;
mod console;
mod content;
mod create_form;
mod create_window;
mod details;
mod device_dialogs;
mod device_groups;
mod disk_fields;
mod domain_row;
mod edit_window;
mod failure_view;
mod files;
mod form;
mod groups;
mod host_window;
mod journal_window;
mod load_graph;
mod migrate_dialog;
mod pages;
mod preferences;
mod questions;
mod rename_dialog;
mod screen;
mod several;
mod shortcuts;
mod sidebar;
mod tasks_button;
mod terminal;
mod window;
mod wording;

pub(crate) use shortcuts::keys;
pub(crate) use window::Window;
