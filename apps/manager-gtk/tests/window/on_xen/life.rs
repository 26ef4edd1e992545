//! Domains begin, and end, or do not.

use super::{DEAF, LAB, STUCK, choose, choose_action, destroy, picture};
use crate::manager::{Manager, TITLE};
use crate::reader::SENSITIVE;
use osevent_standin_machine::Failure;
use std::time::{Duration, Instant};

pub(crate) fn created(manager: &Manager) -> Result<(), Failure> {
    let reader = &manager.reader;
    reader.press("button", "New Domain")?;
    reader.press("menu item", "Create a Domain…")?;
    reader.write("text box", "Name", "web")?;
    reader.press("button", "PVH")?;
    reader.write("text box", "Kernel", &format!("{LAB}/answering"))?;
    reader.set_value("spin button", "Memory in MiB", 8.0)?;
    picture(manager, "assistant.png")?;
    reader.press("button", "Next")?;
    reader.press("button", "Create")?;
    choose(manager, "web")?;
    choose_action(&manager.reader, "Console")?;
    reader.wait("widget", "Console of web: answering: up")?;
    picture(manager, "console.png")?;
    reader.press("button", "Close")?;
    reader.wait_gone("window", "Console of web")?;
    reader.press("button", "Pause")?;
    reader.wait("list item", "web, Paused, *")?;
    reader.press("button", "Resume")?;
    reader.wait("list item", "web, Running, *")?;
    picture(manager, "running.png")?;
    reader.press("button", "Shut Down")?;
    reader.wait_gone("list item", "web, *")
}

/// One that is paused, and is asked to shut down: libxl waits for its answer for a minute, the window and its user do not.
pub(crate) fn frozen(manager: &Manager) -> Result<(), Failure> {
    const ASKING: Duration = Duration::from_secs(2);
    /// More than a slow machine takes, and less than what is left of the minute.
    const BOUND: Duration = Duration::from_secs(20);
    let reader = &manager.reader;
    choose(manager, STUCK)?;
    reader.press("button", "Pause")?;
    reader.wait("list item", &format!("{STUCK}, Paused, *"))?;
    reader.press("button", "Shut Down")?;
    // The main loop answers, so an answer takes as long as it is busy.
    let window = reader.wait("window", TITLE)?;
    let (started, mut longest) = (Instant::now(), Duration::ZERO);
    while started.elapsed() < ASKING {
        let asked = Instant::now();
        reader.has_state(&window, SENSITIVE);
        longest = longest.max(asked.elapsed());
    }
    println!("the longest answer of the main loop while a domain does not answer: {longest:?}");
    assert!(longest < BOUND, "the main loop stood still for {longest:?}");
    destroy(manager, STUCK)
}

/// The one that was asked at the start.
pub(crate) fn unanswered(manager: &Manager) -> Result<(), Failure> {
    let reader = &manager.reader;
    reader.press("button", "Menu")?;
    reader.press("menu item", "Events")?;
    reader.wait("list item", &format!("*Shut down {DEAF}: It has not answered for a minute. *"))?;
    picture(manager, "unanswered.png")?;
    reader.press("button", "Close")?;
    reader.wait_gone("window", "Events")?;
    choose(manager, DEAF)?;
    destroy(manager, DEAF)
}
