//! [`Ctx::save`] and [`Ctx::restore`].

#[cfg(doc)]
use crate::contract::*;
use crate::ctx::Ctx;
#[cfg(doc)]
use crate::error::Error;
use crate::migration::course;
use crate::migration::peer::Peer;
use crate::migration::relay;
use crate::migration::source;
use crate::operation::Operation;
use crate::save_file::Mode;
use crate::task::Task;
use std::os::fd::OwnedFd;
use xenlight_types::{DomainConfig, DomainId};

/// # Saving and restoring
///
/// The files have the format of `xl save` and `xl restore` of Xen 4.5 and later. See [above](#a-domains-life) for operations
/// and their errors.
impl Ctx {
    /// Suspends the domain and saves it to `file`, from the file's present position on. The file is closed when the operation
    /// has ended.
    ///
    /// [`Operation::progress`] reports how much has been saved.
    ///
    /// `config` is the configuration for a later restore; get it with [`config`](Self::config) before the save. The file may be a
    /// pipe or a socket, whose reader may be slow, or leave. It is written to by a thread of this crate's own, as in a
    /// [migration](#migration): an error or an abort in libxl's first bytes would end the process ([E14]).
    ///
    /// What is written to a file is on its disk at the end, as far as the system can tell. A disk that does not answer, as over a network, is
    /// waited for: neither an abort nor a close ends that.
    ///
    /// Afterwards the domain still exists and is suspended: [`destroy`](Self::destroy) or [`resume`](Self::resume) it. A save
    /// that failed or was aborted may also leave the domain suspended, and the file incomplete. If the domain was asked to suspend by then,
    /// it is waited for, up to 60 s: it does not suspend afterwards. A watch reports the suspension
    /// as a shutdown ([E11]).
    ///
    /// # Errors
    /// [Those of all operations](#a-domains-life); [`Error::Io`] if the file cannot be written, as on a full disk; [`Error::Config`];
    /// [`Error::Unsupported`] with Xen 4.4 and earlier.
    ///
    /// ```no_run
    /// # async fn example(ctx: xenlight::Ctx, domid: xenlight::DomainId) -> Result<(), Box<dyn std::error::Error>> {
    /// let config = ctx.config(domid).await?;
    /// let saved = ctx.save(domid, std::fs::File::create("/var/lib/xen/save/vm")?, &config).await;
    /// match saved {
    ///     Ok(()) => ctx.destroy(domid).await?,
    ///     Err(_) => ctx.resume(domid).await?,
    /// }
    /// let again = ctx.restore(std::fs::File::open("/var/lib/xen/save/vm")?).await?;
    /// ctx.unpause(again).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn save(&self, domid: DomainId, file: impl Into<OwnedFd>, config: &DomainConfig) -> Operation<()> {
        Operation::begun(|| {
            let task = Task::stopping("save a domain", domid);
            // Before anything is written.
            self.ask(task, |_| Ok(()))?;
            // What cannot be restored is not saved.
            self.check_config(config)?;
            let (file, config) = (file.into(), config.clone());
            course::start(&self.registry, task.doing, None, move |registry, course| {
                let mut file = Peer::reader(course, file)?;
                file.send_header(&config, registry.client().whole_library().release())?;
                match relay::save(registry, course, (task, domid, Mode::Stopped), &mut file) {
                    // The domain is destroyed next.
                    Ok(()) => file.sync(),
                    Err(unsent) => {
                        if unsent.has_asked_to_suspend {
                            source::await_suspension(registry, domid);
                        }
                        Err(unsent.reason)
                    }
                }
            })
        })
    }

    /// Restores a domain from a file of [`save`](Self::save) or `xl save`, from the file's present position on. As with
    /// [`create`](Self::create), the domain is paused, and a failure or an abort can leave an unfinished domain behind. The file
    /// is closed when the operation has ended. Nothing is read beyond the end of the saved domain, but with Xen 4.5 and earlier. The file may
    /// be a pipe or a socket; it is read by a thread of this crate's own.
    ///
    /// The saved domain must not exist any more, because the restored one has the same name.
    ///
    /// # Errors
    /// Those of [`create`](Self::create); [`Error::SaveFile`] if the file is damaged, is not a save file, or has a stream
    /// format that the loaded release cannot read; [`Error::Io`] if it cannot be read.
    pub fn restore(&self, file: impl Into<OwnedFd>) -> Operation<DomainId> {
        Operation::begun(|| {
            let task = Task::without("restore a domain");
            let file = file.into();
            course::start(&self.registry, task.doing, None, move |registry, course| {
                let mut file = Peer::writer(course, file)?;
                let (config, head) = file.read_header(registry.client().whole_library().release())?;
                relay::restore(registry, course, task, (&config, &head), &file)
            })
        })
    }
}
