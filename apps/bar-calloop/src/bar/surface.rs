//! The bar on one output.

use smithay_client_toolkit::compositor::FrameCallbackData;
use smithay_client_toolkit::reexports::client::QueueHandle;
use smithay_client_toolkit::reexports::client::protocol::wl_output::WlOutput;
use smithay_client_toolkit::reexports::client::protocol::wl_shm::Format;
use smithay_client_toolkit::shell::WaylandSurface;
use smithay_client_toolkit::shell::wlr_layer::LayerSurface;
use smithay_client_toolkit::shm::slot::SlotPool;

use super::Bar;
use super::layout::{Hit, Piece};
use super::paint::Painter;
use crate::Failure;

pub(super) struct Surface {
    pub(super) layer: LayerSurface,
    pub(super) output: WlOutput,
    /// In logical pixels; 0 before the compositor has told them.
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) scale: i32,
    /// It does not show what is.
    pub(super) is_stale: bool,
    /// The compositor will say when the next frame is wanted; never while the bar cannot be seen.
    pub(super) awaits_frame: bool,
    pub(super) pieces: Vec<Piece>,
    /// Where the pointer is.
    pub(super) pointer: Option<f32>,
}

impl Surface {
    pub(super) fn new(layer: LayerSurface, output: WlOutput, scale: i32) -> Self {
        Self {
            layer,
            output,
            width: 0,
            height: 0,
            scale,
            is_stale: true,
            awaits_frame: false,
            pieces: Vec::new(),
            pointer: None,
        }
    }

    pub(super) fn may_draw(&self) -> bool {
        self.is_stale && !self.awaits_frame && self.width > 0 && self.height > 0
    }

    pub(super) fn hit(&self, x: f32) -> Option<Hit> {
        self.pieces.iter().find(|piece| piece.contains(x))?.hit
    }

    pub(super) fn paint(
        &mut self,
        painter: &mut Painter,
        pool: &mut SlotPool,
        queue: &QueueHandle<Bar>,
    ) -> Result<(), Failure> {
        let scale = self.scale.max(1);
        let (width, height) = (self.width as i32 * scale, self.height as i32 * scale);
        let (buffer, canvas) = pool.create_buffer(width, height, width * 4, Format::Argb8888)?;
        painter
            .paint(canvas, (width as u32, height as u32), scale as f32, &self.pieces, self.pointer)
            .ok_or("its memory has another size")?;
        let surface = self.layer.wl_surface();
        surface.set_buffer_scale(scale);
        surface.damage_buffer(0, 0, width, height);
        surface.frame(queue, FrameCallbackData(surface.clone()));
        buffer.attach_to(surface)?;
        self.layer.commit();
        (self.is_stale, self.awaits_frame) = (false, true);
        Ok(())
    }
}
