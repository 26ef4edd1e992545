//! The widgets on the screen. Each call takes long on a slow machine, so a look asks only what may have changed since the last one.
//!
//! An application tells of all widgets that were ever seen in one answer: their names, their parents and how many children they
//! have. One that was never seen is not in it, but counts among the children of its parent; one that is hidden is in it and does
//! not count. So the children are those that they were if the same is told as before, and no event has said that one of them is
//! hidden, whose place another may have taken. No toolkit promises this. Hence [`Tree::confirm`] and [`Tree::forget`].

use gtk::gio;
use gtk::glib::{MainContext, Variant};
use osevent_standin_machine::Failure;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

const ACCESSIBLE: &str = "org.a11y.atspi.Accessible";

/// A widget, as a screen reader sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Widget {
    pub(crate) owner: String,
    pub(crate) path: String,
}

/// A widget in its window.
pub(crate) struct Seen {
    pub(crate) widget: Widget,
    pub(crate) name: String,
    pub(crate) depth: usize,
}

pub(crate) struct Tree {
    bus: Bus,
    changes: Changes,
    /// What was on the screen at the last look.
    known: HashMap<Widget, Known>,
}

/// The children of a widget.
struct Known {
    children: Vec<Widget>,
    /// What was told after they were asked for.
    family: Family,
    /// They were asked for at the last look.
    is_new: bool,
}

impl Known {
    /// No other one came before that was told.
    fn is_told(&self) -> bool {
        i32::try_from(self.children.len()).ok() == self.family.count
    }
}

/// What is told of a widget's children.
#[derive(Clone, Default, PartialEq)]
struct Family {
    /// How many there are, if that is told.
    count: Option<i32>,
    /// Those that were ever seen, by their place.
    seen: Vec<(i32, Widget)>,
}

/// What applications tell of their widgets.
#[derive(Default)]
struct Told {
    names: HashMap<Widget, String>,
    families: HashMap<Widget, Family>,
}

impl Tree {
    pub(crate) fn new(bus: Bus) -> Self {
        Self { changes: Changes::of(&bus.0), bus, known: HashMap::new() }
    }

    /// Lets the next look ask for everything.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
    }

    /// All that the windows have, from the top; the newest window first.
    pub(crate) fn look(&mut self) -> Vec<Vec<Seen>> {
        let windows = self.windows();
        let mut told = self.told(&windows);
        let changed = self.changes.take();
        let mut before = std::mem::take(&mut self.known);
        before.retain(|widget, _| !changed.contains(widget));
        let childless = told.families.iter().filter(|(_, family)| family.count == Some(0));
        before.extend(childless.map(|(widget, family)| {
            (widget.clone(), Known { children: Vec::new(), family: family.clone(), is_new: false })
        }));
        let is_same = |widget: &Widget| {
            before.get(widget).is_some_and(|known| known.is_told() && told.families.get(widget) == Some(&known.family))
        };
        let (mut known, mut new) = (HashMap::new(), Vec::new());
        let mut level = windows.clone();
        while !level.is_empty() {
            let (same, changed): (Vec<_>, Vec<_>) = level.into_iter().partition(is_same);
            let answers = self.bus.children_of_all(&changed);
            level = answers.concat();
            new.extend(changed.into_iter().zip(answers));
            for widget in same {
                let Known { children, family, .. } = &before[&widget];
                level.extend_from_slice(children);
                let children = children.clone();
                known.insert(widget, Known { children, family: family.clone(), is_new: false });
            }
        }
        if !new.is_empty() {
            told = self.told(&windows);
        }
        for (widget, children) in new {
            let family = told.families.remove(&widget).unwrap_or_default();
            known.insert(widget, Known { children, family, is_new: true });
        }
        self.known = known;
        windows.into_iter().map(|window| self.in_order(window, &mut told.names)).collect()
    }

    fn in_order(&self, window: Widget, names: &mut HashMap<Widget, String>) -> Vec<Seen> {
        let mut waiting = vec![(window, 0)];
        let mut seen = Vec::new();
        while let Some((widget, depth)) = waiting.pop() {
            let children = self.known.get(&widget).into_iter().flat_map(|known| &known.children);
            waiting.extend(children.rev().map(|child| (child.clone(), depth + 1)));
            seen.push(Seen { name: names.remove(&widget).unwrap_or_default(), widget, depth });
        }
        seen
    }

    /// Whether those of the last look are on the screen. If not, the next look is another one.
    pub(crate) fn confirm(&mut self, seen: &[Widget]) -> bool {
        let mut parents = HashMap::new();
        for (parent, known) in &self.known {
            parents.extend(known.children.iter().map(|child| (child, parent)));
        }
        let ancestors = |widget| std::iter::successors(parents.get(widget).copied(), |at| parents.get(at).copied());
        let above: HashSet<_> = seen.iter().flat_map(ancestors).filter(|widget| !self.known[*widget].is_new).collect();
        let above: Vec<Widget> = above.into_iter().cloned().collect();
        let answers = self.bus.children_of_all(&above);
        let mut is_confirmed = true;
        for (widget, children) in above.iter().zip(answers) {
            if self.known[widget].children != children {
                self.known.remove(widget);
                is_confirmed = false;
            }
        }
        is_confirmed
    }

    /// The newest first.
    fn windows(&self) -> Vec<Widget> {
        let owner = "org.a11y.atspi.Registry".to_owned();
        let root = Widget { owner, path: "/org/a11y/atspi/accessible/root".to_owned() };
        let applications = self.bus.children(&root);
        applications.iter().flat_map(|application| self.bus.children(application).into_iter().rev()).collect()
    }

    fn told(&self, windows: &[Widget]) -> Told {
        let mut told = Told::default();
        for owner in windows.iter().map(|window| &window.owner).collect::<HashSet<_>>() {
            let cache = Widget { owner: owner.clone(), path: "/org/a11y/atspi/cache".to_owned() };
            let Ok(answer) = self.bus.call(&cache, "org.a11y.atspi.Cache", "GetItems", None) else { continue };
            answer.child_value(0).iter().for_each(|item| told.add(&item).unwrap_or_default());
        }
        told.families.values_mut().for_each(|family| family.seen.sort());
        told
    }
}

