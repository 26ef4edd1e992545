//! A screen reader: what it cannot find, a blind user cannot either.
//!
//! It speaks AT-SPI over D-Bus, which GTK's own bindings can.

use crate::looking::look_until;
use crate::tree::{Bus, Seen, Tree, Widget};
use gtk::gio;
use gtk::glib::prelude::*;
use osevent_standin_machine::Failure;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;

/// Of as many looks, one asks for everything, as the last one does.
const WHOLE: usize = 32;

const ACCESSIBLE: &str = "org.a11y.atspi.Accessible";

/// AT-SPI's numbers of states.
pub(crate) const SELECTED: u32 = 23;
pub(crate) const SENSITIVE: u32 = 24;

pub(crate) struct Reader {
    bus: Bus,
    tree: RefCell<Tree>,
    /// Of the widgets that were asked for theirs: it never changes.
    roles: RefCell<HashMap<Widget, String>>,
}

impl Reader {
    pub(crate) fn new(bus: gio::DBusConnection) -> Self {
        let bus = Bus(bus);
        Self { tree: RefCell::new(Tree::new(bus.clone())), bus, roles: RefCell::default() }
    }

    /// Waits until a widget with this role and name is on the screen. In a name, `*` at the end, or at both, stands for anything.
    pub(crate) fn wait(&self, role: &str, name: &str) -> Result<Widget, Failure> {
        let found = self.until(|reader| reader.find(role, name));
        found.ok_or_else(|| format!("there is no {role} {name:?}, but:\n{}", self.describe()).into())
    }

    /// Waits until there is none.
    pub(crate) fn wait_gone(&self, role: &str, name: &str) -> Result<(), Failure> {
        let gone = self.until(|reader| {
            let is_gone = reader.find(role, name).is_none() && {
                reader.tree.borrow_mut().forget();
                reader.find(role, name).is_none()
            };
            is_gone.then_some(())
        });
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
        self.bus.call(widget, "org.a11y.atspi.Action", "DoAction", Some(&(0i32,).to_variant())).is_ok()
    }

    /// Selects the item of a list, and nothing else there.
    pub(crate) fn select(&self, list: &str, role: &str, name: &str) -> Result<(), Failure> {
        let (list, item) = (self.wait("list", list)?, self.wait(role, name)?);
        let at = self.bus.children(&list).iter().position(|child| *child == item).ok_or("it is not in the list")?;
        let at = i32::try_from(at)?;
        // Others stay selected otherwise.
        self.bus.call(&list, "org.a11y.atspi.Selection", "ClearSelection", None)?;
        self.bus.call(&list, "org.a11y.atspi.Selection", "SelectChild", Some(&(at,).to_variant()))?;
        Ok(())
    }

    /// Types into a field.
    pub(crate) fn write(&self, role: &str, name: &str, text: &str) -> Result<(), Failure> {
        let field = self.wait(role, name)?;
        self.bus.call(&field, "org.a11y.atspi.EditableText", "SetTextContents", Some(&(text,).to_variant()))?;
        Ok(())
    }

    /// Moves a slider, or sets a number.
    pub(crate) fn set_value(&self, role: &str, name: &str, value: f64) -> Result<(), Failure> {
        let widget = self.wait(role, name)?;
        let value = ("org.a11y.atspi.Value", "CurrentValue", value.to_variant()).to_variant();
        self.bus.call(&widget, "org.freedesktop.DBus.Properties", "Set", Some(&value))?;
        Ok(())
    }

    /// Where a widget begins and ends in its window, from the top.
    pub(crate) fn place(&self, widget: &Widget) -> Result<Range<i32>, Failure> {
        const IN_WINDOW: u32 = 1;
        let answer =
            self.bus.call(widget, "org.a11y.atspi.Component", "GetExtents", Some(&(IN_WINDOW,).to_variant()))?;
        let ((_, top, _, height),): ((i32, i32, i32, i32),) = answer.get().ok_or("GetExtents answers with a place")?;
        Ok(top..top + height)
    }

    /// The text of a label or field.
    pub(crate) fn text(&self, widget: &Widget) -> Result<String, Failure> {
        let answer = self.bus.call(widget, "org.a11y.atspi.Text", "GetText", Some(&(0i32, -1i32).to_variant()))?;
        Ok(answer.get::<(String,)>().ok_or("GetText answers with a string")?.0)
    }

    /// Waits until the text of a field contains `part`; all of it.
    pub(crate) fn wait_text(&self, role: &str, name: &str, part: &str) -> Result<String, Failure> {
        let field = self.wait(role, name)?;
        let found = self.until(|reader| reader.text(&field).ok().filter(|text| text.contains(part)));
        found.ok_or_else(|| format!("{part:?} is not in {:?}", self.text(&field)).into())
    }

    pub(crate) fn has_state(&self, widget: &Widget, state: u32) -> bool {
        let answer = self.bus.call(widget, ACCESSIBLE, "GetState", None).ok();
        let words = answer.and_then(|answer| answer.get::<(Vec<u32>,)>()).map(|(words,)| words).unwrap_or_default();
        is_among(&words, state)
    }

    /// All that is on the screen, for a test that fails.
    pub(crate) fn describe(&self) -> String {
        let seen = self.look_anew().into_iter().flatten();
        let line = |seen: Seen| format!("{}{} {:?}\n", "  ".repeat(seen.depth), self.role(&seen.widget), seen.name);
        seen.map(line).collect()
    }

    /// The roles and paths of what can be operated and has no name.
    pub(crate) fn nameless(&self) -> Vec<String> {
        let can_be_operated =
            ["button", "toggle button", "entry", "text", "search box", "slider", "list", "list item", "check box"];
        let seen = self.look_anew().into_iter().flatten();
        let roles = seen.filter(|seen| seen.name.is_empty()).map(|seen| self.role(&seen.widget));
        roles.filter(|role| can_be_operated.contains(&role.as_str())).collect()
    }

    fn find(&self, role: &str, name: &str) -> Option<Widget> {
        self.find_all(role, name).into_iter().next()
    }

    /// All in the newest window that has one.
    fn find_all(&self, role: &str, name: &str) -> Vec<Widget> {
        loop {
            let windows = self.tree.borrow_mut().look();
            let find = |window: Vec<Seen>| {
                let found =
                    window.into_iter().filter(|seen| matches(&seen.name, name) && self.role(&seen.widget) == role);
                found.map(|seen| seen.widget).collect::<Vec<_>>()
            };
            let found = windows.into_iter().map(find).find(|found| !found.is_empty()).unwrap_or_default();
            if self.tree.borrow_mut().confirm(&found) {
                return found;
            }
        }
    }

    /// All that is on the screen, whatever was there before.
    fn look_anew(&self) -> Vec<Vec<Seen>> {
        let mut tree = self.tree.borrow_mut();
        tree.forget();
        tree.look()
    }

    fn until<T>(&self, look: impl Fn(&Self) -> Option<T>) -> Option<T> {
        let mut looks = 0;
        look_until(|is_last| {
            looks += 1;
            if is_last || looks % WHOLE == 0 {
                self.tree.borrow_mut().forget();
            }
            look(self)
        })
    }

    fn role(&self, widget: &Widget) -> String {
        if let Some(role) = self.roles.borrow().get(widget) {
            return role.clone();
        }
        let answer = self.bus.call(widget, ACCESSIBLE, "GetRoleName", None).ok();
        let Some((role,)) = answer.and_then(|answer| answer.get::<(String,)>()) else { return String::new() };
        self.roles.borrow_mut().insert(widget.clone(), role.clone());
        role
    }
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
