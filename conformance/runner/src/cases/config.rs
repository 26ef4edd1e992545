//! Configurations of domains, on their way to libxl.

use crate::case::Case;
use crate::hosts::{Adapter, Mode};
use crate::stage::Stage;
use crate::tiers::Tier;
use anyhow::ensure;
use xenlight::{DomainConfig, Error, Release};

pub(crate) static CHECKED: Case = Case {
    name: "config-checked",
    claim: "A configuration that libxl would take for another one is refused before it gets there, with the place that is wrong",
    clauses: &[],
    tiers: &[Tier::Libxl, Tier::Xen],
    adapters: &[Adapter::Epoll],
    modes: Mode::ALL,
    run: checked,
};

fn checked(stage: &Stage) -> anyhow::Result<()> {
    let opened = stage.open()?;
    let config = |b_info: &str| {
        DomainConfig::from_json(&format!(
            r#"{{"c_info":{{"type":"pv","name":"x"}},"b_info":{{"type.pv":{{}},{b_info}}}}}"#
        ))
    };
    let good = r#""max_vcpus":2,"max_memkb":4096,"target_memkb":4096,"kernel":"/k""#;
    opened.ctx.check_config(&config(good)?)?;
    for (wrong, place) in [
        // Libxl ignores both: the domain would have 32 MB.
        (r#""max_memkb":"4096""#, "b_info.max_memkb"),
        (r#""max_memory":4096"#, "b_info.max_memory"),
        (r#""max_memkb":4096,"cmdline":5"#, "b_info.cmdline"),
    ] {
        let result = config(wrong).map_err(Error::from).and_then(|config| opened.ctx.check_config(&config));
        ensure!(
            matches!(&result, Err(Error::Config { path, .. }) if path == place),
            "{wrong} should be refused at {place}: {result:?}"
        );
    }
    // What this libxl does not know is told with the release that does; one that knows it takes it.
    let disk = r#""type.pv":{}},"disks":[{"vdev":"xvda","grant_usage":"True"}],"on_crash":"destroy"}"#;
    let json = format!(r#"{{"c_info":{{"type":"pv","name":"x"}},"b_info":{{{disk}"#);
    let result = opened.ctx.check_config(&DomainConfig::from_json(&json)?);
    let since = Release::new(4, 19);
    if opened.ctx.library().release() < since {
        ensure!(
            matches!(&result, Err(Error::ConfigNeeds { path, needs, .. }) if path == "disks[0].grant_usage" && *needs == since),
            "{result:?}"
        );
    } else {
        result?;
    }
    opened.close()
}
