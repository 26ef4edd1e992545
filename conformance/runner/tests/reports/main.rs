//! The reports are read by those they are made for: TAP by perl's parser, JUnit by a schema, the page by Chromium.
//!
//! What a test needs and the machine lacks makes it ignored, with the reason.

mod browser;
mod junit;
mod page;
mod sample;
mod tap;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// What a test returns: that it ran and held, or why it could not run.
type Outcome = Result<Completion, Failed>;

fn main() {
    let test = |name: &str, run: fn() -> Outcome| Trial::ignorable_test(name, run);
    let tests = vec![
        test("tap_is_read_by_perl", tap::tap_is_read_by_perl),
        test("tap_of_a_run_without_failures_succeeds", tap::tap_of_a_run_without_failures_succeeds),
        test("junit_fits_the_schema", junit::junit_fits_the_schema),
        test("junit_holds_every_text_that_xml_can_hold", junit::junit_holds_every_text_that_xml_can_hold),
        test("page_needs_nothing_beside_itself", page::page_needs_nothing_beside_itself),
        test("page_shows_each_row_and_why_it_failed", page::page_shows_each_row_and_why_it_failed),
        test("page_opens_cases_without_a_record", page::page_opens_cases_without_a_record),
        test("page_is_worked_by_keyboard", page::page_is_worked_by_keyboard),
        test("page_is_worked_by_mouse", page::page_is_worked_by_mouse),
        test("page_finds_cases_by_clause_and_word", page::page_finds_cases_by_clause_and_word),
        test(
            "page_follows_a_browser_that_closes_a_case_by_itself",
            page::page_follows_a_browser_that_closes_a_case_by_itself,
        ),
        test("page_marks_a_violation_in_both_colour_schemes", page::page_marks_a_violation_in_both_colour_schemes),
        test("page_is_usable_at_10000_steps", page::page_is_usable_at_10000_steps),
        test("json_is_read_back", json_is_read_back),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}

fn json_is_read_back() -> Outcome {
    let report = sample::report();
    let text = osevent_conformance_runner::report::json(&report);
    let read: osevent_conformance_runner::report::Report = serde_json::from_str(&text)?;
    assert_eq!(read.cases.len(), report.cases.len());
    assert_eq!(read.cases[0].record, report.cases[0].record, "a record comes back as it was");
    Ok(Completion::Completed)
}

/// Runs the program on the input; `None` if this machine does not have it.
fn run(program: &str, arguments: &[&str], input: &str) -> Result<Option<Output>, Failed> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        child => child?,
    };
    child.stdin.take().expect("piped").write_all(input.as_bytes())?;
    Ok(Some(child.wait_with_output()?))
}
