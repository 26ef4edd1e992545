//! A new domain: a form, then its configuration, and then it is created.

use super::config_editor::{self, ConfigEditor};
use super::create_form::CreateForm;
use super::form::{self, Changed};
use super::{Window, pages};
use crate::engine::Config;
use crate::i18n::gettext;
use crate::model::Session;
use adw::prelude::*;
use gtk::glib;
use gtk::glib::clone;
use std::rc::Rc;

struct CreateWindow {
    window: adw::Window,
    session: Session,
    pages: gtk::Stack,
    form: CreateForm,
    /// What is wrong with the form.
    problem: gtk::Label,
    editor: Rc<ConfigEditor>,
    back: gtk::Button,
    next: gtk::Button,
    create: gtk::Button,
}

/// Asks what the domain shall be.
pub(super) fn open(parent: &Window) {
    let create = CreateWindow::new(parent, &gettext("New Domain"));
    create.show_form();
    create.window.present();
    create.form.begin();
}

/// Begins with a configuration, of which `note` says something.
pub(super) fn open_with(parent: &Window, title: &str, config: &Config, note: &str) {
    let create = CreateWindow::new(parent, title);
    create.editor.show(config);
    create.show_editor();
    create.back.set_visible(false);
    create.editor.say(note, false);
    create.window.present();
}

impl CreateWindow {
    fn new(parent: &Window, title: &str) -> Rc<Self> {
        let create = Rc::new_cyclic(|create: &std::rc::Weak<Self>| {
            let weak = create.clone();
            let changed: Changed = Rc::new(move || weak.upgrade().into_iter().for_each(|create| create.sense()));
            Self {
                window: config_editor::window(parent, title),
                session: parent.session().clone(),
                pages: gtk::Stack::new(),
                form: CreateForm::new(&changed),
                problem: gtk::Label::builder().wrap(true).css_classes(["error"]).margin_top(6).margin_bottom(6).build(),
                editor: ConfigEditor::new(),
                back: gtk::Button::with_label(&gettext("Back")),
                next: gtk::Button::builder().label(gettext("Next")).css_classes(["suggested-action"]).build(),
                create: gtk::Button::builder().label(gettext("Create")).css_classes(["suggested-action"]).build(),
            }
        });
        create.build();
        create
    }

    /// Puts it together. The window has what it consists of, and lives as long as it.
    fn build(self: &Rc<Self>) {
        let header = form::cancel_header(&self.window);
        header.pack_start(&self.back);
        header.pack_end(&self.next);
        header.pack_end(&self.create);
        let form = gtk::Box::new(gtk::Orientation::Vertical, 0);
        self.form.widget().set_vexpand(true);
        form.append(self.form.widget());
        form.append(&self.problem);
        self.pages.add_named(&form, Some("form"));
        self.pages.add_named(self.editor.widget(), Some("editor"));
        let content = gtk::Box::new(gtk::Orientation::Vertical, 0);
        content.append(&header);
        content.append(&self.pages);
        self.window.set_content(Some(&content));
        self.back.connect_clicked(clone!(
            #[weak(rename_to = create)]
            self,
            move |_| create.show_form()
        ));
        self.next.connect_clicked(clone!(
            #[weak(rename_to = create)]
            self,
            move |_| create.go_on()
        ));
        let begin = clone!(
            #[weak(rename_to = create)]
            self,
            move |_: &gtk::Button| create.begin()
        );
        self.create.connect_clicked(begin);
        let weak = Rc::downgrade(self);
        self.editor.on_change(Rc::new(move || {
            weak.upgrade().into_iter().for_each(|create| create.create.set_sensitive(create.editor.config().is_some()))
        }));
        form::keep_while_open(&self.window, self);
    }

    fn show_form(&self) {
        pages::show(&self.pages, "form");
        self.back.set_visible(false);
        self.next.set_visible(true);
        self.create.set_visible(false);
        self.sense();
    }

    fn show_editor(&self) {
        pages::show(&self.pages, "editor");
        self.back.set_visible(true);
        self.next.set_visible(false);
        self.create.set_visible(true);
    }

    fn config(&self) -> Result<Config, (crate::engine::Field, String)> {
        let domains = self.session.domains();
        self.form.draft().config(|name| domains.has_name(name))
    }

    /// What is wrong with the form is said while it is filled in.
    fn sense(&self) {
        let wrong = self.config().err();
        self.form.sense(wrong.as_ref().map(|(field, _)| *field));
        self.next.set_sensitive(wrong.is_none());
        self.problem.set_text(&wrong.map(|(_, problem)| problem).unwrap_or_default());
    }

    /// From the form to the configuration, which is looked at by libxl.
    fn go_on(self: &Rc<Self>) {
        let Ok(config) = self.config() else { return };
        self.editor.show(&config);
        self.show_editor();
        glib::spawn_future_local(clone!(
            #[weak(rename_to = create)]
            self,
            async move {
                if let Err(failure) = create.session.check(config).await {
                    create.editor.say(&failure.summary, true);
                }
            }
        ));
    }

    /// Creates it. The window is there until that has succeeded.
    fn begin(self: &Rc<Self>) {
        let Some(config) = self.editor.config() else { return };
        let name = config.name().to_owned();
        let Some(task) = self.session.create(config) else { return };
        self.editor.say(&gettext("It is being created…"), false);
        let done = clone!(
            #[weak(rename_to = window)]
            self.window,
            move || {
                let parent = window.transient_for().and_downcast::<Window>();
                parent.into_iter().for_each(|parent| parent.choose_new(&name));
                window.close();
            }
        );
        self.editor.follow(&task, &self.create, done);
    }
}
