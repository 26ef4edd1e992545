//! Domains from files, and into files.

use super::work::{Steps, elsewhere};
use super::xen::Xen;
use super::{Config, Failure, Work};
use crate::i18n::{gettext, with};
use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use xenlight::{Ctx, DomainId, Error, ShutdownReason};

/// How a file of `xl save` begins.
const SAVED: &[u8] = b"Xen saved domain";

/// More than any configuration has. A file that is larger is something else.
const LARGEST: u64 = 4 << 20;

/// Why it stands still, if it does.
async fn shutdown(ctx: &Arc<Ctx>, domid: DomainId) -> Result<Option<ShutdownReason>, Error> {
    let ctx = ctx.clone();
    elsewhere(move || Ok(ctx.info(domid)?.shutdown)).await
}

impl Xen {
    /// Saves a domain into a file, and ends it. If it cannot be saved, it goes on.
    pub(crate) fn save(&self, domid: u32, path: PathBuf) -> Work {
        let (ctx, domid) = (self.ctx().clone(), DomainId::new(domid));
        let leaving = self.leave(domid);
        Work::steps(move |steps| async move {
            let _leaving = leaving;
            // Suspended by another, such as a migration: it must not go on here, which it would after a save that fails.
            if shutdown(&ctx, domid).await?.is_some() {
                return Err(Error::StandsStill { doing: "save a domain", domid }.into());
            }
            let config = steps.run(&ctx, move |ctx| ctx.config(domid)).await?;
            let (part, file) = Part::create(path).await?;
            if let Err(error) = steps.run(&ctx, move |ctx| ctx.save(domid, file, &config)).await {
                // The reason is the save's; that the rest does not work either says nothing more.
                if let Ok(Some(ShutdownReason::Suspend)) = shutdown(&ctx, domid).await {
                    let _ = ctx.resume(domid).await;
                }
                part.remove().await;
                return Err(error.into());
            }
            match ctx.destroy(domid).await {
                Err(error) if !error.is_no_such_domain() => {
                    let said = gettext(
                        "{error}. The domain is saved in {file}, but it was not ended: destroy it before it is restored, or resume it and remove the file.",
                    );
                    Err(part.kept(said, error.into()))
                }
                _ => part.finish().await,
            }
        })
    }

    /// Creates the domain of a configuration, of xl's or as JSON, or restores a saved one; then it runs.
    pub(crate) fn open_file(&self, path: PathBuf) -> Work {
        let xen = self.clone();
        Work::steps(move |steps| async move {
            let ctx = xen.ctx().clone();
            let file = path.clone();
            let content = elsewhere(move || Content::read(&file)).await?;
            steps.go_on()?;
            let domid = match content {
                Content::Saved(file) => steps.run(&ctx, |ctx| ctx.restore(file)).await?,
                Content::Config(config) => steps.run(&ctx, move |ctx| ctx.create(&config.0)).await?,
            };
            xen.start(&steps, &ctx, domid).await
        })
    }

    /// Creates a domain; then it runs.
    pub(crate) fn create(&self, config: Config) -> Work {
        let xen = self.clone();
        Work::steps(move |steps| async move {
            let ctx = xen.ctx().clone();
            let domid = steps.run(&ctx, move |ctx| ctx.create(&config.0)).await?;
            xen.start(&steps, &ctx, domid).await
        })
    }

    /// Lets a new domain run, for whose end this program cares from then on.
    pub(super) async fn start(&self, steps: &Steps, ctx: &Arc<Ctx>, domid: DomainId) -> Result<(), Failure> {
        self.own(domid);
        Ok(steps.run(ctx, move |ctx| ctx.unpause(domid)).await?)
    }
}

/// A file into which a domain is saved: it has its name once that is done, and what was there before stays until then.
pub(super) struct Part {
    part: PathBuf,
    path: PathBuf,
}

