//! The program: one process for each user, its actions and its command line.

use crate::i18n::{gettext, with};
use crate::measure;
use crate::model::Session;
use crate::options::{ABOUT, CommandOption, DEMO, FILES, OPEN, OPTIONS, SERVICE, VERSION};
use crate::view::{Window, keys};
use adw::prelude::*;
use gtk::glib::clone;
use gtk::{gio, glib};
use std::ops::ControlFlow;

const ID: &str = "org.osevent.Manager";

pub(crate) fn run() -> glib::ExitCode {
    let mut flags = gio::ApplicationFlags::HANDLES_COMMAND_LINE;
    // It is on another machine than a window that is open.
    flags.set(gio::ApplicationFlags::NON_UNIQUE, is_given(&DEMO));
    let application = adw::Application::builder().application_id(ID).flags(flags).build();
    glib::set_application_name(&gettext("Xen Domains"));
    application.set_option_context_parameter_string(Some(&gettext(FILES)));
    application.set_option_context_summary(Some(&gettext(ABOUT)));
    for option in OPTIONS {
        let short = option.short.map_or(0, |letter| letter as u8);
        let kind = if option.value.is_some() { glib::OptionArg::String } else { glib::OptionArg::None };
        application.add_main_option(
            option.long,
            glib::Char::from(short),
            glib::OptionFlags::NONE,
            kind,
            &gettext(option.text),
            option.value.map(gettext).as_deref(),
        );
    }
    // For those who work on it.
    let hidden = glib::OptionFlags::HIDDEN;
    application.add_main_option("measure", glib::Char::from(0), hidden, glib::OptionArg::None, "", None);
    // Also where there is no desktop.
    application.connect_handle_local_options(|_, options| {
        if !options.contains(VERSION.long) {
            return ControlFlow::Continue(());
        }
        println!("osevent-manager {}", env!("CARGO_PKG_VERSION"));
        ControlFlow::Break(glib::ExitCode::SUCCESS)
    });
    let session = Session::new(is_given(&SERVICE));
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
            if command.options_dict().contains("measure") {
                measure::begin(application, &session);
            }
            let files = command.arguments().into_iter().skip(1).map(|file| command.create_file_for_arg(file));
            let files: Vec<_> = files.filter_map(|file| file.path()).collect();
            let open = command.options_dict().lookup::<String>(OPEN.long);
            let of = session.clone();
            session.when_opened(move || {
                files.into_iter().for_each(|path| of.open_file(path));
                if let Ok(Some(name)) = open
                    && !window.choose(&name)
                {
                    window.say(&with(gettext("There is no domain {name}"), &[("name", &name)]));
                }
            });
            glib::ExitCode::SUCCESS
        }
    ));
    application.run()
}

/// Whether the option is among the arguments: some have to be known before GLib reads them.
pub(crate) fn is_given(option: &CommandOption) -> bool {
    std::env::args().any(|argument| argument.strip_prefix("--") == Some(option.long))
}

/// The window that there is, or the first. It may be about to go, but somebody wants it now.
fn window(application: &adw::Application, session: &Session) -> Window {
    let there = application.windows().into_iter().find_map(|window| window.downcast().ok());
    let window = there.unwrap_or_else(|| Window::new(application, session));
    window.stay();
    window
}

fn add_actions(application: &adw::Application) {
    for (action, key, _) in keys() {
        application.set_accels_for_action(action, &[key]);
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
