//! The steps of `check-release`: what has to hold before a release, and takes too long, or too many tools, for every change.
//!
//! A tool that is not here and cannot be had counts as skipped, and says so.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use super::published::Published;
use super::steps::{Step, check};
use super::tally::Tally;
use crate::setup::WITH_WINDOWS;
use crate::workspace::Workspace;
use crate::{package, setup};

/// All steps.
pub(super) const STEPS: [Step; 9] = [
    Step::new("published", "manifests, licences and READMEs", super::published::check),
    Step::new("package", "each package, built from what would be uploaded", crates),
    Step::new("msrv", "each crate with the oldest Rust that its manifest names", msrv),
    Step::new("minimal-versions", "all crates with the oldest dependencies that they name", minimal_versions),
    Step::new("alone", "lints of each crate and its tests alone, with its own features of what it depends on", alone),
    Step::new("features", "each crate alone with each set of its features", features),
    Step::new("external-types", "whose types the interfaces show", external_types),
    Step::new("debian", "Debian packages, what lintian says of them, and how they fare on clean systems", debian),
    Step::new("semver", "nothing is broken since the last release without its number saying so", semver),
];

/// The toolchain whose unstable options two steps need.
const NIGHTLY: &str = "nightly";

/// A cargo of another toolchain, with a target folder of its own: to change toolchains in one would build everything anew.
fn cargo_of(workspace: &Workspace, toolchain: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", toolchain, "cargo"]).current_dir(&workspace.root).stdin(Stdio::null());
    // Set by the cargo that runs us, and not true of that one.
    command.env_remove("CARGO").env_remove("RUSTC").env_remove("RUSTDOC").env_remove("RUSTUP_TOOLCHAIN");
    command.env("CARGO_TARGET_DIR", target_of(workspace, toolchain));
    command
}

fn target_of(workspace: &Workspace, toolchain: &str) -> PathBuf {
    workspace.target.join("release-checks").join(toolchain)
}

