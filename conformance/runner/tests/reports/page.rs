//! The page, as Chromium shows it.

use crate::browser::Browser;
use crate::{Outcome, sample};
use libtest_mimic::Completion;
use osevent_conformance_runner::report::{Verdict, page};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// Not a measure of speed: what a page that hangs would exceed on the slowest machine.
const BOUND: Duration = Duration::from_secs(60);

/// Starts the browser, or has the test ignored.
macro_rules! browser {
    () => {
        match Browser::start() {
            Some(browser) => browser,
            None => return Ok(Completion::ignored_with("skipped: no chromium")),
        }
    };
}

pub(crate) fn page_needs_nothing_beside_itself() -> Outcome {
    let text = page(&sample::report());
    for outside in ["http:", "https:", "src=", "@import", "url("] {
        assert!(!text.contains(outside), "{outside}");
    }
    // Of the two scripts, neither is ended by a text that says so.
    assert_eq!(text.matches("</script>").count(), 2);
    Ok(Completion::Completed)
}

pub(crate) fn page_shows_each_row_and_why_it_failed() -> Outcome {
    let mut browser = browser!();
    let report = sample::report();
    browser.open(&page(&report));
    assert_eq!(count(&mut browser, "#matrix td.result"), report.cases.len());
    for (verdict, class) in [(Verdict::Passed, "passed"), (Verdict::Failed, "failed"), (Verdict::Skipped, "skipped")] {
        let rows = report.cases.iter().filter(|row| row.result == verdict).count();
        assert_eq!(count(&mut browser, &format!("#matrix td.result.{class}")), rows);
    }
    let failures = browser.evaluate("document.querySelector('#failures').innerText");
    let failures = failures.as_str().expect("text");
    for row in report.cases.iter().filter(|row| row.result == Verdict::Failed) {
        assert!(failures.contains(&format!("{} on {}", row.name, row.adapter)), "{failures}");
    }
    let claims =
        browser.evaluate("[...document.querySelectorAll('#matrix tbody th small')].map((each) => each.textContent)");
    assert!(claims.as_array().expect("a list").contains(&json!(sample::NASTY)), "shown as it is: {claims}");
    finish(browser)
}

pub(crate) fn page_opens_cases_without_a_record() -> Outcome {
    let mut browser = browser!();
    let report = sample::report();
    browser.open(&page(&report));
    for row in report.cases.iter().filter(|row| row.record.is_none()) {
        let address = format!("#{}/{}/{}", row.name, row.adapter.replace('+', "%2B"), row.tier);
        browser.evaluate(&format!("location.hash = {}", json!(address)));
        browser.settle();
        let title = browser.evaluate("document.querySelector('#case[open] h2').textContent");
        assert!(
            title.as_str().is_some_and(|title| title.contains(&row.name) && title.contains(&row.adapter)),
            "{title}"
        );
        assert_eq!(browser.evaluate("document.querySelector('#record').hidden"), true);
        let why = browser.evaluate("document.querySelector('#why').textContent");
        let first = row.reason.lines().next().unwrap_or_default();
        assert!(why.as_str().is_some_and(|why| why.contains(first)), "{why}");
    }
    finish(browser)
}

pub(crate) fn page_is_worked_by_keyboard() -> Outcome {
    let mut browser = browser!();
    browser.open(&page(&sample::report()));
    let focused = "document.activeElement.cellIndex + ' ' + document.activeElement.parentElement.rowIndex";
    // The cell that Tab reaches is the first result; the search field is reached by its own key.
    browser.press("/");
    assert_eq!(browser.evaluate("document.activeElement.id"), "search");
    for _ in 0..20 {
        if browser.evaluate("document.activeElement.matches('td.result')") == true {
            break;
        }
        browser.press("Tab");
    }
    assert_eq!(browser.evaluate(focused), "1 1");
    browser.press("ArrowDown");
    browser.press("ArrowRight");
    assert_eq!(browser.evaluate(focused), "2 2");
    let ring = browser.evaluate("getComputedStyle(document.activeElement).outlineStyle");
    assert_eq!(ring, "solid", "focus can be seen");
    browser.press("Enter");
    assert_eq!(browser.evaluate("document.querySelector('#case').open"), true);
    assert_eq!(browser.evaluate("location.hash"), "#reused-number/glib/libxl");
    assert_eq!(browser.evaluate("document.activeElement.id"), "lanes");
    let selected = "Number(document.querySelector('#steps [aria-selected=true]').dataset.step)";
    let broken = number(&browser.evaluate(selected));
    let at_violation = browser.evaluate("document.querySelector('#steps [aria-selected=true]').className");
    assert_eq!(at_violation, "broken", "it begins where the violation is");
    browser.press("ArrowLeft");
    assert_eq!(number(&browser.evaluate(selected)), broken - 1.0);
    browser.press("v");
    assert_eq!(number(&browser.evaluate(selected)), broken);
    browser.press("Home");
    assert_eq!(number(&browser.evaluate(selected)), 0.0);
    browser.press("Escape");
    assert_eq!(browser.evaluate("document.querySelector('#case').open"), false);
    assert_eq!(browser.evaluate(focused), "2 2", "back where it was left");
    assert_eq!(browser.evaluate("location.hash"), "");
    finish(browser)
}

