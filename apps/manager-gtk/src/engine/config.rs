//! The configuration of a domain, as text and back.

use super::Failure;
use super::work::elsewhere;
use super::xen::Xen;
use crate::i18n::gettext;
use xenlight::DomainConfig;
use xenlight::types::DomainKind;

/// How a configuration is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// As a file of xl's.
    #[default]
    Xl,
    /// As libxl's JSON.
    Json,
}

/// The configuration of a domain.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config(pub(super) Box<DomainConfig>);

/// What a text says.
pub(crate) struct Read {
    pub(crate) config: Config,
    /// What is to be known of it, a line each.
    pub(crate) warnings: Vec<String>,
}

impl Config {
    /// Reads a text, whose form is seen.
    pub(crate) fn read(text: &str) -> Result<Read, String> {
        let (config, warnings) = if text.trim_start().starts_with('{') {
            (DomainConfig::from_json(text).map_err(|error| error.to_string())?, Vec::new())
        } else {
            let file = DomainConfig::from_xl(text).map_err(|error| error.to_string())?;
            (file.config, file.warnings.iter().map(ToString::to_string).collect())
        };
        config.check().map_err(|invalid| invalid.to_string())?;
        Ok(Read { config: config.into(), warnings })
    }

    /// Writes it, if that form has words for all that it says.
    pub(crate) fn write(&self, form: Form) -> Result<String, String> {
        match form {
            Form::Xl => self.0.to_xl().map_err(|error| error.to_string()),
            Form::Json => Ok(self.0.to_json()),
        }
    }

    pub(crate) fn name(&self) -> &str {
        self.0.name()
    }
}

impl From<DomainConfig> for Config {
    fn from(config: DomainConfig) -> Self {
        Self(Box::new(config))
    }
}

impl Xen {
    /// Looks for what would keep a domain from being created, without creating it.
    pub(crate) async fn check(&self, config: Config) -> Result<(), Failure> {
        let ctx = self.ctx().clone();
        elsewhere(move || {
            xenlight::check_files(&config.0)?;
            ctx.check_config(&config.0)?;
            let host = ctx.phys_info()?;
            if config.0.create_info.kind == Some(DomainKind::Hvm) && !host.cap_hvm {
                return Err(Failure::new(gettext("The processors of this host cannot run HVM domains")));
            }
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_in_both_forms_and_what_is_wrong_has_its_place() {
        let text = "name = \"web\"\ntype = \"pvh\"\nkernel = \"/k\"\nmemory = 64\n";
        let config = Config::read(text).map_err(|_| ()).unwrap().config;
        let json = config.write(Form::Json).unwrap();
        assert_eq!(Config::read(&json).map_err(|_| ()).unwrap().config, config);
        let Err(wrong) = Config::read("name = \"web\"\nmemory = \"much\"\n") else { panic!("it is malformed") };
        assert!(wrong.starts_with("line 2, "), "{wrong}");
        let warned = Config::read("name = \"web\"\nkernel = \"/k\"\nmemry = 5\n").map_err(|_| ()).unwrap().warnings;
        assert!(warned.len() == 1 && warned[0].contains("memry"), "{warned:?}");
    }
}
