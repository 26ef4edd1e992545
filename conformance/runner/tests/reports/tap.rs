//! TAP, read by TAP::Parser, the parser behind perl's `prove`.

use crate::{Outcome, run, sample};
use libtest_mimic::Completion;
use osevent_conformance_runner::report::{Verdict, tap};
use serde_json::Value;

/// Prints what the parser makes of standard input: first the sums, then each test; a line of JSON each.
const PARSER: &str = r#"
use TAP::Parser; use JSON::PP;
my $json = JSON::PP->new->canonical;
my $parser = TAP::Parser->new({ tap => do { local $/; <STDIN> } });
my @tests;
while (my $result = $parser->next) {
    push @tests, { ok => $result->is_ok, skip => $result->directive, why => $result->explanation,
                   name => $result->description } if $result->is_test;
    $tests[-1]{data} = $result->data if $result->is_yaml;
}
print $json->encode({ errors => [$parser->parse_errors], failed => [$parser->failed], planned => $parser->tests_planned,
                      skipped => scalar $parser->skipped, good => $parser->has_problems ? 0 : 1 }), "\n";
print $json->encode($_), "\n" for @tests;
"#;

pub(crate) fn tap_is_read_by_perl() -> Outcome {
    let report = sample::report();
    let Some(lines) = parsed(&tap(&report))? else {
        return Ok(Completion::ignored_with("no perl with TAP::Parser"));
    };
    let [sums, tests @ ..] = &*lines else { panic!("the parser prints the sums first") };
    assert_eq!(sums["errors"], serde_json::json!([]));
    assert_eq!(sums["planned"], report.cases.len());
    assert_eq!(sums["skipped"], 1);
    assert_eq!(tests.len(), report.cases.len());
    for (row, test) in report.cases.iter().zip(tests) {
        let name = test["name"].as_str().expect("a test has a name").replace('\\', "");
        assert!(name.contains(&row.name) && name.contains(&row.adapter), "{name}");
        assert_eq!(test["skip"], if row.result == Verdict::Skipped { "SKIP" } else { "" });
        if row.result == Verdict::Failed {
            let message = test["data"]["message"].as_str().expect("a failure says why");
            assert!(message.contains(row.reason.lines().next().unwrap()), "{message}");
            for violation in row.violations() {
                assert!(
                    message.contains(&format!("{}: step {}", violation.clause, violation.step.unwrap())),
                    "{message}"
                );
            }
        }
    }
    let failed: Vec<_> = (1..).zip(&report.cases).filter(|(_, row)| row.result == Verdict::Failed).collect();
    assert_eq!(sums["failed"], serde_json::json!(failed.iter().map(|(number, _)| number).collect::<Vec<_>>()));
    Ok(Completion::Completed)
}

pub(crate) fn tap_of_a_run_without_failures_succeeds() -> Outcome {
    let mut report = sample::report();
    report.cases.retain(|row| row.result != Verdict::Failed);
    let Some(lines) = parsed(&tap(&report))? else {
        return Ok(Completion::ignored_with("no perl with TAP::Parser"));
    };
    assert_eq!(lines[0]["good"], 1);
    Ok(Completion::Completed)
}

fn parsed(text: &str) -> Result<Option<Vec<Value>>, libtest_mimic::Failed> {
    // Debian's smallest perl lacks the module.
    if run("perl", &["-MTAP::Parser", "-MJSON::PP", "-e1"], "")?.is_none_or(|output| !output.status.success()) {
        return Ok(None);
    }
    let output = run("perl", &["-e", PARSER], text)?.expect("it was there a moment ago");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout)?;
    Ok(Some(lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?))
}
