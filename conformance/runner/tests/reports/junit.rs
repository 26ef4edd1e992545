//! JUnit XML, held against a schema by libxml2's xmllint, and read back.

use crate::{Outcome, run, sample};
use libtest_mimic::Completion;
use osevent_conformance_runner::report::{Verdict, junit};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// What the schemas of Jenkins and of Surefire have in common.
const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reports/junit.xsd");

pub(crate) fn junit_fits_the_schema() -> Outcome {
    let text = junit(&sample::report());
    let Some(output) = run("xmllint", &["--noout", "--nonet", "--schema", SCHEMA, "-"], &text)? else {
        return Ok(Completion::ignored_with("no xmllint, of the package libxml2-utils"));
    };
    assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
    let broken = text.replacen("<failure", "<defeat", 1).replacen("</failure", "</defeat", 1);
    let output = run("xmllint", &["--noout", "--nonet", "--schema", SCHEMA, "-"], &broken)?.expect("just found");
    assert!(!output.status.success(), "the schema tells elements apart");
    Ok(Completion::Completed)
}

pub(crate) fn junit_holds_every_text_that_xml_can_hold() -> Outcome {
    let report = sample::report();
    let text = junit(&report);
    let mut reader = Reader::from_str(&text);
    let (mut suites, mut cases, mut clauses) = (Vec::new(), Vec::new(), Vec::new());
    let mut nasty = None;
    loop {
        match reader.read_event()? {
            Event::Start(element) | Event::Empty(element) => match element.name().as_ref() {
                "testsuite" => suites.push((attribute(&element, "name"), attribute(&element, "tests"))),
                "testcase" => cases.push(attribute(&element, "name")),
                "property" => clauses.push((attribute(&element, "name"), attribute(&element, "value"))),
                "failure" if cases.last().is_some_and(|name| name == "nasty-text") => {
                    nasty = Some(attribute(&element, "message"));
                }
                _ => {}
            },
            Event::Eof => break,
            _ => {}
        }
    }
    let suite = |adapter: &str| {
        let tests = report.cases.iter().filter(|row| row.adapter == adapter).count();
        (format!("libxl.{adapter}"), tests.to_string())
    };
    assert_eq!(suites, sample::ADAPTERS.map(suite));
    assert_eq!(cases.len(), report.cases.len());
    assert!(clauses.contains(&("clauses.reused-number".into(), "R8 R16".into())), "{clauses:?}");
    let first = sample::NASTY.lines().next().expect("it has a line");
    assert_eq!(nasty, Some(format!("{first} (checks R2)")));
    let failed = report.cases.iter().filter(|row| row.result == Verdict::Failed).count();
    assert_eq!(text.matches("<failure").count(), failed);
    assert_eq!(text.matches("<skipped").count(), 1);
    Ok(Completion::Completed)
}

fn attribute(element: &BytesStart<'_>, name: &str) -> String {
    let attribute = element.try_get_attribute(name).expect("well formed").expect("it has this attribute");
    attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0).expect("escaped well").into_owned()
}
