//! Domains from files, into files, and to other hosts. The service opens none of these: it gets them open.

use super::Service;
use super::bus::{DOMAIN, HOST, JOB, MANAGER, Properties, Unanswered};
use crate::engine::files::{Content, Part};
use crate::engine::migration::over;
use crate::engine::work::{Steps, elsewhere};
use crate::engine::{Config, Failure, Form, Work};
use crate::i18n::gettext;
use gtk::glib::Variant;
use gtk::glib::prelude::*;
use gtk::glib::variant::ObjectPath;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;

impl Service {
    /// The file is removed only if it is known that the domain is not saved in it: otherwise it may be all that there is of the domain.
    pub(in crate::engine) fn save(&self, domid: u32, path: PathBuf) -> Work {
        let service = self.clone();
        Work::steps(move |steps| async move {
            let object = service.path(domid)?;
            let (part, file) = Part::create(path).await?;
            match service.save_to(&object, file, &steps).await {
                Ok(()) => part.finish().await,
                Err((Saved::No, failure)) => {
                    part.remove().await;
                    Err(failure)
                }
                Err((Saved::Yes, failure)) => {
                    Err(part.kept(gettext("{error}; the saved domain is in {file}"), failure))
                }
                Err((Saved::Unknown, failure)) => {
                    let said = gettext(
                        "{error}. The domain may be saved: {file} is kept. If the domain is gone, restore it from there; if it runs, remove the file.",
                    );
                    Err(part.kept(said, failure))
                }
            }
        })
    }

    async fn save_to(&self, object: &str, file: File, steps: &Steps) -> Result<(), (Saved, Failure)> {
        let called = self.bus.give_files((object, DOMAIN, "Save"), &[file.as_fd()], false).await;
        let (job,): (ObjectPath,) = called.map_err(|Unanswered { is_refused, failure }| {
            (if is_refused { Saved::No } else { Saved::Unknown }, failure)
        })?;
        let path = job.as_str().to_owned();
        match self.wait_for(job, steps).await {
            Ok(()) => Ok(()),
            // It may be the waiting that has failed.
            Err(failure) => Err((self.bus.properties(&path, JOB).await.map_or(Saved::Unknown, Saved::by), failure)),
        }
    }

    pub(in crate::engine) fn open_file(&self, path: PathBuf) -> Work {
        let service = self.clone();
        Work::steps(move |steps| async move {
            match elsewhere(move || Content::read(&path)).await? {
                Content::Saved(file) => {
                    let (job,) =
                        service.bus.give_files((HOST, MANAGER, "RestoreDomain"), &[file.as_fd()], false).await?;
                    service.wait_for(job, &steps).await
                }
                Content::Config(config) => service.create_by(config, &steps).await,
            }
        })
    }

    /// What the service sends goes through the command, which runs with the rights of this program.
    pub(in crate::engine) fn migrate(&self, domid: u32, command: Vec<String>, is_live: bool) -> Work {
        let service = self.clone();
        Work::steps(move |steps| {
            over(command, async move |to, from| {
                let (object, ends) = (service.path(domid)?, [to.as_fd(), from.as_fd()]);
                let (job,) = service.bus.give_files((&object, DOMAIN, "Migrate"), &ends, is_live).await?;
                // The command is to see when the service has closed them.
                drop((to, from));
                service.wait_for(job, &steps).await
            })
        })
    }

    pub(in crate::engine) fn create(&self, config: Config) -> Work {
        let service = self.clone();
        Work::steps(move |steps| async move { service.create_by(config, &steps).await })
    }

    async fn create_by(&self, config: Config, steps: &Steps) -> Result<(), Failure> {
        let parameters = (config.write(Form::Xl).map_err(Failure::new)?, false).to_variant();
        let created = self.bus.call(HOST, MANAGER, "CreateDomain", Some(&parameters));
        // What is to be known of the configuration was told when it was read.
        let (job, _, _): (ObjectPath, ObjectPath, Vec<String>) = created.await?;
        self.wait_for(job, steps).await
    }
}

/// Whether a domain is saved.
#[derive(Debug, PartialEq, Eq)]
enum Saved {
    Yes,
    No,
    Unknown,
}

impl Saved {
    /// By the properties of a job that has not just been done.
    fn by(job: Properties) -> Self {
        let text = |name: &str| job.get(name).and_then(Variant::get::<String>).unwrap_or_default();
        match (text("State").as_str(), text("Error").as_str()) {
            ("done", _) | ("failed", "org.osevent.Xen1.Error.AfterSave") => Self::Yes,
            ("failed" | "cancelled", _) => Self::No,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_job_that_says_so_has_not_saved_the_domain() {
        let by = |state: &str, error: &str| {
            let error = ("Error".to_owned(), format!("org.osevent.Xen1.Error.{error}").to_variant());
            Saved::by([("State".to_owned(), state.to_variant()), error].into())
        };
        assert_eq!(by("failed", "Libxl"), Saved::No);
        assert_eq!(by("cancelled", "Cancelled"), Saved::No);
        assert_eq!(by("failed", "AfterSave"), Saved::Yes);
        assert_eq!([by("running", ""), by("cancelling", ""), by("new", "")], [const { Saved::Unknown }; 3]);
        assert_eq!(Saved::by(Properties::new()), Saved::Unknown);
    }
}