impl Part {
    /// Creates the file, which nobody else can read: it has all that is in the domain's memory.
    pub(super) async fn create(path: PathBuf) -> Result<(Self, File), Failure> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = Self { part: part.into(), path };
        let created = part.part.clone();
        let file = elsewhere(move || File::options().write(true).create_new(true).mode(0o600).open(created)).await;
        let file = file.map_err(|error| of_file(&part.part, &error.to_string()))?;
        Ok((part, file))
    }

    /// The domain is saved and ended.
    pub(super) async fn finish(self) -> Result<(), Failure> {
        elsewhere(move || {
            fs::rename(&self.part, &self.path).map_err(|error| {
                let failure = of_file(&self.path, &error.to_string());
                self.kept(gettext("{error}; the saved domain is in {file}"), failure)
            })
        })
        .await
    }

    /// The domain is not saved.
    pub(super) async fn remove(self) {
        // The reason is the save's; that the rest does not work either says nothing more.
        let _ = elsewhere(move || fs::remove_file(self.part)).await;
    }

    /// What has failed, with what is to be said of the file as it is.
    pub(super) fn kept(&self, said: String, failure: Failure) -> Failure {
        let file = self.part.display().to_string();
        let said = |error: &str| with(said.clone(), &[("error", error), ("file", &file)]);
        Failure { summary: said(&failure.summary), details: said(&failure.details), ..failure }
    }
}

/// What a domain can be made of.
pub(super) enum Content {
    Config(Config),
    Saved(File),
}

impl Content {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let of_io = |error: std::io::Error| of_file(path, &error.to_string());
        let mut start = [0; SAVED.len()];
        let file = File::open(path).map_err(of_io)?;
        let is_saved = std::os::unix::fs::FileExt::read_exact_at(&file, &mut start, 0).is_ok() && start == *SAVED;
        if is_saved {
            return Ok(Self::Saved(file));
        }
        if file.metadata().map_err(of_io)?.len() > LARGEST {
            return Err(of_file(path, &gettext("it is too large for a configuration")));
        }
        let text = fs::read_to_string(path).map_err(of_io)?;
        Config::read(&text).map(|read| Self::Config(read.config)).map_err(|problem| of_file(path, &problem))
    }
}

pub(super) fn of_file(path: &Path, problem: &str) -> Failure {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Failure::new(with(gettext("{file}: {problem}"), &[("file", &name), ("problem", problem)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on_a_context::on_a_context;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_saved_domain_is_for_its_owner_and_replaces_a_file_once_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web");
        fs::write(&path, "before").unwrap();
        let (part, file) = on_a_context(Part::create(path.clone())).unwrap();
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        assert!(on_a_context(Part::create(path.clone())).is_err(), "one of them would lose its file");
        let failure = part.kept("{error}: {file}".to_owned(), Failure::new("lost"));
        assert_eq!(failure.summary, format!("lost: {}.part", path.display()));
        on_a_context(part.remove());
        assert_eq!(fs::read(&path).unwrap(), b"before");
        let (part, _) = on_a_context(Part::create(path.clone())).unwrap();
        on_a_context(part.finish()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn a_file_is_known_by_its_content_and_a_malformed_one_says_where() {
        let folder = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            let path = folder.path().join("web.cfg");
            fs::write(&path, text).unwrap();
            Content::read(&path)
        };
        assert!(matches!(read("Xen saved domain, xl format\n"), Ok(Content::Saved(_))));
        assert!(
            matches!(read("name = \"web\"\nkernel = \"/k\"\n"), Ok(Content::Config(config)) if config.name() == "web")
        );
        let json = r#"{"c_info": {"type": "pv", "name": "web"}, "b_info": {"type.pv": {}}}"#;
        assert!(matches!(read(json), Ok(Content::Config(config)) if config.name() == "web"));
        let Err(failure) = read("name = \"web\"\nmemory = \"much\"\n") else { panic!("it is malformed") };
        assert!(failure.summary.starts_with("web.cfg: ") && failure.summary.contains('2'), "{}", failure.summary);
    }
}
