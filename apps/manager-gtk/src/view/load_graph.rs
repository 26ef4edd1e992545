//! How busy a domain is, over the last while.

use super::accessible;
use crate::i18n::{gettext, with};
use crate::model::{Domain, LOADS_KEPT, Session};
use gtk::glib::clone;
use gtk::prelude::*;
use gtk::{gdk, glib};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Between two looks. Xen does not tell, so this is the one thing that is asked for again and again: while it is seen.
pub(super) const EACH: Duration = Duration::from_secs(2);

pub(super) struct LoadGraph {
    content: gtk::Box,
    area: gtk::DrawingArea,
    value: gtk::Label,
    session: Session,
    shown: RefCell<Option<Domain>>,
}

impl LoadGraph {
    pub(super) fn new(session: &Session) -> Rc<Self> {
        let graph = Rc::new(Self {
            content: gtk::Box::new(gtk::Orientation::Horizontal, 12),
            area: gtk::DrawingArea::builder().content_width(160).content_height(32).build(),
            value: gtk::Label::builder().width_chars(6).xalign(1.0).build(),
            session: session.clone(),
            shown: RefCell::default(),
        });
        graph.content.set_valign(gtk::Align::Center);
        graph.content.append(&graph.area);
        graph.content.append(&graph.value);
        graph.area.set_draw_func(clone!(
            #[weak]
            graph,
            move |area, cairo, width, height| {
                let color = area.style_context().color();
                // Drawing into memory fails with the memory only.
                let _ = graph.draw(cairo, color, f64::from(width), f64::from(height));
            }
        ));
        while_seen(
            &graph.content,
            clone!(
                #[weak]
                graph,
                move || graph.look()
            ),
        );
        graph
    }

    pub(super) fn widget(&self) -> &gtk::Box {
        &self.content
    }

    /// Shows this domain.
    pub(super) fn bind(&self, domain: Option<&Domain>) {
        self.shown.replace(domain.cloned());
        self.show();
    }

    fn look(self: &Rc<Self>) {
        glib::spawn_future_local(clone!(
            #[weak(rename_to = graph)]
            self,
            async move {
                graph.session.look_at_load().await;
                graph.show();
            }
        ));
    }

    fn values(&self) -> Vec<f64> {
        self.shown.borrow().as_ref().map(|domain| self.session.load_of(domain)).unwrap_or_default()
    }

    fn show(&self) {
        let text = self.values().last().map(|load| format!("{load:.0} %"));
        self.value.set_text(text.as_deref().unwrap_or("…"));
        let said = text.map(|load| with(gettext("Processor load: {load}"), &[("load", &load)]));
        accessible::label(&self.value, &said.unwrap_or_else(|| gettext("Processor load")));
        self.area.queue_draw();
    }

    fn draw(
        &self,
        cairo: &gtk::cairo::Context,
        color: gdk::RGBA,
        width: f64,
        height: f64,
    ) -> Result<(), gtk::cairo::Error> {
        let vcpus = self.shown.borrow().as_ref().map_or(1, |domain| domain.vcpus().max(1));
        let (values, most) = (self.values(), f64::from(vcpus) * 100.0);
        let step = width / (LOADS_KEPT - 1) as f64;
        let component = f64::from;
        cairo.set_source_rgba(component(color.red()), component(color.green()), component(color.blue()), 0.15);
        cairo.rectangle(0.0, height - 1.0, width, 1.0);
        cairo.fill()?;
        let start = width - step * values.len().saturating_sub(1) as f64;
        let point = |(at, load): (usize, &f64)| (start + step * at as f64, height * (1.0 - (load / most).min(1.0)));
        let Some(first) = values.first() else { return Ok(()) };
        cairo.move_to(start, point((0, first)).1);
        values.iter().enumerate().map(point).for_each(|(x, y)| cairo.line_to(x, y));
        cairo.set_source_rgba(component(color.red()), component(color.green()), component(color.blue()), 0.9);
        cairo.set_line_width(1.5);
        cairo.stroke_preserve()?;
        cairo.line_to(width, height);
        cairo.line_to(start, height);
        cairo.close_path();
        cairo.set_source_rgba(component(color.red()), component(color.green()), component(color.blue()), 0.15);
        cairo.fill()
    }
}

/// Calls now and again, as long as the widget can be seen.
pub(super) fn while_seen(widget: &impl IsA<gtk::Widget>, look: impl Fn() + 'static) {
    let (look, timer) = (Rc::new(look), Rc::new(RefCell::new(None::<glib::SourceId>)));
    let kept = timer.clone();
    widget.connect_map(move |widget| {
        look();
        let (look, widget) = (look.clone(), widget.downgrade());
        let source = glib::timeout_add_local(EACH, move || {
            let is_seen = widget.upgrade().and_then(|widget| widget.native()).is_some_and(|native| {
                let toplevel = native.surface().and_downcast::<gdk::Toplevel>();
                toplevel.is_some_and(|toplevel| !toplevel.state().contains(gdk::ToplevelState::MINIMIZED))
            });
            if is_seen {
                look();
            }
            glib::ControlFlow::Continue
        });
        kept.replace(Some(source));
    });
    widget.connect_unmap(move |_| timer.take().into_iter().for_each(glib::SourceId::remove));
}
