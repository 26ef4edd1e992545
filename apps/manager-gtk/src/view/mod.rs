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
mod amount_dialog;
mod confirm;
mod console;
mod details;
mod domain_row;
mod failure_view;
mod files;
mod pages;
mod questions;
mod rename_dialog;
mod tasks_button;
mod terminal;
mod window;
mod wording;

pub(crate) use window::Window;
