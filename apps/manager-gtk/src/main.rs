//! A manager of the virtual machines of a Xen host, for GTK 4.
//!
//! - `engine`: what can be asked of a host. It is the only part that knows xenlight.
//! - `model`: what is known of the host, as objects with properties: its domains, and the tasks that are at work.
//! - `view`: the widgets, one a file, bound to these properties.
//! - `measure`: how long the main loop is busy at a time.
//! - `settings`: what its user has set.
//! - `application`: one process for each user, its actions and its command line, which has the `options`.

mod application;
mod engine;
mod i18n;
mod measure;
#[expect(unreachable_pub, reason = "the accessors that glib makes of properties")]
mod model;
#[cfg(test)]
mod on_a_context;
mod options;
mod settings;
mod view;

use osevent_standin_machine::demo::{self, Domain, Side};
use std::process::ExitCode;

fn main() -> ExitCode {
    i18n::begin();
    if application::is_given(&options::DEMO) {
        match demo::enter(&demo_domains()) {
            Ok(Side::Machine(code)) => return code,
            Ok(Side::Program) => {}
            Err(error) => {
                eprintln!(
                    "{}",
                    i18n::with(
                        i18n::gettext("The demonstration cannot start: {error}"),
                        &[("error", &error.to_string())]
                    )
                );
                return ExitCode::FAILURE;
            }
        }
    }
    application::run().into()
}

/// What there is to be seen, without Xen.
fn demo_domains() -> [Domain; 6] {
    [
        Domain::new("web").memory_mib(512).vcpus(2),
        Domain::new("database").memory_mib(2048).vcpus(4),
        Domain::new("mail").memory_mib(256),
        Domain::new("build").memory_mib(1024).vcpus(8),
        Domain::new("spare").memory_mib(128).paused(),
        Domain::new("خادم الاختبار").memory_mib(64),
    ]
}
