//! The guide's programs are those that are tested.

use crate::Outcome;
use crate::compiler::PACKAGE;
use libtest_mimic::Completion;
use std::fs;
use std::path::Path;

/// The examples for loops without an adapter in Rust, and those in C.
const EXAMPLES: [&str; 6] =
    ["watch-poll.c", "watch-uv.c", "watch-sd-event.c", "watch-glib.c", "watch-vala.vala", "watch-tokio.rs"];

/// Each block of code in the guide that follows a paragraph which ends in a link and a colon is a piece of the file that the
/// link names. Every example has such a block.
pub(crate) fn shows_the_tested_programs() -> Outcome {
    let docs = Path::new(PACKAGE).join("../docs");
    let guide = fs::read_to_string(docs.join("any-loop.md"))?;
    let mut shown = Vec::new();
    for (before, rest) in guide.match_indices("):\n\n```").map(|(at, _)| guide.split_at(at)) {
        let Some((_, target)) = before.rsplit_once("](") else { continue };
        let Some((_, block)) = rest[4..].trim_start().split_once('\n') else { continue };
        let Some((block, _)) = block.split_once("```") else { continue };
        let file = fs::read_to_string(docs.join(target)).map_err(|error| format!("{target}: {error}"))?;
        if !file.contains(block) {
            return Err(format!("the guide shows what is not in {target}:\n{block}").into());
        }
        shown.extend(Path::new(target).file_name().and_then(|name| name.to_str()).map(str::to_owned));
    }
    for example in EXAMPLES {
        if !shown.iter().any(|file| file == example) {
            return Err(format!("the guide does not show {example}; it shows {shown:?}").into());
        }
    }
    Ok(Completion::Completed)
}