pub(crate) fn page_is_worked_by_mouse() -> Outcome {
    let mut browser = browser!();
    browser.open(&page(&sample::report()));
    let place = |browser: &mut Browser, script: &str| {
        let place = browser.evaluate(script);
        (number(&place["x"]), number(&place["y"]))
    };
    let cell = "(() => { const { x, y } = document.querySelector('#matrix td.failed strong').getBoundingClientRect();
        return { x: x + 2, y: y + 2 }; })()";
    let cell = place(&mut browser, cell);
    browser.mouse("mousePressed", cell, 0.0);
    browser.mouse("mouseReleased", cell, 0.0);
    assert_eq!(browser.evaluate("document.querySelector('#case').open"), true);
    // The bar of a step, in the middle of its height.
    let bar = |step: &str| {
        format!(
            "(() => {{ const {{ lanes }} = view; const box = lanes.element.getBoundingClientRect(); const step = {step};
                return {{ x: box.x + lanes.x(lanes.place(step)) + 5,
                    y: box.y + lanes.topOf(step) + 10 - lanes.element.scrollTop }}; }})()"
        )
    };
    let broken = place(&mut browser, &bar("view.story.violations[0].step"));
    browser.mouse("mouseMoved", broken, 0.0);
    let tip =
        browser.evaluate("document.querySelector('#tip').hidden ? '' : document.querySelector('#tip').textContent");
    assert!(tip.as_str().is_some_and(|tip| tip.contains("occurred_fd fd") && tip.contains("\nR8: ")), "{tip}");
    let before = "view.story.violations[0].step - 3";
    let other = place(&mut browser, &bar(before));
    browser.mouse("mousePressed", other, 0.0);
    browser.mouse("mouseReleased", other, 0.0);
    assert_eq!(browser.evaluate(&format!("view.lanes.selected === {before}")), true);
    let span = "view.lanes.to - view.lanes.from";
    let wide = number(&browser.evaluate(span));
    browser.mouse("mouseWheel", other, -240.0);
    let narrow = number(&browser.evaluate(span));
    assert!(narrow < wide, "{narrow} of {wide}");
    let still = place(&mut browser, &bar(before));
    assert!((still.0 - other.0).abs() < 20.0, "what is under the mouse stays there: {still:?}, {other:?}");
    finish(browser)
}

/// Some browsers close a dialog on Escape without asking the page first.
pub(crate) fn page_follows_a_browser_that_closes_a_case_by_itself() -> Outcome {
    let mut browser = browser!();
    browser.open(&page(&sample::report()));
    let is_open = "document.querySelector('#case').open";
    for _ in 0..2 {
        browser.evaluate("location.hash = '#reused-number/glib/libxl'");
        browser.settle();
        assert_eq!(browser.evaluate(is_open), true, "it cannot be opened again");
        browser.evaluate(
            "new Promise((done) => { const dialog = document.querySelector('#case');
                dialog.addEventListener('close', () => done(), { once: true }); dialog.close(); })",
        );
        assert_eq!(browser.evaluate(is_open), false);
        assert_eq!(browser.evaluate("location.hash"), "", "the address names a case that is not shown");
    }
    finish(browser)
}

pub(crate) fn page_finds_cases_by_clause_and_word() -> Outcome {
    let mut browser = browser!();
    browser.open(&page(&sample::report()));
    let shown = |browser: &mut Browser, field: &str, text: &str| {
        browser.evaluate(&format!(
            "{{ const field = document.querySelector('#{field}'); field.value = {};
                field.dispatchEvent(new Event('input', {{ bubbles: true }})); }}",
            json!(text)
        ));
        let names =
            "[...document.querySelectorAll('#matrix tbody tr:not([hidden]) th')].map((each) => each.firstChild.data)";
        browser.evaluate(names)
    };
    assert_eq!(shown(&mut browser, "clause", "R8"), json!(["reused-number"]));
    assert_eq!(shown(&mut browser, "clause", "e"), json!(["death", "nested-loop"]));
    assert_eq!(
        shown(&mut browser, "clause", ""),
        json!(["death", "reused-number", "nasty-text", "nested-loop", "only-glib"])
    );
    assert_eq!(shown(&mut browser, "search", "callback served"), json!(["nested-loop"]));
    finish(browser)
}

