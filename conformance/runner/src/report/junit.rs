//! JUnit's XML, as Jenkins and Surefire define it.

use super::{Report, Row, Run, Verdict};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use std::io;

type Xml = Writer<Vec<u8>>;

/// One suite for each adapter and tier. The clauses of a case are a property of its suite, `clauses.CASE`: the usual
/// schemas allow a case itself none.
pub fn junit(report: &Report) -> String {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    // Only the writer below could fail, and that is memory.
    document(&mut xml, report).expect("memory can be written");
    let mut text = String::from_utf8(xml.into_inner()).expect("what is written are strings");
    text.push('\n');
    text
}

fn document(xml: &mut Xml, report: &Report) -> io::Result<()> {
    let mut suites: Vec<(&str, &str)> = Vec::new();
    for row in &report.cases {
        let suite = (&*row.tier, &*row.adapter);
        if !suites.contains(&suite) {
            suites.push(suite);
        }
    }
    let all: Vec<&Row> = report.cases.iter().collect();
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.create_element("testsuites")
        .with_attribute(("name", "osevent-conformance"))
        .with_attribute(("tests", &*all.len().to_string()))
        .with_attribute(("failures", &*count(&all, Verdict::Failed)))
        .with_attribute(("errors", "0"))
        .with_attribute(("time", &*seconds(&all)))
        .write_inner_content(|xml| {
            for (tier, adapter) in suites {
                let rows: Vec<_> =
                    report.cases.iter().filter(|row| row.tier == tier && row.adapter == adapter).collect();
                suite(xml, &report.run, &format!("{tier}.{adapter}"), &rows)?;
            }
            Ok(())
        })?;
    Ok(())
}

fn suite(xml: &mut Xml, run: &Run, name: &str, rows: &[&Row]) -> io::Result<()> {
    xml.create_element("testsuite")
        .with_attribute(("name", &*legal(name)))
        .with_attribute(("tests", &*rows.len().to_string()))
        .with_attribute(("failures", &*count(rows, Verdict::Failed)))
        .with_attribute(("errors", "0"))
        .with_attribute(("skipped", &*count(rows, Verdict::Skipped)))
        .with_attribute(("time", &*seconds(rows)))
        .with_attribute(("timestamp", run.started.trim_end_matches('Z')))
        .with_attribute(("hostname", &*legal(&run.host)))
        .write_inner_content(|xml| {
            xml.create_element("properties").write_inner_content(|xml| {
                property(xml, "program", &run.program)?;
                property(xml, "tier", &run.tier)?;
                property(xml, "kernel", &run.kernel)?;
                rows.iter().try_for_each(|row| property(xml, &format!("clauses.{}", row.name), &row.clauses.join(" ")))
            })?;
            rows.iter().try_for_each(|row| case(xml, name, row))
        })?;
    Ok(())
}

fn property(xml: &mut Xml, name: &str, value: &str) -> io::Result<()> {
    let property = xml.create_element("property").with_attribute(("name", &*legal(name)));
    property.with_attribute(("value", &*legal(value))).write_empty()?;
    Ok(())
}

fn case(xml: &mut Xml, suite: &str, row: &Row) -> io::Result<()> {
    let case = xml
        .create_element("testcase")
        .with_attribute(("name", &*legal(&row.name)))
        .with_attribute(("classname", &*legal(suite)))
        .with_attribute(("time", &*format!("{:.3}", row.seconds * f64::from(row.runs))));
    match row.result {
        Verdict::Passed => case.write_empty()?,
        Verdict::Failed => {
            let kind = if row.broken.is_empty() { "failed".into() } else { row.broken.join(" ") };
            let checks =
                if row.broken.is_empty() { format!(" (checks {})", row.clauses.join(" ")) } else { String::new() };
            let message = format!("{}{checks}", row.headline());
            case.write_inner_content(|xml| {
                let failure = xml.create_element("failure").with_attribute(("type", &*legal(&kind)));
                let failure = failure.with_attribute(("message", &*legal(&message)));
                failure.write_text_content(BytesText::new(&legal(&row.explanation())))?;
                Ok(())
            })?
        }
        Verdict::Skipped => case.write_inner_content(|xml| {
            xml.create_element("skipped").with_attribute(("message", &*legal(&row.reason))).write_empty()?;
            Ok(())
        })?,
    };
    Ok(())
}

fn count(rows: &[&Row], verdict: Verdict) -> String {
    rows.iter().filter(|row| row.result == verdict).count().to_string()
}

fn seconds(rows: &[&Row]) -> String {
    format!("{:.3}", rows.iter().map(|row| row.seconds * f64::from(row.runs)).sum::<f64>())
}

/// The text without the characters that XML cannot hold, not even escaped.
fn legal(text: &str) -> String {
    let illegal = |letter: char| match letter {
        '\t' | '\n' | '\r' => false,
        '\u{fffe}' | '\u{ffff}' => true,
        _ => letter < ' ',
    };
    text.replace(illegal, "\u{fffd}")
}
