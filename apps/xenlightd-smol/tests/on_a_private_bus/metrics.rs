//! Metrics over HTTP.

use std::os::unix::net::UnixStream;
use std::process::Command;

use async_io::Async;
use futures_lite::future::zip;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use osevent_standin_machine::with_errors;

use crate::Case;
use crate::bed::{Bed, Outcome, with_bed};

pub(crate) const CASES: &[Case] = &[
    ("a_scrape_tells_of_all_domains", scrape),
    ("scrapes_that_never_end_do_not_hold_up_others", slow),
    ("a_service_without_file_descriptors_is_scraped_when_it_has_some", descriptors),
];

async fn started(bed: &mut Bed) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let path = bed.folder().join("metrics").display().to_string();
    let command = with_errors(&bed.command(&["serve", "--metrics", &format!("unix:{path}")]));
    bed.start_as(command).await?;
    Ok(path)
}

async fn get(path: &str, what: &str) -> std::io::Result<(String, String)> {
    let mut stream = Async::<UnixStream>::connect(path).await?;
    stream.write_all(format!("GET {what} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    Ok((head.to_owned(), body.to_owned()))
}

fn scrape() -> Outcome {
    with_bed(|mut bed| async move {
        bed.machine.add_domain(5)?;
        let path = started(&mut bed).await?;
        let (head, body) = get(&path, "/metrics").await?;
        assert!(
            head.starts_with("HTTP/1.0 200 OK\r\nContent-Type: application/openmetrics-text; version=1.0.0"),
            "{head}"
        );
        let labels = r#"uuid="00000000-0000-0000-0000-000000000005",name="pretend-5",id="5""#;
        for line in [
            "xen_up 1".to_owned(),
            "xen_fresh 1".to_owned(),
            "# TYPE xen_domain_cpu_seconds counter".to_owned(),
            format!("xen_domain_memory_bytes{{{labels}}} {}", 4096 * 1024),
            format!(r#"xen_domain_state{{{labels},state="running"}} 1"#),
            r#"xen_domains{state="running"} 2"#.to_owned(),
            r#"xen_domains{state="crashed"} 0"#.to_owned(),
        ] {
            assert!(body.lines().any(|found| found == line), "{line}\n{body}");
        }
        let cpu_time = format!("xen_domain_cpu_seconds_total{{{labels}}} ");
        assert!(body.lines().any(|found| found.starts_with(&cpu_time)), "{body}");
        assert!(body.ends_with("# EOF\n"));
        assert!(get(&path, "/").await?.0.starts_with("HTTP/1.0 404"));
        Ok(())
    })
}

fn slow() -> Outcome {
    with_bed(|mut bed| async move {
        let path = started(&mut bed).await?;
        let mut idle = Vec::new();
        for _ in 0..10 {
            let mut stream = Async::<UnixStream>::connect(&path).await?;
            stream.write_all(b"GET /metrics HTTP/1.0\r\n").await?;
            idle.push(stream);
        }
        let (head, _) = get(&path, "/metrics").await?;
        assert!(head.starts_with("HTTP/1.0 200"), "{head}");
        Ok(())
    })
}

fn descriptors() -> Outcome {
    with_bed(|mut bed| async move {
        let path = started(&mut bed).await?;
        let process = bed.service().id().to_string();
        let limit = |files: &str| -> Outcome {
            let status = Command::new("prlimit").args(["--pid", &process, &format!("--nofile={files}:")]).status()?;
            if status.success() { Ok(()) } else { Err(format!("prlimit: {status}").into()) }
        };
        limit("3")?;
        let has_none = async {
            bed.service().says("xenlightd: cannot accept a connection: Too many open files (os error 24)")?;
            limit("1024")
        };
        let (answer, had_none): (_, Outcome) = zip(get(&path, "/metrics"), has_none).await;
        had_none?;
        assert!(answer?.0.starts_with("HTTP/1.0 200"));
        Ok(())
    })
}
