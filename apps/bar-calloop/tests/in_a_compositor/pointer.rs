//! A pointer for a compositor that has no devices, by the protocol wlr-virtual-pointer.

use libtest_mimic::Failed;
use smithay_client_toolkit::reexports::client::globals::{GlobalListContents, registry_queue_init};
use smithay_client_toolkit::reexports::client::protocol::wl_pointer::{Axis, AxisSource, ButtonState};
use smithay_client_toolkit::reexports::client::protocol::wl_registry::{self, WlRegistry};
use smithay_client_toolkit::reexports::client::{Connection, Dispatch, EventQueue, QueueHandle, delegate_noop};
use smithay_client_toolkit::reexports::protocols_wlr::virtual_pointer::v1::client::zwlr_virtual_pointer_manager_v1::ZwlrVirtualPointerManagerV1;
use smithay_client_toolkit::reexports::protocols_wlr::virtual_pointer::v1::client::zwlr_virtual_pointer_v1::ZwlrVirtualPointerV1;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// The left button, as input-event-codes.h has it.
const BTN_LEFT: u32 = 0x110;
/// What the wheel of a mouse tells for one notch.
const NOTCH: f64 = 15.0;

pub(crate) struct Pointer {
    queue: EventQueue<Nothing>,
    pointer: ZwlrVirtualPointerV1,
}

struct Nothing;

impl Pointer {
    pub(crate) fn connect(display: &Path) -> Result<Self, Failed> {
        let connection = Connection::from_socket(UnixStream::connect(display)?)?;
        let (globals, queue) = registry_queue_init::<Nothing>(&connection)?;
        let handle = queue.handle();
        let manager: ZwlrVirtualPointerManagerV1 = globals.bind(&handle, 1..=2, ())?;
        let pointer = manager.create_virtual_pointer(None, &handle, ());
        let mut connected = Self { queue, pointer };
        connected.flush()?;
        Ok(connected)
    }

    /// Moves to where `x` and `y` are on a layout of this size, in logical pixels.
    pub(crate) fn place(&mut self, (x, y): (usize, usize), (width, height): (usize, usize)) -> Result<(), Failed> {
        self.pointer.motion_absolute(0, x as u32, y as u32, width as u32, height as u32);
        self.pointer.frame();
        self.flush()
    }

    pub(crate) fn click(&mut self) -> Result<(), Failed> {
        for state in [ButtonState::Pressed, ButtonState::Released] {
            self.pointer.button(0, BTN_LEFT, state);
            self.pointer.frame();
        }
        self.flush()
    }

    /// One notch of the wheel, down.
    pub(crate) fn scroll(&mut self) -> Result<(), Failed> {
        self.pointer.axis_source(AxisSource::Wheel);
        self.pointer.axis_discrete(0, Axis::VerticalScroll, NOTCH, 1);
        self.pointer.frame();
        self.flush()
    }

    /// The compositor has seen it.
    fn flush(&mut self) -> Result<(), Failed> {
        self.queue.roundtrip(&mut Nothing)?;
        Ok(())
    }
}

impl Dispatch<WlRegistry, GlobalListContents> for Nothing {
    fn event(
        _: &mut Self,
        _: &WlRegistry,
        _: wl_registry::Event,
        _: &GlobalListContents,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
    }
}

delegate_noop!(Nothing: ZwlrVirtualPointerManagerV1);
delegate_noop!(Nothing: ZwlrVirtualPointerV1);
