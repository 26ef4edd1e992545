//! Draws pieces into the memory of a buffer.

use cosmic_text::{
    Attrs, Buffer, Color as TextColor, Ellipsize, EllipsizeHeightLimit, Family, FontSystem, Metrics, Shaping,
    SwashCache, Wrap,
};
use tiny_skia::{Color, FillRule, Paint, PathBuilder, PixmapMut, Rect, Transform};

use super::layout::{Piece, Style};
use crate::domain::State;

const BACKGROUND: [u8; 3] = [0x24, 0x24, 0x28];
const RAISED: [u8; 3] = [0x38, 0x38, 0x3e];
const HOVERED: [u8; 3] = [0x50, 0x50, 0x58];
const WARNING: [u8; 3] = [0x8a, 0x2a, 0x2a];
const WARNING_HOVERED: [u8; 3] = [0xb0, 0x3a, 0x3a];
const TEXT: [u8; 3] = [0xf4, 0xf4, 0xf4];

/// What text needs to be drawn; the fonts of the system take a while to be found.
pub(crate) struct Painter {
    fonts: FontSystem,
    glyphs: SwashCache,
    /// In logical pixels.
    height: f32,
}

impl Painter {
    pub(crate) fn new(height: u32) -> Self {
        Self { fonts: FontSystem::new(), glyphs: SwashCache::new(), height: height as f32 }
    }

    /// The width of a text, in logical pixels.
    pub(crate) fn measure(&mut self, text: &str) -> f32 {
        let shaped = self.shape(text, 1.0, None);
        shaped.layout_runs().map(|run| run.line_w).fold(0.0, f32::max).ceil()
    }

    /// Draws into `canvas`, which has `width` times `height` pixels in the order of wl_shm's `argb8888`.
    ///
    /// Returns `None` where the canvas is not of this size.
    pub(crate) fn paint(
        &mut self,
        canvas: &mut [u8],
        (width, height): (u32, u32),
        scale: f32,
        pieces: &[Piece],
        hovered: Option<f32>,
    ) -> Option<()> {
        let mut pixmap = PixmapMut::from_bytes(canvas, width, height)?;
        pixmap.fill(color(BACKGROUND));
        for piece in pieces {
            let is_hovered = piece.hit.is_some() && hovered.is_some_and(|x| piece.contains(x));
            let ground = match (piece.style, is_hovered) {
                (Style::Plain, _) => BACKGROUND,
                (Style::Warning, false) => WARNING,
                (Style::Warning, true) => WARNING_HOVERED,
                (Style::Domain(_) | Style::Action, false) => RAISED,
                (Style::Domain(_) | Style::Action, true) => HOVERED,
            };
            let (left, room) = (piece.x * scale, piece.width * scale);
            let (top, inner) = (0.1 * height as f32, 0.8 * height as f32);
            fill(&mut pixmap, rounded(left, top, room, inner, 5.0 * scale)?, ground);
            if let Style::Domain(state) = piece.style {
                let dot = PathBuilder::from_circle(left + 8.0 * scale, height as f32 / 2.0, 4.0 * scale)?;
                fill(&mut pixmap, dot, of_state(state));
            }
            self.write(&mut pixmap, piece, scale);
        }
        Some(())
    }

    fn write(&mut self, pixmap: &mut PixmapMut<'_>, piece: &Piece, scale: f32) {
        let room = (piece.width - piece.inset) * scale;
        let mut shaped = self.shape(&piece.text, scale, Some(room));
        let (left, right) = ((piece.x + piece.inset) * scale, (piece.x + piece.width) * scale);
        let [red, green, blue] = TEXT;
        let text = TextColor::rgb(red, green, blue);
        shaped.draw(&mut self.fonts, &mut self.glyphs, text, |x, y, width, height, shade| {
            let x = left as i32 + x;
            if x as f32 >= right {
                return;
            }
            let Some(spot) = Rect::from_xywh(x as f32, y as f32, width as f32, height as f32) else { return };
            let mut paint = Paint::default();
            // The order of the bytes is the other one of tiny-skia's.
            paint.set_color_rgba8(shade.b(), shade.g(), shade.r(), shade.a());
            paint.anti_alias = false;
            pixmap.fill_rect(spot, &paint, Transform::identity(), None);
        });
    }

    fn shape(&mut self, text: &str, scale: f32, room: Option<f32>) -> Buffer {
        let height = self.height * scale;
        let mut shaped = Buffer::new(&mut self.fonts, Metrics::new(0.46 * height, height));
        shaped.set_wrap(Wrap::None);
        shaped.set_size(room, Some(height));
        if room.is_some() {
            shaped.set_ellipsize(Ellipsize::End(EllipsizeHeightLimit::Lines(1)));
        }
        // A name may have line ends in it, and a message has.
        let line = text.replace(char::is_control, " ");
        shaped.set_text(&line, &Attrs::new().family(Family::SansSerif), Shaping::Advanced, None);
        shaped.shape_until_scroll(&mut self.fonts, false);
        shaped
    }
}

const fn of_state(state: State) -> [u8; 3] {
    match state {
        State::Making => [0x62, 0xa0, 0xea],
        State::Running => [0x57, 0xe3, 0x89],
        State::Paused => [0xf8, 0xe4, 0x5c],
        State::Suspended => [0xc0, 0x61, 0xcb],
        State::Shutdown | State::Dying => [0x9a, 0x99, 0x96],
        State::Crashed => [0xed, 0x33, 0x3b],
    }
}

/// In the order of wl_shm's bytes, blue first.
fn color([red, green, blue]: [u8; 3]) -> Color {
    Color::from_rgba8(blue, green, red, 0xff)
}

fn fill(pixmap: &mut PixmapMut<'_>, path: tiny_skia::Path, ground: [u8; 3]) {
    let mut paint = Paint::default();
    paint.set_color(color(ground));
    pixmap.fill_path(&path, &paint, FillRule::Winding, Transform::identity(), None);
}

fn rounded(x: f32, y: f32, width: f32, height: f32, radius: f32) -> Option<tiny_skia::Path> {
    let radius = radius.min(width / 2.0).min(height / 2.0);
    let (right, bottom) = (x + width, y + height);
    let mut path = PathBuilder::new();
    path.move_to(x + radius, y);
    path.line_to(right - radius, y);
    path.quad_to(right, y, right, y + radius);
    path.line_to(right, bottom - radius);
    path.quad_to(right, bottom, right - radius, bottom);
    path.line_to(x + radius, bottom);
    path.quad_to(x, bottom, x, bottom - radius);
    path.line_to(x, y + radius);
    path.quad_to(x, y, x + radius, y);
    path.close();
    path.finish()
}
