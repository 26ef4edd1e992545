//! A domain's configuration is asked of libxl, unless it is kept (`kept`).

use crate::config;
use crate::error::Error;
use crate::hosted::Hosted;
use crate::kept::{self, Found, Keeping, Kept, OwnFile};
use crate::operation::{self, Operation, Request};
use crate::question::{Question, ask};
use crate::structs::Typed;
use crate::task::Task;
use crate::{inside, inventory, lock};
use core::ffi::c_int;
use osevent_core::Registry;
use std::sync::{Arc, Mutex, Weak};
use xenlight_sys::by_release::RetrieveConfiguration;
use xenlight_sys::domain::{AsyncopHow, DomainConfig as RawConfig};
use xenlight_sys::{Ctx as RawCtx, Library, Release};
use xenlight_types::{DomainConfig, DomainId};

const DOING: &str = "retrieve a domain's configuration";

/// For `Ctx::config`.
pub(crate) fn begin(
    registry: &Arc<Registry<Hosted>>,
    domid: DomainId,
    keeping: Option<Keeping>,
) -> Result<Operation<DomainConfig>, Error> {
    let library = registry.client().whole_library();
    let (task, config) = (Task::on(DOING, domid), Typed::new(library)?);
    match library.sys().retrieve_domain_configuration() {
        RetrieveConfiguration::Missing => Err(library.lacks(DOING, Release::V4_5)),
        RetrieveConfiguration::Blocking(retrieve) => operation::run(registry, task, move |question| {
            // SAFETY: the ctx lives during the call; the configuration is initialised, and written by it.
            question.check(unsafe { retrieve(question.ctx, domid.get(), config.as_ptr()) })?;
            // SAFETY: as above.
            let config = unsafe { config::from_libxl(question.ctx, &config) }?;
            keep(keeping, &config);
            Ok(config)
        }),
        RetrieveConfiguration::Asynchronous(retrieve) => {
            let (registry_of, keeping) = (Arc::downgrade(registry), Mutex::new(keeping));
            operation::start(registry, task, Retrieve { domid, config, retrieve, registry: registry_of, keeping })
        }
    }
}

/// What shows no changes, of a configuration that is kept.
#[derive(Clone, Copy)]
pub(crate) enum Rest {
    Asked,
    Kept,
}

/// For `Ctx::followed_configs` and `Ctx::followed_configs_as_kept`.
pub(crate) fn followed(
    registry: &Arc<Registry<Hosted>>,
    domids: impl IntoIterator<Item = DomainId>,
    rest: Rest,
) -> Vec<Operation<DomainConfig>> {
    let kept = kept(registry);
    let one = |domid| {
        let sought = match &kept {
            Some(kept) => seek(registry, kept, domid, rest)?,
            None => Sought::Ask(None),
        };
        match sought {
            Sought::Kept(config) => Ok(Operation::ready(Ok(*config))),
            Sought::Ask(keeping) => begin(registry, domid, keeping),
        }
    };
    domids.into_iter().map(|domid| Operation::begun(|| one(domid))).collect()
}

enum Sought {
    Kept(Box<DomainConfig>),
    /// libxl is to be asked.
    Ask(Option<Keeping>),
}

/// What is kept, after it was told of all that had changed before. None where nothing can be, which libxl is asked about then.
fn kept(registry: &Registry<Hosted>) -> Option<Arc<Kept>> {
    let hosted = registry.client();
    // Those who ask libxl are refused with the reason.
    if inside::check().is_err() || hosted.closing.check_open().is_err() || !kept::knows(hosted.library().release()) {
        return None;
    }
    let connection = hosted.followers.connection()?;
    let (told, caught_up) = connection.kept.catch_up(&connection.store);
    // This thread has taken what the loop would have been told, be it all or not.
    if hosted.followers.note(told) {
        hosted.followers.ring();
    }
    caught_up.ok()?;
    Some(connection.kept.clone())
}

fn seek(registry: &Registry<Hosted>, kept: &Arc<Kept>, domid: DomainId, rest: Rest) -> Result<Sought, Error> {
    let hosted = registry.client();
    ask(registry, Task::on(DOING, domid), |question| {
        // SAFETY: the ctx lives during the question.
        let info = unsafe { inventory::info(hosted, question.ctx, domid) }?.map_err(|rc| question.error(rc))?;
        let Ok(file) = OwnFile::read(OwnFile::path(domid, info.uuid)) else { return Ok(Sought::Ask(None)) };
        match kept.find(domid, info.uuid, file.bytes()) {
            Some(Found::Config(mut config)) => {
                if let Rest::Asked = rest {
                    ask_the_rest(question, domid, &mut config)?;
                }
                Ok(Sought::Kept(config))
            }
            Some(Found::Nothing(since)) => {
                Ok(Sought::Ask(Some(Keeping { kept: kept.clone(), domid, uuid: info.uuid, since, file })))
            }
            None => Ok(Sought::Ask(None)),
        }
    })
}

/// What shows no changes, but costs little.
fn ask_the_rest(question: &Question<'_>, domid: DomainId, config: &mut DomainConfig) -> Result<(), Error> {
    config.build_info.sched_params = question.filled(|library, ctx, params| {
        // SAFETY: the ctx lives during the question, the struct during the call.
        unsafe { library.domain_sched_params_get(ctx, domid.get(), params) }
    })?;
    if let Some(get) = question.hosted.library().xs_quota_domain_get() {
        // SAFETY: as above.
        let quotas = question.filled(|_, ctx, quotas| unsafe { get(ctx, domid.get(), quotas) })?;
        config.build_info.xenstore_quota = quotas;
    }
    Ok(())
}

fn keep(keeping: Option<Keeping>, config: &DomainConfig) {
    if let Some(keeping) = keeping {
        keeping.keep(config);
    }
}

/// From 4.13 on.
struct Retrieve {
    domid: DomainId,
    config: Typed<DomainConfig>,
    retrieve: unsafe extern "C" fn(*mut RawCtx, u32, *mut RawConfig, *const AsyncopHow) -> c_int,
    registry: Weak<Registry<Hosted>>,
    /// Until it has ended.
    keeping: Mutex<Option<Keeping>>,
}

impl Request for Retrieve {
    type Output = DomainConfig;

    const CHANGES: bool = false;

    fn initiate(&self, _: &Library, ctx: *mut RawCtx, how: *const AsyncopHow) -> c_int {
        // SAFETY: the ctx is alive; the configuration is initialised, and lives until the operation has ended (E9).
        unsafe { (self.retrieve)(ctx, self.domid.get(), self.config.as_ptr(), how) }
    }

    fn finish(&self, result: Result<(), Error>) -> Result<DomainConfig, Error> {
        result?;
        // SAFETY: the ctx lives during `with_ctx`.
        let config = operation::with_ctx(&self.registry, |ctx| unsafe { config::from_libxl(ctx, &self.config) })?;
        keep(lock(&self.keeping).take(), &config);
        Ok(config)
    }
}
