//! `save` and `restore`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Output;

use osevent_standin_machine::signal;
use zbus::Str;

use crate::Case;
use crate::bed::{Bed, HOST, Outcome};
use crate::files::{SUSPEND, with_domain};
use crate::save_helper::MEMORY;

pub(crate) const CASES: &[Case] = &[
    ("save_and_restore_are_commands_and_the_file_is_its_owners", there_and_back),
    ("save_removes_its_file_only_if_the_domain_is_not_in_it", whose_file),
];

async fn run(bed: &Bed, arguments: &[&str]) -> std::io::Result<Output> {
    let mut command = bed.command(arguments);
    command.current_dir(bed.folder());
    smol::unblock(move || command.output()).await
}

fn there_and_back() -> Outcome {
    with_domain("", |bed, domain| async move {
        let mut signals = bed.signals().await?;
        let saved = bed.folder().join("saved");
        fs::write(&saved, "before")?;
        let output = run(&bed, &["save", "nobody", "saved"]).await?;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(fs::read(&saved)?, b"before");
        let output = run(&bed, &["save", "made", "saved"]).await?;
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        signals.next(HOST, "DomainGone").await?;
        assert_eq!(fs::metadata(&saved)?.mode() & 0o777, 0o600);
        assert!(fs::read(&saved)?.windows(MEMORY.len()).any(|part| part == MEMORY));
        assert!(!bed.folder().join("saved.part").exists());

        let output = run(&bed, &["restore", "--paused", "saved"]).await?;
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        signals.property(&domain, "State", Str::from("paused").into()).await?;
        let output = run(&bed, &["restore", "kernel"]).await?;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        Ok(())
    })
}

fn whose_file() -> Outcome {
    // How the save ends, what is said then, and whether the file is still there.
    for (what, end, says, is_kept) in [
        ("fails", "", "Failed to write page data to stream", false),
        ("hangs", "INT", "ERROR_ABORTED", false),
        ("hangs", "KILL", "The domain may be saved: ", true),
        ("waits", "gone", "the domain is saved, but it does not go on here: ", true),
    ] {
        with_domain(what, |mut bed, domain| async move {
            let mut signals = bed.signals().await?;
            let mut command = bed.command(&["save", "--keep", "made", "saved"]);
            let command = command.current_dir(bed.folder()).stderr(std::process::Stdio::piped());
            let save = command.spawn()?;
            signals.property(&format!("{HOST}/jobs/2"), "Percent", 50_u8.into()).await?;
            bed.machine.shut_down(1, SUSPEND)?;
            signals.property(&domain, "State", Str::from("suspended").into()).await?;
            match end {
                "INT" => signal(save.id(), end)?,
                "KILL" => bed.kill(),
                "gone" => {
                    bed.machine.destroy(1)?;
                    signals.next(HOST, "DomainGone").await?;
                }
                _ => {}
            }
            if ["fails", "waits"].contains(&what) {
                fs::write(bed.folder().join("gate"), "x")?;
            }
            let output = smol::unblock(move || save.wait_with_output()).await?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.contains(says), "{what}, {end}: {said}");
            assert_eq!(said.contains("saved.part"), is_kept, "{said}");
            assert_eq!(bed.folder().join("saved.part").exists(), is_kept, "{said}");
            Ok(())
        })?;
    }
    Ok(())
}
