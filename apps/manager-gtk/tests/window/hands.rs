//! Somebody at the keyboard, and a window manager: both are clients of the screen like any other.

use crate::looking::until;
use osevent_standin_machine::Failure;
use x11rb::CURRENT_TIME;
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{
    BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ConfigureWindowAux, ConnectionExt as _, InputFocus, KEY_PRESS_EVENT,
    KEY_RELEASE_EVENT, MapState, Window,
};
use x11rb::protocol::xtest::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

pub(crate) struct Hands {
    screen: RustConnection,
    root: Window,
}

/// As X numbers its buttons.
#[derive(Clone, Copy)]
pub(crate) enum Wheel {
    Up = 4,
    Down = 5,
}

/// As X numbers them: of letters and digits, the number is that of the character.
pub(crate) const CONTROL: u32 = 0xffe3;
pub(crate) const F2: u32 = 0xffbf;

impl Hands {
    pub(crate) fn new(display: &str) -> Result<Self, Failure> {
        let (screen, number) = x11rb::connect(Some(display))?;
        let root = screen.setup().roots[number].root;
        Ok(Self { screen, root })
    }

    /// Gives the newest window this size, and waits until it has it.
    pub(crate) fn resize(&self, width: u16, height: u16) -> Result<(), Failure> {
        let window = self.newest()?;
        let size = ConfigureWindowAux::new().x(0).y(0).width(u32::from(width)).height(u32::from(height));
        self.screen.configure_window(window, &size)?.check()?;
        until(|| self.size().is_ok_and(|is| is == (width, height)))
    }

    /// The size of the newest window.
    pub(crate) fn size(&self) -> Result<(u16, u16), Failure> {
        let is = self.screen.get_geometry(self.newest()?)?.reply()?;
        Ok((is.width, is.height))
    }

    /// Presses these keys together, in the newest window, and lets go of them.
    pub(crate) fn press(&self, keys: &[u32]) -> Result<(), Failure> {
        self.screen.set_input_focus(InputFocus::PARENT, self.newest()?, CURRENT_TIME)?.check()?;
        let codes = keys.iter().map(|key| self.code(*key)).collect::<Result<Vec<_>, _>>()?;
        let presses = codes.iter().map(|code| (KEY_PRESS_EVENT, *code));
        let releases = codes.iter().rev().map(|code| (KEY_RELEASE_EVENT, *code));
        for (kind, code) in presses.chain(releases) {
            self.screen.xtest_fake_input(kind, code, CURRENT_TIME, self.root, 0, 0, 0)?.check()?;
        }
        Ok(())
    }

    /// Turns the wheel of the mouse, in the middle of the newest window.
    pub(crate) fn scroll(&self, wheel: Wheel) -> Result<(), Failure> {
        let window = self.newest()?;
        let (width, height) = self.size()?;
        let (x, y) = (i16::try_from(width / 2)?, i16::try_from(height / 2)?);
        self.screen.warp_pointer(x11rb::NONE, window, 0, 0, 0, 0, x, y)?.check()?;
        for kind in [BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT] {
            self.screen.xtest_fake_input(kind, wheel as u8, CURRENT_TIME, self.root, 0, 0, 0)?.check()?;
        }
        Ok(())
    }

    /// The window that came last, of those that are seen.
    fn newest(&self) -> Result<Window, Failure> {
        for window in self.screen.query_tree(self.root)?.reply()?.children.into_iter().rev() {
            let is_seen = self.screen.get_window_attributes(window)?.reply()?.map_state == MapState::VIEWABLE;
            if is_seen && self.screen.get_geometry(window)?.reply()?.width > 1 {
                return Ok(window);
            }
        }
        Err("no window is seen".into())
    }

    /// The key of the keyboard that has this symbol.
    fn code(&self, key: u32) -> Result<u8, Failure> {
        let (least, most) = (self.screen.setup().min_keycode, self.screen.setup().max_keycode);
        let keys = self.screen.get_keyboard_mapping(least, most - least + 1)?.reply()?;
        let mut symbols = keys.keysyms.chunks(keys.keysyms_per_keycode.into());
        let at = symbols.position(|symbols| symbols.contains(&key)).ok_or("the keyboard has no such key")?;
        Ok(least + u8::try_from(at)?)
    }
}
