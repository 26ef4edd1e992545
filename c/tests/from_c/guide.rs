//! The guides' programs are those that are tested.

use crate::Outcome;
use crate::compiler::PACKAGE;
use libtest_mimic::Completion;
use std::fs;
use std::path::Path;

/// The guides.
const GUIDES: [&str; 2] = ["any-loop.md", "libvirt.md"];

/// The examples for loops without an adapter in Rust, and those in C.
const EXAMPLES: [&str; 7] = [
    "watch-poll.c",
    "watch-uv.c",
    "watch-sd-event.c",
    "watch-glib.c",
    "watch-vala.vala",
    "watch-tokio.rs",
    "watch-libvirt.c",
];

/// Each block of code in a guide that follows a paragraph which ends in a link and a colon is a piece of the file that the
/// link names. Every example has such a block.
pub(crate) fn show_the_tested_programs() -> Outcome {
    let docs = Path::new(PACKAGE).join("../docs");
    let mut guide = String::new();
    for name in GUIDES {
        guide += &fs::read_to_string(docs.join(name))?;
    }
    let mut shown = Vec::new();
    for (before, rest) in guide.match_indices("):\n\n```").map(|(at, _)| guide.split_at(at)) {
        let Some((_, target)) = before.rsplit_once("](") else { continue };
        let Some((_, block)) = rest[4..].trim_start().split_once('\n') else { continue };
        let Some((block, _)) = block.split_once("```") else { continue };
        let file = fs::read_to_string(docs.join(target)).map_err(|error| format!("{target}: {error}"))?;
        if !file.contains(block) {
            return Err(format!("a guide shows what is not in {target}:\n{block}").into());
        }
        shown.extend(Path::new(target).file_name().and_then(|name| name.to_str()).map(str::to_owned));
    }
    for example in EXAMPLES {
        if !shown.iter().any(|file| file == example) {
            return Err(format!("no guide shows {example}; they show {shown:?}").into());
        }
    }
    Ok(Completion::Completed)
}
