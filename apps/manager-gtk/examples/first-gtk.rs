//! A window with the domains of a host, and a button for each that shuts it down.

use std::error::Error;
use std::rc::Rc;

use futures_lite::StreamExt;
use gtk::prelude::*;
use gtk::{gio, glib};
use xenlight::{Ctx, Domain, Domains, Library};

fn main() -> glib::ExitCode {
    let flags = gio::ApplicationFlags::NON_UNIQUE;
    let application = gtk::Application::builder().application_id("org.osevent.First").flags(flags).build();
    application.connect_activate(|application| {
        if let Err(error) = open(application) {
            eprintln!("first-gtk: {error}");
            application.quit();
        }
    });
    application.run()
}

fn open(application: &gtk::Application) -> Result<(), Box<dyn Error>> {
    // libxl can work for seconds. On a thread of its own, it never holds up the window.
    let xen = osevent_glib::LibxlSource::builder().name("libxl").attach(&glib::MainContext::default())?;
    let ctx = Rc::new(Ctx::builder(&Library::load()?).own_thread().open(xen.event_loop())?);

    let list = gtk::ListBox::new();
    let window = gtk::ApplicationWindow::builder().application(application).title("Domains").child(&list).build();

    // The list, and from then on each change of it.
    let mut domains = ctx.follow_domains()?;
    fill(&list, &domains, &ctx);
    let following = ctx.clone();
    glib::spawn_future_local(async move {
        while domains.next().await.is_some() {
            fill(&list, &domains, &following);
        }
    });

    // The window hides at once; the program ends when libxl's ctx is freed.
    let application = application.clone();
    window.connect_close_request(move |window| {
        window.set_visible(false);
        let (closed, application) = (ctx.close(), application.clone());
        glib::spawn_future_local(async move {
            closed.await;
            application.quit();
        });
        glib::Propagation::Stop
    });
    window.present();
    Ok(())
}

fn fill(list: &gtk::ListBox, domains: &Domains, ctx: &Rc<Ctx>) {
    while let Some(row) = list.first_child() {
        list.remove(&row);
    }
    domains.list().for_each(|domain| list.append(&row(domain, ctx)));
}

fn row(domain: &Domain, ctx: &Rc<Ctx>) -> gtk::Box {
    let text = format!("{}: {:?}", domain.name.as_deref().unwrap_or("?"), domain.state);
    let label = gtk::Label::builder().label(text).hexpand(true).xalign(0.0).build();
    let button = gtk::Button::with_label("Shut down");
    let (ctx, domid, told) = (ctx.clone(), domain.domid(), label.clone());
    button.connect_clicked(move |_| {
        // It begins here. Dropping it would not end it; awaiting it tells how it ends.
        let (shutdown, told) = (ctx.shutdown(domid), told.clone());
        glib::spawn_future_local(async move {
            if let Err(error) = shutdown.await {
                told.set_text(&error.to_string());
            }
        });
    });
    let row = gtk::Box::new(gtk::Orientation::Horizontal, 12);
    row.append(&label);
    row.append(&button);
    row
}
