//! What the compositor tells.

use smithay_client_toolkit::compositor::CompositorHandler;
use smithay_client_toolkit::output::{OutputHandler, OutputState};
use smithay_client_toolkit::reexports::client::protocol::wl_output::{Transform, WlOutput};
use smithay_client_toolkit::reexports::client::protocol::wl_pointer::WlPointer;
use smithay_client_toolkit::reexports::client::protocol::wl_seat::WlSeat;
use smithay_client_toolkit::reexports::client::protocol::wl_surface::WlSurface;
use smithay_client_toolkit::reexports::client::{Connection, QueueHandle};
use smithay_client_toolkit::registry::{ProvidesRegistryState, RegistryState};
use smithay_client_toolkit::seat::pointer::{
    BTN_LEFT, CursorIcon, PointerEvent, PointerEventKind, PointerHandler, ThemeSpec,
};
use smithay_client_toolkit::seat::{Capability, SeatHandler, SeatState};
use smithay_client_toolkit::shell::WaylandSurface;
use smithay_client_toolkit::shell::wlr_layer::{
    Anchor, KeyboardInteractivity, Layer, LayerShellHandler, LayerSurface, LayerSurfaceConfigure,
};
use smithay_client_toolkit::shm::{Shm, ShmHandler};
use smithay_client_toolkit::{delegate_dispatch2, delegate_registry, registry_handlers};

use super::Bar;
use super::surface::Surface;
use crate::arguments::Edge;

impl OutputHandler for Bar {
    fn output_state(&mut self) -> &mut OutputState {
        &mut self.outputs
    }

    fn new_output(&mut self, _: &Connection, queue: &QueueHandle<Self>, output: WlOutput) {
        let info = self.outputs.info(&output);
        let name = info.as_ref().and_then(|info| info.name.clone());
        if self.place.output.is_some() && self.place.output != name {
            return;
        }
        let edge = match self.place.edge {
            Edge::Top => Anchor::TOP,
            Edge::Bottom => Anchor::BOTTOM,
        };
        let surface = self.compositor.create_surface(queue);
        let layer = self.shell.create_layer_surface(queue, surface, Layer::Top, Some("osevent-bar"), Some(&output));
        layer.set_anchor(edge | Anchor::LEFT | Anchor::RIGHT);
        layer.set_size(0, self.place.height);
        layer.set_exclusive_zone(self.place.height as i32);
        layer.set_keyboard_interactivity(KeyboardInteractivity::None);
        // Without a buffer: the compositor answers with the size.
        layer.commit();
        self.surfaces.push(Surface::new(layer, output, info.map_or(1, |info| info.scale_factor)));
    }

    fn update_output(&mut self, _: &Connection, _: &QueueHandle<Self>, _: WlOutput) {}

    fn output_destroyed(&mut self, _: &Connection, _: &QueueHandle<Self>, output: WlOutput) {
        self.surfaces.retain(|surface| surface.output != output);
    }
}

impl LayerShellHandler for Bar {
    fn closed(&mut self, _: &Connection, _: &QueueHandle<Self>, layer: &LayerSurface) {
        self.surfaces.retain(|surface| surface.layer != *layer);
    }

    fn configure(
        &mut self,
        _: &Connection,
        _: &QueueHandle<Self>,
        layer: &LayerSurface,
        configure: LayerSurfaceConfigure,
        _: u32,
    ) {
        let Some(at) = self.surface(layer.wl_surface()) else { return };
        let (width, height) = configure.new_size;
        let surface = &mut self.surfaces[at];
        // 0: as the client likes it.
        surface.height = if height == 0 { self.place.height } else { height };
        surface.width = width;
        surface.is_stale = true;
        self.draw(at);
    }
}

impl CompositorHandler for Bar {
    fn scale_factor_changed(&mut self, _: &Connection, _: &QueueHandle<Self>, of: &WlSurface, scale: i32) {
        let Some(at) = self.surface(of) else { return };
        self.surfaces[at].scale = scale;
        self.surfaces[at].is_stale = true;
        self.draw(at);
    }

