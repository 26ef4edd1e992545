//! For tests: a window that is closed is gone, with all that it has.

use super::Window;
use crate::engine::{PVH_OR_HVM, Record, State};
use crate::model::Session;
use crate::on_a_context::{LIMIT, until};
use adw::prelude::*;
use futures_lite::future::or;
use gtk::{gio, glib};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// Set in the process that has a screen.
const ON_A_SCREEN: &str = "OSEVENT_MANAGER_TEST_ON_A_SCREEN";

/// Each opens a window or a dialog that needs nothing of a host.
const ACTIONS: [&str; 14] = [
    "migrate",
    "add-disk",
    "add-nic",
    "add-pci",
    "add-usb",
    "rename",
    "vcpus",
    "memory",
    "destroy",
    "reset",
    "create",
    "host",
    "events",
    "preferences",
];

#[test]
fn what_is_closed_is_gone() {
    if std::env::var_os(ON_A_SCREEN).is_none() {
        return on_a_screen("view::closed::what_is_closed_is_gone");
    }
    gtk::init().expect("there is a screen");
    let application = adw::Application::builder().flags(gio::ApplicationFlags::NON_UNIQUE).build();
    application.register(gio::Cancellable::NONE).expect("it needs no bus");
    let session = Session::new(false);
    session.domains().reset(&[record()]);
    let window = Window::new(&application, &session);
    window.present();
    assert!(window.choose("web"));
    let leaks = ACTIONS.into_iter().filter(|action| !goes(&window, action));
    assert_eq!(leaks.collect::<Vec<_>>(), [""; 0], "their widgets are still there");
}

/// Whether all that the action opens goes when it is closed.
fn goes(window: &Window, action: &str) -> bool {
    let others =
        || gtk::Window::list_toplevels().into_iter().filter(|other| other != window.upcast_ref::<gtk::Widget>());
    let before: Vec<_> = others().collect();
    gio::prelude::ActionGroupExt::activate_action(window, action, None);
    let opened =
        || others().filter(|other| !before.contains(other)).find_map(|other| other.downcast::<gtk::Window>().ok());
    turn(|| opened().is_some_and(|window| window.is_visible()));
    let opened = opened().expect("it is open");
    let widgets = widgets(opened.upcast_ref());
    opened.close();
    drop((opened, before));
    turn(|| widgets.iter().all(|widget| widget.upgrade().is_none()))
}

fn widgets(of: &gtk::Widget) -> Vec<glib::WeakRef<gtk::Widget>> {
    let children = std::iter::successors(of.first_child(), gtk::Widget::next_sibling);
    std::iter::once(of.downgrade()).chain(children.flat_map(|child| widgets(&child))).collect()
}

/// Lets the window go on until it is so; whether that is so at last.
fn turn(is_so: impl Fn() -> bool) -> bool {
    let too_long = async {
        glib::timeout_future(LIMIT).await;
        false
    };
    let comes = async {
        until(is_so).await;
        true
    };
    glib::MainContext::default().block_on(or(comes, too_long))
}

fn record() -> Record {
    Record {
        domid: 1,
        uuid: String::new(),
        name: Some("web".to_owned()),
        state: State::Running,
        kind: PVH_OR_HVM.to_owned(),
        memory_kib: 64 << 10,
        vcpus: 1,
        max_vcpus: 2,
    }
}

/// Runs the test of this name in a process of its own, which has a screen in memory.
fn on_a_screen(test: &str) {
    let mut screen = Command::new("Xvfb");
    screen.args(["-displayfd", "1", "-nolisten", "tcp"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut screen = screen.spawn().expect("no Xvfb: `./x setup` installs it");
    let mut number = String::new();
    BufReader::new(screen.stdout.take().expect("it is piped")).read_line(&mut number).expect("it is a pipe");
    let mut again = Command::new(std::env::current_exe().expect("it runs"));
    again.args(["--exact", test]).env(ON_A_SCREEN, "").env("DISPLAY", format!(":{}", number.trim()));
    // Its results are not to be counted twice.
    again
        .stdout(Stdio::null())
        .env("GDK_BACKEND", "x11")
        .env("GSK_RENDERER", "cairo")
        .env("GTK_A11Y", "none")
        .env("GSETTINGS_BACKEND", "memory");
    let status = again.status().expect("this program runs");
    // In order: one that is killed leaves its socket behind.
    kill_process(Pid::from_child(&screen), Signal::TERM).expect("it runs");
    screen.wait().expect("it is a child");
    assert!(status.success(), "{status}");
}
