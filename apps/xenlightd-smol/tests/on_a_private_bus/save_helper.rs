//! In place of libxl-save-helper, which asks the hypervisor for memory that no simulated domain has: this program, as libxl starts it. It
//! talks to libxl as libxl_save_helper.c of Xen 4.14 and later does.

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write, stdin, stdout};
use std::os::fd::{FromRawFd, OwnedFd};

/// What it is to do, in the environment of the service.
pub(crate) const DO: &str = "OSEVENT_SAVE_HELPER";

/// A FIFO, also there: the helper waits half-way until somebody writes to it, if it is not to hang.
pub(crate) const GATE: &str = "OSEVENT_SAVE_GATE";

/// What the domains have in their memory.
pub(crate) const MEMORY: &[u8] = b"all that is in its memory";

/// What is before the first record of the memory. Nobody but the other helper reads it.
const HEADERS: [u8; 40] = [9; 40];

const LOG: u16 = 1;
const PROGRESS: u16 = 2;
const RESULTS: u16 = 9;
const COMPLETE: u16 = 10;

/// If libxl has started this program.
pub(crate) fn run() -> Option<Result<(), Box<dyn Error>>> {
    let mut arguments = std::env::args().skip(1);
    let save = match arguments.next()?.as_str() {
        "--save-domain" => true,
        "--restore-domain" => false,
        _ => return None,
    };
    Some(help(save, &arguments.next()?))
}

fn help(save: bool, stream: &str) -> Result<(), Box<dyn Error>> {
    // SAFETY: libxl passes it for this process alone.
    let mut stream = File::from(unsafe { OwnedFd::from_raw_fd(stream.parse()?) });
    let what = std::env::var(DO).unwrap_or_default();
    if save {
        // That it runs is seen by that.
        stream.write_all(&HEADERS)?;
        for done in [0_u64, 50, 100] {
            let numbers = [done.to_ne_bytes(), 100_u64.to_ne_bytes()].concat();
            send(PROGRESS, &[&text("xc"), &text("Frames"), &numbers])?;
            // Until libxl has it end.
            if what == "hangs" && done == 50 {
                stdin().read_exact(&mut [0])?;
            }
            if let (50, Ok(gate)) = (done, std::env::var(GATE)) {
                File::open(gate)?.read_exact(&mut [0])?;
            }
        }
        if what == "fails" {
            let error = [1_u32.to_ne_bytes(), 28_u32.to_ne_bytes()].concat();
            // Of xentoollog's levels.
            let level = [8_u32.to_ne_bytes(), 28_u32.to_ne_bytes()].concat();
            send(LOG, &[&level, &text("xc"), &text("Failed to write page data to stream")])?;
            return complete(&error);
        }
        stream.write_all(&memory())?;
    } else {
        let expected = [&HEADERS[..], &memory()].concat();
        let mut read = vec![0; expected.len()];
        stream.read_exact(&mut read)?;
        if read != expected {
            return complete(&[1_u32.to_ne_bytes(), 22_u32.to_ne_bytes()].concat());
        }
        send(RESULTS, &[&[0; 16]])?;
    }
    complete(&[0; 8])
}

/// The records of the memory: of a page, and the last one.
fn memory() -> Vec<u8> {
    let number = |number: usize| u32::try_from(number).expect("it is small").to_le_bytes();
    let padding = MEMORY.len().next_multiple_of(8) - MEMORY.len();
    [&number(1)[..], &number(MEMORY.len()), MEMORY, &vec![0; padding], &number(0), &number(0)].concat()
}

/// libxl answers it.
fn complete(result: &[u8]) -> Result<(), Box<dyn Error>> {
    send(COMPLETE, &[result])?;
    Ok(stdin().read_exact(&mut [0; 4])?)
}

fn send(message: u16, parts: &[&[u8]]) -> Result<(), Box<dyn Error>> {
    let body = [&message.to_ne_bytes()[..], &parts.concat()].concat();
    let mut out = stdout();
    out.write_all(&u16::try_from(body.len())?.to_ne_bytes())?;
    out.write_all(&body)?;
    Ok(out.flush()?)
}

fn text(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len() + 1).expect("it is short");
    [&length.to_ne_bytes()[..], text.as_bytes(), &[0]].concat()
}