    fn transform_changed(&mut self, _: &Connection, _: &QueueHandle<Self>, _: &WlSurface, _: Transform) {}

    fn frame(&mut self, _: &Connection, _: &QueueHandle<Self>, of: &WlSurface, _: u32) {
        let Some(at) = self.surface(of) else { return };
        self.surfaces[at].awaits_frame = false;
        self.draw(at);
    }

    fn surface_enter(&mut self, _: &Connection, _: &QueueHandle<Self>, _: &WlSurface, _: &WlOutput) {}

    fn surface_leave(&mut self, _: &Connection, _: &QueueHandle<Self>, _: &WlSurface, _: &WlOutput) {}
}

impl SeatHandler for Bar {
    fn seat_state(&mut self) -> &mut SeatState {
        &mut self.seats
    }

    fn new_seat(&mut self, _: &Connection, _: &QueueHandle<Self>, _: WlSeat) {}

    fn new_capability(&mut self, _: &Connection, queue: &QueueHandle<Self>, seat: WlSeat, capability: Capability) {
        if capability != Capability::Pointer {
            return;
        }
        let cursor = self.compositor.create_surface(queue);
        let pointer = self.seats.get_pointer_with_theme::<Self, ()>(
            queue,
            &seat,
            self.shm.wl_shm(),
            cursor,
            ThemeSpec::default(),
        );
        // A seat that has gone again has none.
        self.pointers.extend(pointer.ok().map(|pointer| (seat, pointer)));
    }

    fn remove_capability(&mut self, _: &Connection, _: &QueueHandle<Self>, seat: WlSeat, capability: Capability) {
        if capability == Capability::Pointer {
            self.forget_pointer(&seat);
        }
    }

    fn remove_seat(&mut self, _: &Connection, _: &QueueHandle<Self>, seat: WlSeat) {
        self.forget_pointer(&seat);
    }
}

impl PointerHandler for Bar {
    fn pointer_frame(&mut self, _: &Connection, _: &QueueHandle<Self>, pointer: &WlPointer, events: &[PointerEvent]) {
        for event in events {
            let Some(at) = self.surface(&event.surface) else { continue };
            let x = event.position.0 as f32;
            match event.kind {
                PointerEventKind::Enter { .. } => {
                    if let Some((_, themed)) = self.pointers.iter().find(|(_, themed)| themed.pointer() == pointer) {
                        // Without a cursor theme it keeps the one that it has.
                        let _ = themed.set_cursor(&self.connection, CursorIcon::Default);
                    }
                    self.point(at, Some(x));
                }
                PointerEventKind::Motion { .. } => self.point(at, Some(x)),
                PointerEventKind::Leave { .. } => self.point(at, None),
                PointerEventKind::Press { button: BTN_LEFT, .. } => self.click(at, x),
                PointerEventKind::Axis { vertical, .. } => {
                    let by = if vertical.absolute > 0.0 { 1 } else { -1 };
                    self.view.scroll(by, self.host.domains().len());
                    self.redraw();
                }
                _ => {}
            }
        }
    }
}

impl Bar {
    fn point(&mut self, at: usize, x: Option<f32>) {
        let surface = &mut self.surfaces[at];
        let before = surface.pointer.and_then(|x| surface.hit(x));
        let now = x.and_then(|x| surface.hit(x));
        surface.pointer = x;
        if before != now {
            surface.is_stale = true;
            self.draw(at);
        }
    }

    fn forget_pointer(&mut self, seat: &WlSeat) {
        self.pointers.retain(|(of, _)| of != seat);
    }
}

impl ShmHandler for Bar {
    fn shm_state(&mut self) -> &mut Shm {
        &mut self.shm
    }
}

impl ProvidesRegistryState for Bar {
    fn registry(&mut self) -> &mut RegistryState {
        &mut self.registry
    }

    registry_handlers![OutputState, SeatState];
}

delegate_registry!(Bar);
delegate_dispatch2!(Bar);