/// What is lacking if the toolchain is not here, and rustup could not install it.
fn lacking(workspace: &Workspace, toolchain: &str) -> Option<String> {
    let there = |mut cargo: Command| cargo.arg("--version").output().is_ok_and(|output| output.status.success());
    let install = || {
        println!("installing Rust {toolchain}");
        let mut rustup = Command::new("rustup");
        rustup.args(["toolchain", "install", toolchain, "--profile", "minimal", "--no-self-update"]);
        rustup.stdin(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    let has = there(cargo_of(workspace, toolchain)) || install();
    (!has).then(|| format!("no Rust {toolchain}, and rustup cannot install it"))
}

fn crates(workspace: &Workspace) -> Result<Tally> {
    let published = Published::all(workspace)?;
    let mut cargo = workspace.cargo();
    // All at once, so that each finds the others, which are not in the registry yet.
    cargo.args(["package", "--allow-dirty"]).env("CARGO_TARGET_DIR", workspace.target.join("release-checks/package"));
    check(cargo.args(published.iter().flat_map(|published| ["--package", &published.name])))
}

fn msrv(workspace: &Workspace) -> Result<Tally> {
    let mut tally = Tally::default();
    for Published { name, rust_version, .. } in Published::all(workspace)? {
        if let Some(lacking) = lacking(workspace, &rust_version) {
            tally += Tally::skipped_for(lacking);
            continue;
        }
        println!("{name} with Rust {rust_version}");
        let mut cargo = cargo_of(workspace, &rust_version);
        tally += check(cargo.args(["check", "--quiet", "--locked", "--package", &name]))?;
    }
    Ok(tally)
}

fn minimal_versions(workspace: &Workspace) -> Result<Tally> {
    if let Some(lacking) = lacking(workspace, NIGHTLY) {
        return Ok(Tally::skipped_for(lacking));
    }
    let published = Published::all(workspace)?;
    // Cargo resolves into the workspace's lock file alone, and all of its members at once: what the others need would be too
    // new for what the published ones name. So both files are put back, whatever comes.
    let [lock, manifest] = ["Cargo.lock", "Cargo.toml"].map(|file| workspace.root.join(file));
    let kept = (fs::read(&lock).context("cannot read Cargo.lock")?, fs::read_to_string(&manifest)?);
    let tally = minimal_versions_of(workspace, &published, &manifest, &kept.1);
    fs::write(&manifest, kept.1).context("cannot put Cargo.toml back")?;
    fs::write(&lock, kept.0).context("cannot put Cargo.lock back")?;
    tally
}

fn minimal_versions_of(workspace: &Workspace, published: &[Published], path: &Path, manifest: &str) -> Result<Tally> {
    let folders: Vec<_> = published.iter().map(|published| published.folder_in(&workspace.root)).collect();
    fs::write(path, with_members(manifest, &folders))?;
    let updated = check(cargo_of(workspace, NIGHTLY).args(["update", "--quiet", "-Z", "direct-minimal-versions"]))?;
    if updated != Tally::PASSED {
        return Ok(updated);
    }
    let mut cargo = cargo_of(workspace, NIGHTLY);
    cargo.args(["check", "--quiet", "--locked"]);
    check(cargo.args(published.iter().flat_map(|published| ["--package", &published.name])))
}

/// The workspace's manifest without the members that are not among `folders`. Cargo still finds those on which one of them depends.
fn with_members(manifest: &str, folders: &[String]) -> String {
    let mut lines = Vec::new();
    let mut in_members = false;
    for line in manifest.lines() {
        let member = line.trim().trim_matches([',', '"']);
        let is_other = in_members && line != "]" && !folders.iter().any(|folder| folder == member);
        // They have to be members, too.
        if !is_other && !line.starts_with("default-members = ") {
            lines.push(line);
        }
        in_members = line == "members = [" || in_members && line != "]";
    }
    lines.join("\n") + "\n"
}

fn alone(workspace: &Workspace) -> Result<Tally> {
    let lacking = setup::for_windows()?;
    let mut tally = Tally::default();
    for package in &workspace.packages {
        tally += match &lacking {
            Some(lacking) if WITH_WINDOWS.contains(&package.as_str()) => Tally::skipped_for(lacking),
            _ => {
                let mut cargo = workspace.cargo();
                cargo.args(["clippy", "--quiet", "--all-targets", "--package", package, "--", "-D", "warnings"]);
                check(&mut cargo)?
            }
        };
    }
    Ok(tally)
}

fn features(workspace: &Workspace) -> Result<Tally> {
    let mut tally = Tally::default();
    for Published { name, features, .. } in Published::all(workspace)? {
        let features: Vec<_> = features.into_iter().filter(|feature| feature != "default").collect();
        for set in 0..1_u32 << features.len() {
            let chosen: Vec<_> =
                features.iter().enumerate().filter(|(at, _)| set >> at & 1 == 1).map(|(_, name)| &**name).collect();
            let chosen = chosen.join(",");
            println!("{name} with features [{chosen}]");
            let mut cargo = workspace.cargo();
            cargo.args(["check", "--quiet", "--package", &name, "--no-default-features", "--features", &chosen]);
            tally += check(&mut cargo)?;
        }
    }
    Ok(tally)
}

fn external_types(workspace: &Workspace) -> Result<Tally> {
    if let Some(lacking) = lacking(workspace, NIGHTLY) {
        return Ok(Tally::skipped_for(lacking));
    }
    let mut tally = Tally::default();
    for Published { name, crate_name, external_types, .. } in Published::all(workspace)? {
        let mut cargo = cargo_of(workspace, NIGHTLY);
        cargo.args(["rustdoc", "--quiet", "--lib", "--package", &name, "--"]);
        let described = check(cargo.args(["-Z", "unstable-options", "--output-format=json"]))?;
        if described != Tally::PASSED {
            tally += described;
            continue;
        }
        let json = target_of(workspace, NIGHTLY).join(format!("doc/{crate_name}.json"));
        let documentation = fs::read_to_string(&json).with_context(|| format!("cannot read {}", json.display()))?;
        let shown = crates_shown(&serde_json::from_str(&documentation)?);
        let unforeseen: Vec<_> = shown.difference(&external_types).cloned().collect();
        let unused: Vec<_> = external_types.difference(&shown).cloned().collect();
        println!("{name} shows types of: {}", shown.into_iter().collect::<Vec<_>>().join(", "));
        let mut faults = Vec::new();
        if !unforeseen.is_empty() {
            faults.push(format!("{name}: not among its external-types: {}", unforeseen.join(", ")));
        }
        if !unused.is_empty() {
            faults.push(format!("{name}: among its external-types, but not shown: {}", unused.join(", ")));
        }
        tally += Tally::of_faults(faults);
    }
    Ok(tally)
}

/// Crates beside std whose types or traits stand in the interface that `documentation` describes: rustdoc's JSON.
fn crates_shown(documentation: &Value) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for item in documentation["index"].as_object().into_iter().flat_map(|index| index.values()) {
        let implementation = &item["inner"]["impl"];
        // What every type has, by other crates' doing.
        let is_everybodys = !implementation["blanket_impl"].is_null() || implementation["is_synthetic"] == true;
        if item["crate_id"] == 0 && !is_everybodys {
            ids_named(&item["inner"], &mut ids);
        }
    }
    let crates = ids.iter().filter_map(|id| documentation["paths"][id.to_string()]["crate_id"].as_u64());
    let names = crates.filter(|id| *id != 0).map(|id| documentation["external_crates"][id.to_string()]["name"].clone());
    let names = names.filter_map(|name| name.as_str().map(str::to_owned));
    names.filter(|name| !["core", "alloc", "std"].contains(&&**name)).collect()
}

/// Of the items that paths, traits and re-exports refer to.
fn ids_named(part: &Value, ids: &mut BTreeSet<u64>) {
    match part {
        Value::Object(fields) => {
            ids.extend(fields.get("id").and_then(Value::as_u64));
            fields.values().for_each(|field| ids_named(field, ids));
        }
        Value::Array(parts) => parts.iter().for_each(|part| ids_named(part, ids)),
        _ => {}
    }
}

fn debian(workspace: &Workspace) -> Result<Tally> {
    if let Some(lacking) = setup::for_packaging()? {
        return Ok(Tally::skipped_for(lacking));
    }
    Ok(if package::run(workspace)? == 0 { Tally::PASSED } else { Tally::failed_by(package::FAULT) })
}

fn semver(workspace: &Workspace) -> Result<Tally> {
    let Some(release) = last_release(&workspace.root)? else {
        return Ok(Tally::skipped_for("no release to compare with: git has no tag v*"));
    };
    let mut cargo = workspace.cargo();
    if !cargo.args(["semver-checks", "--version"]).output().is_ok_and(|output| output.status.success()) {
        return Ok(Tally::skipped_for("no cargo-semver-checks; cargo install cargo-semver-checks"));
    }
    let mut tally = Tally::default();
    for Published { name, .. } in Published::all(workspace)? {
        let mut cargo = workspace.cargo();
        tally += check(cargo.args(["semver-checks", "--package", &name, "--baseline-rev", &release]))?;
    }
    Ok(tally)
}

/// The tag of the newest release that this state of the repository comes after.
fn last_release(root: &Path) -> Result<Option<String>> {
    let mut git = Command::new("git");
    git.args(["describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD^"]).current_dir(root);
    let output = git.stdin(Stdio::null()).output().context("cannot run git")?;
    let tag = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok((output.status.success() && !tag.is_empty()).then_some(tag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn oldest_versions_are_those_of_published_members_alone() {
        let manifest = "[workspace]\nmembers = [\n    \"core\",\n    \"apps/a\",\n]\ndefault-members = [\"apps/a\"]\n[a]\nb = [\n    \"c\",\n]\n";
        let expected = "[workspace]\nmembers = [\n    \"core\",\n]\n[a]\nb = [\n    \"c\",\n]\n";
        assert_eq!(with_members(manifest, &["core".into()]), expected);
    }

    #[test]
    fn foreign_types_of_an_interface_are_found_and_those_of_std_are_not() {
        let path = |id: u64| json!({"resolved_path": {"path": "T", "id": id, "args": null}});
        let documentation = json!({
            "index": {
                "1": {"crate_id": 0, "inner": {"function": {"sig": {"inputs": [["a", path(10)]], "output": path(11)}}}},
                "2": {"crate_id": 0, "inner": {"impl": {"trait": {"path": "U", "id": 12}, "blanket_impl": {"generic": "T"}}}},
                "3": {"crate_id": 0, "inner": {"impl": {"trait": {"path": "V", "id": 13}, "blanket_impl": null}}},
                "4": {"crate_id": 7, "inner": path(12)},
            },
            "paths": {"10": {"crate_id": 5}, "11": {"crate_id": 1}, "12": {"crate_id": 6}, "13": {"crate_id": 7}},
            "external_crates": {"1": {"name": "alloc"}, "5": {"name": "glib"}, "6": {"name": "other"}, "7": {"name": "serde"}},
        });
        assert_eq!(crates_shown(&documentation).into_iter().collect::<Vec<_>>(), ["glib", "serde"]);
    }
}
