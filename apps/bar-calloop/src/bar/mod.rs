//! A bar on each output, by the layer shell of wlroots.

mod layout;
mod paint;
mod surface;
mod wayland;

use calloop::EventLoop;
use smithay_client_toolkit::compositor::CompositorState;
use smithay_client_toolkit::output::OutputState;
use smithay_client_toolkit::reexports::calloop_wayland_source::WaylandSource;
use smithay_client_toolkit::reexports::client::globals::{BindError, registry_queue_init};
use smithay_client_toolkit::reexports::client::protocol::wl_seat::WlSeat;
use smithay_client_toolkit::reexports::client::protocol::wl_surface::WlSurface;
use smithay_client_toolkit::reexports::client::{Connection, QueueHandle};
use smithay_client_toolkit::registry::RegistryState;
use smithay_client_toolkit::seat::SeatState;
use smithay_client_toolkit::seat::pointer::ThemedPointer;
use smithay_client_toolkit::shell::WaylandSurface;
use smithay_client_toolkit::shell::wlr_layer::LayerShell;
use smithay_client_toolkit::shm::Shm;
use smithay_client_toolkit::shm::slot::SlotPool;

use crate::Failure;
use crate::arguments::Place;
use crate::host::{Host, Shows};
use layout::{Hit, View};
use paint::Painter;
use surface::Surface;

/// The data of the loop.
struct Bar {
    host: Host<Self>,
    place: Place,
    view: View,
    painter: Painter,
    surfaces: Vec<Surface>,
    pointers: Vec<(WlSeat, ThemedPointer)>,
    connection: Connection,
    queue: QueueHandle<Self>,
    registry: RegistryState,
    seats: SeatState,
    outputs: OutputState,
    compositor: CompositorState,
    shell: LayerShell,
    shm: Shm,
    pool: SlotPool,
}

/// Shows the bar until it is told to end, or the compositor ends.
pub(crate) fn run(place: Place) -> Result<(), Failure> {
    let mut event_loop = EventLoop::try_new()?;
    let connection = Connection::connect_to_env()
        .map_err(|error| format!("no Wayland compositor can be reached ({error}); `osevent-bar waybar` needs none"))?;
    let (globals, events) = registry_queue_init(&connection)?;
    let queue = events.handle();
    let lacks = |what: &'static str| {
        move |error: BindError| {
            format!("the compositor has no {what} ({error}); `osevent-bar waybar` works with any bar")
        }
    };
    let compositor = CompositorState::bind(&globals, &queue).map_err(lacks("wl_compositor"))?;
    let shell = LayerShell::bind(&globals, &queue).map_err(lacks("layer shell (wlr-layer-shell)"))?;
    let shm = Shm::bind(&globals, &queue).map_err(lacks("wl_shm"))?;
    // It grows with what is drawn.
    let pool = SlotPool::new(4096, &shm)?;
    let mut bar = Bar {
        host: Host::new(event_loop.handle(), event_loop.get_signal())?,
        painter: Painter::new(place.height),
        place,
        view: View::default(),
        surfaces: Vec::new(),
        pointers: Vec::new(),
        connection: connection.clone(),
        registry: RegistryState::new(&globals),
        seats: SeatState::new(&globals, &queue),
        outputs: OutputState::new(&globals, &queue),
        queue,
        compositor,
        shell,
        shm,
        pool,
    };
    WaylandSource::new(connection, events).insert(event_loop.handle()).map_err(|refused| refused.error)?;
    bar.host.connect();
    let ended = event_loop.run(None, &mut bar, |_| {});
    bar.host.close()?;
    ended.map_err(|error| format!("the compositor has gone: {error}").into())
}

impl Shows for Bar {
    fn host(&mut self) -> &mut Host<Self> {
        &mut self.host
    }

    fn changed(&mut self) {
        let domains = self.host.domains();
        self.view.skipped = self.view.skipped.min(domains.len().saturating_sub(1));
        // What is open has gone, or can do other things than those that were clicked.
        if !self.view.open.is_some_and(|open| domains.iter().any(|domain| domain.uuid == open)) {
            self.view.open = None;
        }
        self.redraw();
    }
}

impl Bar {
    fn redraw(&mut self) {
        for at in 0..self.surfaces.len() {
            self.surfaces[at].is_stale = true;
            self.draw(at);
        }
    }

    /// Draws it, or leaves that to the frame callback that is awaited.
    fn draw(&mut self, at: usize) {
        let surface = &mut self.surfaces[at];
        if !surface.may_draw() {
            return;
        }
        let pieces =
            layout::pieces(self.host.domains(), self.host.trouble(), &self.view, surface.width as f32, |text| {
                self.painter.measure(text)
            });
        surface.pieces = pieces;
        if let Err(error) = surface.paint(&mut self.painter, &mut self.pool, &self.queue) {
            // Out of memory: tried again at the next change.
            self.host.fail(format!("the bar cannot be drawn: {error}"));
        }
    }

    fn surface(&self, of: &WlSurface) -> Option<usize> {
        self.surfaces.iter().position(|surface| surface.layer.wl_surface() == of)
    }

    fn click(&mut self, at: usize, x: f32) {
        let Some(hit) = self.surfaces[at].hit(x) else { return };
        match self.view.click(hit) {
            Some(Hit::Act(uuid, action)) => self.host.act(uuid, action),
            Some(Hit::Dismiss) => self.host.dismiss(),
            Some(Hit::Open(_)) | None => {}
        }
        self.redraw();
    }
}
