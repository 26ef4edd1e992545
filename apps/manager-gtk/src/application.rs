//! The program: one process for each user, its actions and its command line.

use crate::i18n::{gettext, with};
use crate::model::Session;
use crate::view::Window;
use adw::prelude::*;
use gtk::glib::clone;
use gtk::{gio, glib};

const ID: &str = "org.osevent.Manager";

/// Shows the program on a simulated machine.
pub(crate) const DEMO: &str = "--demo";

/// Actions and their keys.
const KEYS: [(&str, &[&str]); 10] = [
    ("window.close", &["<Control>w"]),
    ("app.quit", &["<Control>q"]),
    ("win.search", &["<Control>f"]),
    ("win.pause", &["<Control>p"]),
    ("win.resume", &["<Control>r"]),
    ("win.console", &["<Control>t"]),
    ("win.rename", &["F2"]),
    ("win.open-file", &["<Control>o"]),
    ("win.save", &["<Control>s"]),
    ("win.destroy", &["<Control>Delete"]),
];

pub(crate) fn run() -> glib::ExitCode {
    let mut flags = gio::ApplicationFlags::HANDLES_COMMAND_LINE;
    // It is on another machine than a window that is open.
    flags.set(gio::ApplicationFlags::NON_UNIQUE, std::env::args().any(|argument| argument == DEMO));
    let application = adw::Application::builder().application_id(ID).flags(flags).build();
    glib::set_application_name(&gettext("Xen Domains"));
    application.set_option_context_parameter_string(Some(&gettext("[FILE…]")));
    application.set_option_context_summary(Some(&gettext(
        "Manages the domains of this Xen host. A file is a configuration of xl's, one as JSON, or a saved domain.",
    )));
    application.add_main_option(
        "open",
        glib::Char::from(b'o'),
        glib::OptionFlags::NONE,
        glib::OptionArg::String,
        &gettext("Show the domain with this name or number"),
        Some(&gettext("NAME")),
    );
    application.add_main_option(
        DEMO.trim_start_matches('-'),
        glib::Char::from(0),
        glib::OptionFlags::NONE,
        glib::OptionArg::None,
        &gettext("Show a simulated machine, without Xen"),
        None,
    );
    let session = Session::default();
    application.connect_startup(clone!(
        #[strong]
        session,
        move |application| {
            add_actions(application);
            session.open();
        }
    ));
    application.connect_activate(clone!(
        #[strong]
        session,
        move |application| window(application, &session).present()
    ));
    application.connect_command_line(clone!(
        #[strong]
        session,
        move |application, command| {
            let window = window(application, &session);
            window.present();
            let files = command.arguments().into_iter().skip(1).map(|file| command.create_file_for_arg(file));
            files.filter_map(|file| file.path()).for_each(|path| session.open_file(path));
            if let Ok(Some(name)) = command.options_dict().lookup::<String>("open")
                && !window.choose(&name)
            {
                window.say(&with(gettext("There is no domain {name}"), &[("name", &name)]));
            }
            glib::ExitCode::SUCCESS
        }
    ));
    application.run()
}

/// The window that there is, or the first.
fn window(application: &adw::Application, session: &Session) -> Window {
    let there = application.windows().into_iter().find_map(|window| window.downcast().ok());
    there.unwrap_or_else(|| Window::new(application, session))
}

fn add_actions(application: &adw::Application) {
    for (action, keys) in KEYS {
        application.set_accels_for_action(action, keys);
    }
    let quit = gio::ActionEntry::builder("quit").activate(|application: &adw::Application, _, _| {
        application.windows().iter().for_each(gtk::Window::close);
    });
    let about = gio::ActionEntry::builder("about").activate(|application: &adw::Application, _, _| {
        let about = adw::AboutWindow::builder()
            .application_name(gettext("Xen Domains"))
            .application_icon(ID)
            .version(env!("CARGO_PKG_VERSION"))
            .developer_name(gettext("The osevent developers"))
            .website(env!("CARGO_PKG_REPOSITORY"))
            .license_type(gtk::License::MitX11)
            .modal(true)
            .build();
        about.set_transient_for(application.active_window().as_ref());
        about.present();
    });
    application.add_action_entries([quit.build(), about.build()]);
}
