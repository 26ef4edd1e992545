//! Domains from files, and into files.

use super::work::{Steps, elsewhere};
use super::{Engine, Failure, Work};
use crate::i18n::{gettext, with};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use xenlight::{Ctx, DomainConfig, DomainId};

/// How a file of `xl save` begins.
const SAVED: &[u8] = b"Xen saved domain";

/// More than any configuration has. A file that is larger is something else.
const LARGEST: u64 = 4 << 20;

impl Engine {
    /// Saves a domain into a file, and ends it. If that fails, it goes on, and the file is removed.
    pub(crate) fn save(&self, domid: u32, path: PathBuf) -> Work {
        let (ctx, domid) = (self.ctx().clone(), DomainId::new(domid));
        Work::steps(move |steps| async move {
            let config = steps.run(ctx.config(domid)).await?;
            let (saving, file) = (ctx.clone(), path.clone());
            let begun = elsewhere(move || File::create(file).map(|file| saving.save(domid, file, &config))).await;
            match steps.run(begun.map_err(|error| of_file(&path, &error.to_string()))?).await {
                Ok(()) => Ok(ctx.destroy(domid).await?),
                Err(error) => {
                    // The reason is the save's; that the rest does not work either says nothing more.
                    let _ = ctx.resume(domid).await;
                    let _ = elsewhere(move || fs::remove_file(path)).await;
                    Err(error.into())
                }
            }
        })
    }

    /// Creates the domain of a configuration, of xl's or as JSON, or restores a saved one; then it runs.
    pub(crate) fn open_file(&self, path: PathBuf) -> Work {
        let engine = self.clone();
        Work::steps(move |steps| async move {
            let ctx = engine.ctx().clone();
            let file = path.clone();
            let domid = match elsewhere(move || Content::read(&file)).await? {
                Content::Saved(file) => {
                    let restoring = ctx.clone();
                    steps.run(elsewhere(move || restoring.restore(file)).await).await?
                }
                Content::Config(config) => steps.run(ctx.create(&config)).await?,
            };
            engine.start(&steps, &ctx, domid).await
        })
    }

    /// Lets a new domain run, for whose end this program cares from then on.
    pub(super) async fn start(&self, steps: &Steps, ctx: &Arc<Ctx>, domid: DomainId) -> Result<(), Failure> {
        self.own(domid);
        Ok(steps.run(ctx.unpause(domid)).await?)
    }
}

/// What a domain can be made of.
enum Content {
    Config(Box<DomainConfig>),
    Saved(File),
}

impl Content {
    fn read(path: &Path) -> Result<Self, Failure> {
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
        config(&text).map(|config| Self::Config(Box::new(config))).map_err(|problem| of_file(path, &problem))
    }
}

fn config(text: &str) -> Result<DomainConfig, String> {
    if text.trim_start().starts_with('{') {
        return DomainConfig::from_json(text).map_err(|error| error.to_string());
    }
    DomainConfig::from_xl(text).map(|file| file.config).map_err(|error| error.to_string())
}

fn of_file(path: &Path, problem: &str) -> Failure {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Failure::new(with(gettext("{file}: {problem}"), &[("file", &name), ("problem", problem)]))
}

#[cfg(test)]
mod tests {
    use super::*;

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
