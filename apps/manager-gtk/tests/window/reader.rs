//! A screen reader: what it cannot find, a blind user cannot either.
//!
//! It speaks AT-SPI over D-Bus, which GTK's own bindings can.

use gtk::gio;
use gtk::gio::prelude::*;
use gtk::glib::Variant;
use osevent_standin_machine::Failure;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// For anything to be there: the machine may be busy.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);
/// Between two looks.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

const ACCESSIBLE: &str = "org.a11y.atspi.Accessible";

/// AT-SPI's numbers of states.
pub(crate) const SELECTED: u32 = 23;
pub(crate) const SENSITIVE: u32 = 24;

pub(crate) struct Reader {
    bus: gio::DBusConnection,
}

/// A widget, as a screen reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Widget {
    owner: String,
    path: String,
}

impl Reader {
    pub(crate) fn new(bus: gio::DBusConnection) -> Self {
        Self { bus }
    }

    /// Waits until a widget with this role and name is on the screen. In a name, `*` at the end stands for anything.
    pub(crate) fn wait(&self, role: &str, name: &str) -> Result<Widget, Failure> {
        let found = self.until(|reader| reader.find(role, name));
        found.ok_or_else(|| format!("there is no {role} {name:?}, but:\n{}", self.describe()).into())
    }

    /// Waits until there is none.
    pub(crate) fn wait_gone(&self, role: &str, name: &str) -> Result<(), Failure> {
        let gone = self.until(|reader| reader.find(role, name).is_none().then_some(()));
        gone.ok_or_else(|| format!("there is still a {role} {name:?}:\n{}", self.describe()).into())
    }

    /// Waits until the widget is in this state, or is not.
    pub(crate) fn wait_state(&self, widget: &Widget, state: u32, on: bool) -> Result<(), Failure> {
        let is = self.until(|reader| (reader.has_state(widget, state) == on).then_some(()));
        is.ok_or_else(|| format!("state {state} of {widget:?} is not {on}:\n{}", self.describe()).into())
    }

    /// Presses a button, as soon as it can be. Of several with that name, that of the newest window.
    pub(crate) fn press(&self, role: &str, name: &str) -> Result<(), Failure> {
        let pressed = self.until(|reader| {
            let all = reader.find_all(role, name);
            all.iter().find(|widget| reader.has_state(widget, SENSITIVE) && reader.act(widget)).map(|_| ())
        });
        pressed.ok_or_else(|| format!("there is no {role} {name:?} to be pressed:\n{}", self.describe()).into())
    }

    fn act(&self, widget: &Widget) -> bool {
        self.call(widget, "org.a11y.atspi.Action", "DoAction", Some(&(0i32,).to_variant())).is_ok()
    }

    /// Selects the item of a list.
    pub(crate) fn select(&self, list: &str, role: &str, name: &str) -> Result<(), Failure> {
        let (list, item) = (self.wait("list", list)?, self.wait(role, name)?);
        let at = self.children(&list).iter().position(|child| *child == item).ok_or("it is not in the list")?;
        let at = i32::try_from(at)?;
        self.call(&list, "org.a11y.atspi.Selection", "SelectChild", Some(&(at,).to_variant()))?;
        Ok(())
    }

    /// Types into a field.
    pub(crate) fn write(&self, role: &str, name: &str, text: &str) -> Result<(), Failure> {
        let field = self.wait(role, name)?;
        self.call(&field, "org.a11y.atspi.EditableText", "SetTextContents", Some(&(text,).to_variant()))?;
        Ok(())
    }

    /// Moves a slider, or sets a number.
    pub(crate) fn set_value(&self, role: &str, name: &str, value: f64) -> Result<(), Failure> {
        let widget = self.wait(role, name)?;
        let value = ("org.a11y.atspi.Value", "CurrentValue", value.to_variant()).to_variant();
        self.call(&widget, "org.freedesktop.DBus.Properties", "Set", Some(&value))?;
        Ok(())
    }

    /// The text of a label or field.
    pub(crate) fn text(&self, widget: &Widget) -> Result<String, Failure> {
        let answer = self.call(widget, "org.a11y.atspi.Text", "GetText", Some(&(0i32, -1i32).to_variant()))?;
        Ok(answer.get::<(String,)>().ok_or("GetText answers with a string")?.0)
    }

