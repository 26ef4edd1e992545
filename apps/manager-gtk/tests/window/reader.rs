//! A screen reader: what it cannot find, a blind user cannot either.
//!
//! It speaks AT-SPI over D-Bus, which GTK's own bindings can.

use gtk::gio;
use gtk::gio::prelude::*;
use gtk::glib::{MainContext, Variant};
use osevent_standin_machine::Failure;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
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
    /// Of the widgets that were asked for theirs: it never changes.
    roles: RefCell<HashMap<Widget, String>>,
}

/// A widget, as a screen reader sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Widget {
    owner: String,
    path: String,
}

/// A widget in its window.
struct Seen {
    widget: Widget,
    name: String,
    depth: usize,
}

impl Reader {
    pub(crate) fn new(bus: gio::DBusConnection) -> Self {
        Self { bus, roles: RefCell::default() }
    }

    /// Waits until a widget with this role and name is on the screen. In a name, `*` at the end, or at both, stands for anything.
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

    /// Selects the item of a list, and nothing else there.
    pub(crate) fn select(&self, list: &str, role: &str, name: &str) -> Result<(), Failure> {
        let (list, item) = (self.wait("list", list)?, self.wait(role, name)?);
        let at = self.children(&list).iter().position(|child| *child == item).ok_or("it is not in the list")?;
        let at = i32::try_from(at)?;
        // Others stay selected otherwise.
        self.call(&list, "org.a11y.atspi.Selection", "ClearSelection", None)?;
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

    /// Waits until the text of a field contains `part`; all of it.
    pub(crate) fn wait_text(&self, role: &str, name: &str, part: &str) -> Result<String, Failure> {
        let field = self.wait(role, name)?;
        let found = self.until(|reader| reader.text(&field).ok().filter(|text| text.contains(part)));
        found.ok_or_else(|| format!("{part:?} is not in {:?}", self.text(&field)).into())
    }

    pub(crate) fn has_state(&self, widget: &Widget, state: u32) -> bool {
        let answer = self.call(widget, ACCESSIBLE, "GetState", None).ok();
        let words = answer.and_then(|answer| answer.get::<(Vec<u32>,)>()).map(|(words,)| words).unwrap_or_default();
        is_among(&words, state)
    }

    /// All that is on the screen, for a test that fails.
    pub(crate) fn describe(&self) -> String {
        let seen = self.windows().into_iter().flat_map(|window| self.look(&window));
        let line = |seen: Seen| format!("{}{} {:?}\n", "  ".repeat(seen.depth), self.role(&seen.widget), seen.name);
        seen.map(line).collect()
    }

    /// The roles and paths of what can be operated and has no name.
    pub(crate) fn nameless(&self) -> Vec<String> {
        let can_be_operated =
            ["button", "toggle button", "entry", "text", "search box", "slider", "list", "list item", "check box"];
        let seen = self.windows().into_iter().flat_map(|window| self.look(&window));
        let roles = seen.filter(|seen| seen.name.is_empty()).map(|seen| self.role(&seen.widget));
        roles.filter(|role| can_be_operated.contains(&role.as_str())).collect()
    }

    fn find(&self, role: &str, name: &str) -> Option<Widget> {
        self.find_all(role, name).into_iter().next()
    }

    /// All in the newest window that has one.
    fn find_all(&self, role: &str, name: &str) -> Vec<Widget> {
        let find = |window| {
            let seen = self.look(&window).into_iter();
            let found = seen.filter(|seen| matches(&seen.name, name) && self.role(&seen.widget) == role);
            found.map(|seen| seen.widget).collect::<Vec<_>>()
        };
        self.windows().into_iter().map(find).find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// The newest first.
    fn windows(&self) -> Vec<Widget> {
        let owner = "org.a11y.atspi.Registry".to_owned();
        let root = Widget { owner, path: "/org/a11y/atspi/accessible/root".to_owned() };
        self.children(&root).iter().flat_map(|application| self.children(application).into_iter().rev()).collect()
    }

    /// All that a window has, from the top.
    fn look(&self, window: &Widget) -> Vec<Seen> {
        let tree = self.tree(window);
        let mut names = self.names(&window.owner);
        let mut waiting = vec![(window.clone(), 0)];
        let mut seen = Vec::new();
        while let Some((widget, depth)) = waiting.pop() {
            let children = tree.get(&widget).into_iter().flatten();
            waiting.extend(children.rev().map(|child| (child.clone(), depth + 1)));
            seen.push(Seen { name: names.remove(&widget).unwrap_or_default(), widget, depth });
        }
        seen
    }

    /// The children of the window, of them, and so on: a level at a time, as each call takes long on a slow machine.
    fn tree(&self, window: &Widget) -> HashMap<Widget, Vec<Widget>> {
        let mut tree = HashMap::new();
        let mut level = vec![window.clone()];
        while !level.is_empty() {
            let answers = self.call_all(&level, ACCESSIBLE, "GetChildren");
            let children: Vec<_> =
                answers.into_iter().map(|answer| answer.map(references).unwrap_or_default()).collect();
            let parents = std::mem::replace(&mut level, children.concat());
            tree.extend(parents.into_iter().zip(children));
        }
        tree
    }

    /// The names of all widgets of an application that have been seen. What else is told with them is not always so.
    fn names(&self, owner: &str) -> HashMap<Widget, String> {
        let cache = Widget { owner: owner.to_owned(), path: "/org/a11y/atspi/cache".to_owned() };
        let Ok(answer) = self.call(&cache, "org.a11y.atspi.Cache", "GetItems", None) else { return HashMap::new() };
        let named = |item: Variant| Some((reference(&item.child_value(0))?, item.child_value(6).get()?));
        answer.child_value(0).iter().filter_map(named).collect()
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
        self.call(widget, ACCESSIBLE, "GetChildren", None).map(references).unwrap_or_default()
    }

    fn role(&self, widget: &Widget) -> String {
        if let Some(role) = self.roles.borrow().get(widget) {
            return role.clone();
        }
        let answer = self.call(widget, ACCESSIBLE, "GetRoleName", None).ok();
        let Some((role,)) = answer.and_then(|answer| answer.get::<(String,)>()) else { return String::new() };
        self.roles.borrow_mut().insert(widget.clone(), role.clone());
        role
    }

    /// The answers in the order of the widgets; none from one that is gone.
    fn call_all(&self, widgets: &[Widget], interface: &str, method: &str) -> Vec<Option<Variant>> {
        let answers = Rc::new(RefCell::new(vec![None; widgets.len()]));
        let waiting = Rc::new(Cell::new(widgets.len()));
        let context = MainContext::new();
        let begun = context.with_thread_default(|| {
            for (at, Widget { owner, path }) in widgets.iter().enumerate() {
                let (answers, waiting) = (answers.clone(), waiting.clone());
                let flags = gio::DBusCallFlags::NONE;
                let none = gio::Cancellable::NONE;
                self.bus.call(Some(owner), path, interface, method, None, None, flags, -1, none, move |answer| {
                    answers.borrow_mut()[at] = answer.ok();
                    waiting.set(waiting.get() - 1);
                });
            }
            while waiting.get() > 0 {
                context.iteration(true);
            }
        });
        begun.expect("nobody else has a context that is new");
        answers.take()
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

/// The widgets in an answer.
fn references(answer: Variant) -> Vec<Widget> {
    answer.child_value(0).iter().filter_map(|child| reference(&child)).collect()
}

/// A widget: the name on the bus and the path there.
fn reference(reference: &Variant) -> Option<Widget> {
    let part = |at| Some(reference.child_value(at).str()?.to_owned());
    Some(Widget { owner: part(0)?, path: part(1)? })
}

fn is_among(states: &[u32], state: u32) -> bool {
    states.get(state as usize / 32).is_some_and(|word| word >> (state % 32) & 1 == 1)
}

fn matches(name: &str, pattern: &str) -> bool {
    // GTK 4.8 says the text of a button with an underlined letter twice.
    let is_it = name == pattern || name == format!("{pattern} {pattern}");
    match pattern.strip_suffix('*') {
        Some(part) => part.strip_prefix('*').map_or_else(|| name.starts_with(part), |part| name.contains(part)),
        None => is_it,
    }
}
