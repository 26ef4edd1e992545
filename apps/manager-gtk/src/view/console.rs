//! The console of a domain, in a window of its own.

use super::accessible;
use super::terminal::Terminal;
use crate::i18n::{gettext, with};
use adw::prelude::*;
use gtk::glib;
use gtk::glib::clone;
use std::cell::RefCell;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::rc::Rc;

/// Shows the console behind `file`, which does not block.
pub(super) fn open(parent: &impl IsA<gtk::Window>, name: &str, file: File) {
    let title = with(gettext("Console of {name}"), &[("name", name)]);
    let line = Rc::new(Line {
        title: title.clone(),
        file,
        terminal: Terminal::new(),
        waiting: RefCell::default(),
        sources: RefCell::default(),
    });
    let terminal = line.terminal.widget();
    terminal.set_vexpand(true);
    accessible::label(terminal, &title);
    let content = gtk::Box::new(gtk::Orientation::Vertical, 0);
    content.append(&adw::HeaderBar::new());
    content.append(terminal);
    let window = adw::Window::builder().title(&title).content(&content).default_width(720).default_height(480);
    let window = window.application(&parent.as_ref().application().expect("the parent has one")).build();
    line.begin();
    window.connect_close_request(move |_| {
        line.end();
        glib::Propagation::Proceed
    });
    window.present();
}

/// Between the terminal and the domain.
struct Line {
    title: String,
    file: File,
    terminal: Terminal,
    /// What was typed and did not fit yet.
    waiting: RefCell<Vec<u8>>,
    /// Of the loop, for reading and perhaps for writing. One that ends takes itself out first.
    sources: RefCell<Sources>,
}

#[derive(Default)]
struct Sources {
    reading: Option<glib::SourceId>,
    writing: Option<glib::SourceId>,
}

impl Line {
    fn begin(self: &Rc<Self>) {
        let line = Rc::downgrade(self);
        let condition = glib::IOCondition::IN | glib::IOCondition::HUP | glib::IOCondition::ERR;
        let reading = glib_unix::unix_fd_add_local(self.file.as_raw_fd(), condition, move |_, _| {
            line.upgrade().map_or(glib::ControlFlow::Break, |line| line.read())
        });
        self.sources.borrow_mut().reading = Some(reading);
        self.terminal.connect_typed(clone!(
            #[weak(rename_to = line)]
            self,
            move |typed| {
                line.waiting.borrow_mut().extend_from_slice(typed.as_bytes());
                line.write();
            }
        ));
    }

    fn end(&self) {
        let Sources { reading, writing } = self.sources.take();
        [reading, writing].into_iter().flatten().for_each(glib::SourceId::remove);
    }

    /// One read at a time: a domain that prints without end must not have the loop for itself.
    fn read(&self) -> glib::ControlFlow {
        let mut bytes = [0; 4096];
        match (&self.file).read(&mut bytes) {
            Ok(count) if count > 0 => self.show(&bytes[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            _ => {
                self.show(format!("\r\n[{}]\r\n", gettext("The console is closed")).as_bytes());
                self.sources.borrow_mut().reading.take();
                return glib::ControlFlow::Break;
            }
        }
        glib::ControlFlow::Continue
    }

    fn show(&self, printed: &[u8]) {
        self.terminal.feed(printed);
        // VTE tells screen readers nothing before its release 0.76.
        if let Some(line) = last_line(&String::from_utf8_lossy(printed)) {
            accessible::label(self.terminal.widget(), &format!("{}: {line}", self.title));
        }
    }

    /// Writes what is waiting, now and when there is room again.
    fn write(self: &Rc<Self>) {
        if self.sources.borrow().writing.is_some() || !self.is_full() {
            return;
        }
        let line = Rc::downgrade(self);
        let writing = glib_unix::unix_fd_add_local(self.file.as_raw_fd(), glib::IOCondition::OUT, move |_, _| {
            let Some(line) = line.upgrade() else { return glib::ControlFlow::Break };
            if line.is_full() {
                return glib::ControlFlow::Continue;
            }
            line.sources.borrow_mut().writing.take();
            glib::ControlFlow::Break
        });
        self.sources.borrow_mut().writing = Some(writing);
    }

    /// Writes what it can of what is waiting; whether there is no room for the rest.
    fn is_full(&self) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        while !waiting.is_empty() {
            match (&self.file).write(&waiting) {
                Ok(count) => drop(waiting.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                // Nobody listens any more, as the reading side says.
                Err(_) => waiting.clear(),
            }
        }
        false
    }
}

/// The last line with something to read in it.
fn last_line(printed: &str) -> Option<String> {
    let lines = printed.rsplit(['\n', '\r']);
    lines.map(|line| line.replace(char::is_control, "").trim().to_owned()).find(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_one_with_something_to_read() {
        assert_eq!(last_line("one\r\ntwo \r\n \r\n").as_deref(), Some("two"));
        assert_eq!(last_line("\u{7}\r\n"), None);
    }
}