pub(crate) fn page_marks_a_violation_in_both_colour_schemes() -> Outcome {
    let mut browser = browser!();
    let report = sample::report();
    browser.open(&page(&report));
    let row = report.cases.iter().find(|row| !row.violations().is_empty()).expect("one has a violation");
    let violation = &row.violations()[0];
    let mut backs = Vec::new();
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        browser.screenshot(&picture(&format!("matrix-{scheme}")));
        browser.evaluate("location.hash = '#reused-number/glib/libxl'");
        browser.prefer(scheme);
        let why = browser.evaluate("document.querySelector('#why li').textContent");
        let why = why.as_str().expect("text");
        assert!(why.contains(&violation.clause) && why.contains(&violation.text), "{why}");
        let step = browser.evaluate("document.querySelector('#steps .broken').textContent");
        assert!(step.as_str().is_some_and(|text| text.contains(&violation.clause)), "{step}");
        let clause = browser.evaluate("document.querySelector('#clause-texts').innerText");
        assert!(clause.as_str().is_some_and(|text| text.contains("After fd_deregister has returned")), "{clause}");
        // A line of the violation's colour goes through the lanes from top to bottom.
        let red = "(() => { const canvas = document.querySelector('#lanes canvas');
            const probe = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
            probe.fillStyle = getComputedStyle(canvas).getPropertyValue('--failed'); probe.fillRect(0, 0, 1, 1);
            const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
            probe.canvas.width = canvas.width; probe.canvas.height = canvas.height; probe.drawImage(canvas, 0, 0);
            const pixels = probe.getImageData(0, 0, canvas.width, canvas.height).data;
            const column = (x) => { let high = 0; for (let y = 0; y < canvas.height; y++) {
                const at = (y * canvas.width + x) * 4;
                high += pixels[at] === r && pixels[at + 1] === g && pixels[at + 2] === b; } return high; };
            return Math.max(...Array.from(Array(canvas.width).keys(), column)) / canvas.height; })()";
        let part = number(&browser.evaluate(red));
        assert!(part > 0.9, "{scheme}: the line covers {part} of the height");
        backs.push(browser.evaluate("getComputedStyle(document.body).backgroundColor"));
        browser.screenshot(&picture(&format!("case-{scheme}")));
        browser.press("Escape");
    }
    assert_ne!(backs[0], backs[1], "each scheme has its own colours");
    finish(browser)
}

pub(crate) fn page_is_usable_at_10000_steps() -> Outcome {
    let mut browser = browser!();
    let text = page(&sample::long_report(10_000));
    let loaded = browser.open(&text);
    // From a key to the picture: the next frame but one has it.
    let timed = |action: &str| {
        format!(
            "new Promise((done) => {{ const begun = performance.now(); {action}
                requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun))); }})"
        )
    };
    let key = |key: &str| {
        timed(&format!(
            "document.querySelector('#lanes').dispatchEvent(new KeyboardEvent('keydown', {{ key: '{key}', bubbles: true }}));"
        ))
    };
    let opened = number(&browser.evaluate(&timed("document.querySelector('#matrix td.failed').click();")));
    assert_eq!(browser.evaluate("document.querySelector('#case').open"), true);
    let whole = number(&browser.evaluate(&key("0")));
    browser.screenshot(&picture("whole-10000"));
    let mut zooms: Vec<_> = (0..10).map(|_| number(&browser.evaluate(&key("+")))).collect();
    zooms.sort_by(f64::total_cmp);
    let elements = count(&mut browser, "#steps [role=option]");
    assert!(elements < 100, "only steps that can be seen are elements: {elements}");
    println!(
        "10,000 steps, {} KiB: loaded in {loaded:?}, opened in {opened:.0} ms, all drawn in {whole:.0} ms, \
         zoomed in {:.0} ms (median), {:.0} ms (longest)",
        text.len() / 1024,
        zooms[5],
        zooms[9]
    );
    assert!(loaded < BOUND && opened + whole + zooms.iter().sum::<f64>() < BOUND.as_secs_f64() * 1e3);
    finish(browser)
}

/// Nothing was wrong in the page, and it asked for no other file.
fn finish(browser: Browser) -> Outcome {
    assert_eq!(browser.complaints, Vec::<Value>::new());
    Ok(Completion::Completed)
}

fn count(browser: &mut Browser, selector: &str) -> usize {
    number(&browser.evaluate(&format!("document.querySelectorAll({}).length", json!(selector)))) as usize
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

/// Where a picture goes, for people to look at.
fn picture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("page-{name}.png"))
}