    pub(crate) fn has_state(&self, widget: &Widget, state: u32) -> bool {
        let answer = self.call(widget, ACCESSIBLE, "GetState", None).ok();
        let words = answer.and_then(|answer| answer.get::<(Vec<u32>,)>()).map(|(words,)| words).unwrap_or_default();
        words.get(state as usize / 32).is_some_and(|word| word >> (state % 32) & 1 == 1)
    }

    /// All that is on the screen, for a test that fails.
    pub(crate) fn describe(&self) -> String {
        let mut lines = String::new();
        self.walk(&mut |widget, depth| {
            let line = format!("{}{} {:?}\n", "  ".repeat(depth), self.role(widget), self.name(widget));
            lines.push_str(&line);
        });
        lines
    }

    /// The roles and paths of what can be operated and has no name.
    pub(crate) fn nameless(&self) -> Vec<String> {
        let mut nameless = Vec::new();
        self.walk(&mut |widget, _| {
            let role = self.role(widget);
            let can_be_operated =
                ["button", "toggle button", "entry", "text", "search box", "slider", "list", "list item", "check box"];
            if can_be_operated.contains(&role.as_str()) && self.name(widget).is_empty() {
                nameless.push(role);
            }
        });
        nameless
    }

    fn find(&self, role: &str, name: &str) -> Option<Widget> {
        self.find_all(role, name).into_iter().next()
    }

    fn find_all(&self, role: &str, name: &str) -> Vec<Widget> {
        let mut found = Vec::new();
        self.walk(&mut |widget, _| {
            if self.role(widget) == role && matches(&self.name(widget), name) {
                found.push(widget.clone());
            }
        });
        found
    }

    /// Visits all widgets, the newest window first.
    fn walk(&self, visit: &mut dyn FnMut(&Widget, usize)) {
        let owner = "org.a11y.atspi.Registry".to_owned();
        let root = Widget { owner, path: "/org/a11y/atspi/accessible/root".to_owned() };
        for application in self.children(&root) {
            self.children(&application).iter().rev().for_each(|window| self.descend(window, 0, visit));
        }
    }

    fn descend(&self, widget: &Widget, depth: usize, visit: &mut dyn FnMut(&Widget, usize)) {
        visit(widget, depth);
        self.children(widget).iter().for_each(|child| self.descend(child, depth + 1, visit));
    }

    fn until<T>(&self, look: impl Fn(&Self) -> Option<T>) -> Option<T> {
        let started = Instant::now();
        loop {
            match look(self) {
                None if started.elapsed() < LIMIT => sleep(LOOK),
                found => return found,
            }
        }
    }

    fn children(&self, widget: &Widget) -> Vec<Widget> {
        let answer = self.call(widget, ACCESSIBLE, "GetChildren", None).ok();
        let Some(children) = answer.map(|answer| answer.child_value(0)) else { return Vec::new() };
        let child = |child: Variant| {
            Some(Widget { owner: child.child_value(0).str()?.to_owned(), path: child.child_value(1).str()?.to_owned() })
        };
        children.iter().filter_map(child).collect()
    }

    fn role(&self, widget: &Widget) -> String {
        let answer = self.call(widget, ACCESSIBLE, "GetRoleName", None).ok();
        answer.and_then(|answer| answer.get::<(String,)>()).map(|(role,)| role).unwrap_or_default()
    }

    fn name(&self, widget: &Widget) -> String {
        let property = (ACCESSIBLE, "Name").to_variant();
        let answer = self.call(widget, "org.freedesktop.DBus.Properties", "Get", Some(&property)).ok();
        answer.and_then(|answer| answer.get::<(Variant,)>()).and_then(|(name,)| name.get()).unwrap_or_default()
    }

    fn call(
        &self,
        widget: &Widget,
        interface: &str,
        method: &str,
        arguments: Option<&Variant>,
    ) -> Result<Variant, Failure> {
        let (owner, path) = (Some(widget.owner.as_str()), widget.path.as_str());
        let flags = gio::DBusCallFlags::NONE;
        Ok(self.bus.call_sync(owner, path, interface, method, arguments, None, flags, -1, gio::Cancellable::NONE)?)
    }
}

fn matches(name: &str, pattern: &str) -> bool {
    // GTK 4.8 says the text of a button with an underlined letter twice.
    let is_it = name == pattern || name == format!("{pattern} {pattern}");
    pattern.strip_suffix('*').map_or(is_it, |begin| name.starts_with(begin))
}
