//! Domains that start with the host, as Xen's `xendomains` has it: what is in `/etc/xen/auto`.

use super::work::elsewhere;
use super::xen::Xen;
use super::{Config, Failure, Work};
use crate::i18n::{gettext, with};
use osevent_standin_machine::demo;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use xenlight::DomainId;

/// Where the configurations of the host are.
fn folder() -> PathBuf {
    let of_demo = || Some(demo::kernel()?.parent()?.to_owned());
    let given = std::env::var_os("OSEVENT_MANAGER_XEN_DIR").map(PathBuf::from);
    given.or_else(of_demo).unwrap_or_else(|| "/etc/xen".into())
}

impl Xen {
    /// Whether a domain of this name starts with the host.
    pub(crate) async fn starts_with_host(&self, name: String) -> bool {
        elsewhere(move || entry(&folder(), &name).is_some()).await
    }

    /// Has a domain start with the host: by a link to its configuration, which is written if there is none; or no longer: then the link
    /// goes, and the configuration stays.
    pub(crate) fn set_start_with_host(&self, domid: u32, name: String, is_on: bool) -> Work {
        let xen = self.clone();
        Work::steps(move |steps| async move {
            if !is_on {
                return elsewhere(move || unlink(&folder(), &name)).await;
            }
            let ctx = xen.ctx().clone();
            let config = steps.run(&ctx, move |ctx| ctx.followed_config(DomainId::new(domid))).await?;
            // One that is at hand is told though the work was aborted before.
            steps.go_on()?;
            let text = Config::from(config).to_file();
            elsewhere(move || {
                let folder = folder();
                let failed = |error| Failure::new(format!("{}: {error}", folder.display()));
                link(&folder, &name, &text).map_err(failed)
            })
            .await
        })
    }
}

/// What has a domain of this name start.
fn entry(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(folder.join("auto")).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.into_iter().find(|path| {
        let read = fs::read_to_string(path).ok().and_then(|text| Config::read(&text).ok());
        read.map_or_else(|| path.file_stem().is_some_and(|stem| stem == name), |read| read.config.name() == name)
    })
}

fn link(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    if entry(folder, name).is_some() {
        return Ok(());
    }
    let (file, auto) = (folder.join(format!("{name}.cfg")), folder.join("auto"));
    fs::create_dir_all(&auto)?;
    // One that is there is the user's.
    match File::create_new(&file) {
        Ok(mut new) => new.write_all(text.as_bytes())?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    std::os::unix::fs::symlink(&file, auto.join(format!("{name}.cfg")))
}

fn unlink(folder: &Path, name: &str) -> Result<(), Failure> {
    let Some(entry) = entry(folder, name) else { return Ok(()) };
    let shown = entry.display().to_string();
    if !entry.is_symlink() {
        let said = gettext("{file} is no link but the configuration itself, so it is left to you to move it");
        return Err(Failure::new(with(said, &[("file", &shown)])));
    }
    fs::remove_file(&entry).map_err(|error| Failure::new(format!("{shown}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_comes_and_goes_and_no_configuration_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        link(here, "web", "name = 'web'\nkernel = '/k'\n").unwrap();
        assert!(here.join("auto/web.cfg").is_symlink() && entry(here, "web").is_some() && entry(here, "we").is_none());
        unlink(here, "web").unwrap();
        assert!(entry(here, "web").is_none() && here.join("web.cfg").exists());
        // The user's own stays as it is.
        fs::write(here.join("web.cfg"), "name = 'web'\nkernel = '/mine'\n").unwrap();
        link(here, "web", "name = 'web'\nkernel = '/k'\n").unwrap();
        assert!(fs::read_to_string(here.join("auto/web.cfg")).unwrap().contains("/mine"));
        // Whatever its file is called, and where it is no link, it is not removed.
        fs::write(here.join("auto/other"), "name = 'db'\nkernel = '/k'\n").unwrap();
        assert!(unlink(here, "db").is_err() && here.join("auto/other").exists());
    }
}
