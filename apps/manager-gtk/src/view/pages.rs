//! One page of several.

use gtk::prelude::*;

/// Shows the page with this name. The others are invisible, also to screen readers.
pub(super) fn show(stack: &gtk::Stack, name: &str) {
    let Some(child) = stack.child_by_name(name) else { return };
    child.set_visible(true);
    stack.set_visible_child(&child);
    for page in stack.pages().iter::<gtk::StackPage>().filter_map(Result::ok) {
        page.child().set_visible(page.child() == child);
    }
}
