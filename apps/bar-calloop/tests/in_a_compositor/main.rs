//! The bar in a real compositor without a screen, over a pretend machine: what it shows, clicks, outputs, scales, ends.

mod compositor;
mod pointer;

use compositor::{Compositor, Picture, eventually, missing};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use osevent_standin_machine::{Machine, Running};
use pointer::Pointer;
use std::process::Command;
use xenlight::Library;

const FIRST: &str = "HEADLESS-1";
const HEIGHT: usize = 28;
/// Of the first output.
const SCREEN: (usize, usize) = (1280, 200);
const BACKGROUND: [u8; 3] = [0x24, 0x24, 0x28];
const RUNNING: [u8; 3] = [0x57, 0xe3, 0x89];
const PAUSED: [u8; 3] = [0xf8, 0xe4, 0x5c];
const SHUTDOWN: [u8; 3] = [0x9a, 0x99, 0x96];
/// Xen's number of "it was switched off".
const POWEROFF: u8 = 0;

/// Its name, and what it does.
type Case = (&'static str, fn() -> Result<(), Failed>);

fn main() {
    let cases: [Case; 6] = [
        ("a_domain_is_shown_from_its_beginning_to_its_end", life),
        ("a_click_shows_what_can_be_done_and_a_second_does_it", clicks),
        ("what_loses_data_takes_two_clicks", destroys),
        ("outputs_come_and_go_and_change_their_scale", outputs),
        ("three_hundred_domains_are_scrolled", many),
        ("it_ends_in_order_by_a_signal_and_says_so_when_the_compositor_has_gone", ends),
    ];
    let trials = cases.map(|(name, case)| {
        Trial::ignorable_test(name, move || {
            if let Err(missing) = Library::load() {
                return Ok(Completion::ignored_with(missing.to_string()));
            }
            if let Some(missing) = missing() {
                return Ok(Completion::ignored_with(missing));
            }
            case().map(|()| Completion::Completed)
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit();
}

/// A bar over a machine with these domains.
struct Shown {
    machine: Machine,
    compositor: Compositor,
    pointer: Pointer,
    bar: Running,
}

impl Shown {
    fn with(domains: &[u32]) -> Result<Self, Failed> {
        let machine = Machine::new()?;
        for domid in domains {
            machine.add_domain(*domid)?;
        }
        let compositor = Compositor::start()?;
        let pointer = Pointer::connect(&compositor.display()?)?;
        let mut command = machine.command(env!("CARGO_BIN_EXE_osevent-bar"));
        compositor.show(&mut command)?;
        let bar = Running::start(&mut command)?;
        let shown = Self { machine, compositor, pointer, bar };
        // With domain 0.
        shown.shows(FIRST, 1, |pieces| pieces.len() > domains.len().min(5))?;
        Ok(shown)
    }

    fn pieces(&self, output: &str, scale: usize) -> Result<Vec<Piece>, Failed> {
        Ok(pieces(&self.compositor.picture(output)?, scale))
    }

    fn shows(&self, output: &str, scale: usize, is_so: impl Fn(&[Piece]) -> bool) -> Result<(), Failed> {
        let mut last = Vec::new();
        eventually("the bar shows what it should", || {
            last = self.pieces(output, scale)?;
            Ok(is_so(&last))
        })
        .map_err(|failed| format!("{}; it shows {last:?}", failed.message().unwrap_or_default()).into())
    }

    fn click(&mut self, piece: usize) -> Result<(), Failed> {
        let pieces = self.pieces(FIRST, 1)?;
        let piece = pieces.get(piece).ok_or_else(|| format!("no such piece in {pieces:?}"))?;
        self.pointer.place(((piece.begin + piece.end) / 2, HEIGHT / 2), SCREEN)?;
        self.pointer.click()
    }
}

/// What is raised from the background of the bar.
#[derive(Debug, PartialEq, Eq)]
struct Piece {
    begin: usize,
    end: usize,
    /// The color of its dot, if it has one there.
    dot: [u8; 3],
}

fn pieces(picture: &Picture, scale: usize) -> Vec<Piece> {
    // Above the text.
    let row = 4 * scale;
    let is_raised = |x: &usize| picture.height > row && picture.at(*x, row) != BACKGROUND;
    let mut pieces: Vec<Piece> = Vec::new();
    for x in (0..picture.width).filter(is_raised) {
        match pieces.last_mut() {
            Some(last) if last.end == x => last.end = x + 1,
            _ => pieces.push(Piece {
                begin: x,
                end: x + 1,
                dot: picture.at((x + 8 * scale).min(picture.width - 1), HEIGHT * scale / 2),
            }),
        }
    }
    pieces
}

fn dots(pieces: &[Piece]) -> Vec<[u8; 3]> {
    pieces.iter().map(|piece| piece.dot).collect()
}

fn life() -> Result<(), Failed> {
    let shown = Shown::with(&[5, 9])?;
    shown.shows(FIRST, 1, |pieces| dots(pieces) == [RUNNING; 3])?;
    shown.machine.shut_down(5, POWEROFF)?;
    shown.shows(FIRST, 1, |pieces| dots(pieces) == [RUNNING, SHUTDOWN, RUNNING])?;
    shown.machine.destroy(5)?;
    shown.shows(FIRST, 1, |pieces| dots(pieces) == [RUNNING; 2])
}

fn clicks() -> Result<(), Failed> {
    let mut shown = Shown::with(&[5])?;
    shown.click(1)?;
    // Pause, shut down, reboot and destroy follow.
    shown.shows(FIRST, 1, |pieces| pieces.len() == 6)?;
    shown.click(2)?;
    shown.shows(FIRST, 1, |pieces| dots(pieces) == [RUNNING, PAUSED])?;
    shown.click(1)?;
    // Continue and destroy.
    shown.shows(FIRST, 1, |pieces| pieces.len() == 4)?;
    shown.click(2)?;
    shown.shows(FIRST, 1, |pieces| dots(pieces) == [RUNNING; 2])
}

fn destroys() -> Result<(), Failed> {
    let mut shown = Shown::with(&[5])?;
    shown.click(1)?;
    shown.shows(FIRST, 1, |pieces| pieces.len() == 6)?;
    let before = shown.pieces(FIRST, 1)?;
    shown.click(5)?;
    // It asks: the last piece is another now, and the domain is still there.
    shown.shows(FIRST, 1, |pieces| pieces.len() == 6 && pieces[5] != before[5])?;
    shown.click(5)?;
    shown.shows(FIRST, 1, |pieces| pieces.len() == 1)
}

fn outputs() -> Result<(), Failed> {
    let shown = Shown::with(&[5])?;
    shown.compositor.tell(&["create_output"])?;
    shown.shows("HEADLESS-2", 1, |pieces| pieces.len() == 2)?;
    shown.compositor.tell(&["output", "HEADLESS-2", "scale", "2"])?;
    shown.shows("HEADLESS-2", 2, |pieces| dots(pieces) == [RUNNING; 2])?;
    shown.compositor.tell(&["output", "HEADLESS-2", "disable"])?;
    shown.machine.shut_down(5, POWEROFF)?;
    shown.shows(FIRST, 1, |pieces| dots(pieces) == [RUNNING, SHUTDOWN])
}

fn many() -> Result<(), Failed> {
    let domains: Vec<u32> = (1..=300).collect();
    let mut shown = Shown::with(&domains)?;
    shown.machine.shut_down(7, POWEROFF)?;
    shown.shows(FIRST, 1, |pieces| dots(pieces).contains(&SHUTDOWN))?;
    // Over the bar, then one notch: the first domain is left out.
    let is_first = |pieces: &[Piece]| pieces.iter().position(|piece| piece.dot == SHUTDOWN);
    let before = is_first(&shown.pieces(FIRST, 1)?);
    shown.pointer.place((600, HEIGHT / 2), SCREEN)?;
    shown.pointer.scroll()?;
    shown.shows(FIRST, 1, |pieces| is_first(pieces).is_some_and(|now| before == Some(now + 1)))
}

fn ends() -> Result<(), Failed> {
    let Shown { machine: _machine, compositor: _compositor, bar, .. } = Shown::with(&[5])?;
    Command::new("kill").arg(bar.id().to_string()).status()?;
    bar.ends_with(0)?;
    let Shown { machine: _machine, mut compositor, bar, .. } = Shown::with(&[5])?;
    compositor.end()?;
    let said = bar.ends_with(1).err().ok_or("it says nothing")?.to_string();
    if !said.contains("the compositor has gone") {
        return Err(said.into());
    }
    Ok(())
}