impl Told {
    /// An item has: the widget, its application, its parent, the place there, the number of children, interfaces, the name, and more.
    fn add(&mut self, item: &Variant) -> Option<()> {
        let widget = reference(&item.child_value(0))?;
        let parent = reference(&item.child_value(2))?;
        self.families.entry(parent).or_default().seen.push((item.child_value(3).get()?, widget.clone()));
        self.families.entry(widget.clone()).or_default().count = item.child_value(4).get();
        self.names.insert(widget, item.child_value(6).get()?);
        Some(())
    }
}

/// The widgets of which an event has said that their children have changed.
struct Changes {
    widgets: Arc<Mutex<HashSet<Widget>>>,
    /// Where events come, before the answers that were sent after them.
    context: MainContext,
    _subscription: gio::SignalSubscription,
}

impl Changes {
    fn of(bus: &gio::DBusConnection) -> Self {
        let widgets = Arc::<Mutex<HashSet<_>>>::default();
        let context = MainContext::new();
        let changed = widgets.clone();
        let subscription = context.with_thread_default(|| {
            let (events, children) = (Some("org.a11y.atspi.Event.Object"), Some("ChildrenChanged"));
            bus.subscribe_to_signal(None, events, children, None, None, gio::DBusSignalFlags::NONE, move |event| {
                let (owner, path) = (event.sender_name.to_owned(), event.object_path.to_owned());
                changed.lock().unwrap_or_else(PoisonError::into_inner).insert(Widget { owner, path });
            })
        });
        Self { widgets, context, _subscription: subscription.expect("nobody else has a context that is new") }
    }

    /// Those since the last time.
    fn take(&self) -> HashSet<Widget> {
        while self.context.iteration(false) {}
        std::mem::take(&mut self.widgets.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The bus of the screen readers.
#[derive(Clone)]
pub(crate) struct Bus(pub(crate) gio::DBusConnection);

impl Bus {
    pub(crate) fn children(&self, widget: &Widget) -> Vec<Widget> {
        self.call(widget, ACCESSIBLE, "GetChildren", None).map(references).unwrap_or_default()
    }

    /// In the order of the widgets; one that is gone has none.
    fn children_of_all(&self, widgets: &[Widget]) -> Vec<Vec<Widget>> {
        let answers = Rc::new(RefCell::new(vec![Vec::new(); widgets.len()]));
        let waiting = Rc::new(Cell::new(widgets.len()));
        let context = MainContext::new();
        let begun = context.with_thread_default(|| {
            for (at, Widget { owner, path }) in widgets.iter().enumerate() {
                let (answers, waiting) = (answers.clone(), waiting.clone());
                let flags = gio::DBusCallFlags::NONE;
                let none = gio::Cancellable::NONE;
                self.0.call(Some(owner), path, ACCESSIBLE, "GetChildren", None, None, flags, -1, none, move |answer| {
                    answers.borrow_mut()[at] = answer.map(references).unwrap_or_default();
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

    pub(crate) fn call(
        &self,
        widget: &Widget,
        interface: &str,
        method: &str,
        arguments: Option<&Variant>,
    ) -> Result<Variant, Failure> {
        let (owner, path) = (Some(widget.owner.as_str()), widget.path.as_str());
        let flags = gio::DBusCallFlags::NONE;
        Ok(self.0.call_sync(owner, path, interface, method, arguments, None, flags, -1, gio::Cancellable::NONE)?)
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
