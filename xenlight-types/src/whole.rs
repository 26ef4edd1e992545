//! A domain's configuration as a whole: what it must have.

use crate::build::BuildInfo;
use crate::config::{CreateInfo, DomainConfig, DomainKind};
use crate::invalid::Invalid;
use crate::machine::Machine;

impl DomainConfig {
    /// The configuration of a domain of this name, which is a machine of this type; the rest is left to libxl.
    ///
    /// ```
    /// use xenlight_types::{DomainConfig, Machine, Pvh};
    ///
    /// let config = DomainConfig::new("web", Machine::Pvh(Pvh::default()));
    /// assert_eq!(config.name(), "web");
    /// config.check()?;
    /// # Ok::<(), xenlight_types::Invalid>(())
    /// ```
    pub fn new(name: impl Into<String>, machine: Machine) -> Self {
        Self::default()
            .create_info(CreateInfo::default().name(name).kind(machine.kind()))
            .build_info(BuildInfo::default().machine(machine))
    }

    /// The domain's name; empty where there is none.
    pub fn name(&self) -> &str {
        self.create_info.name.as_deref().unwrap_or_default()
    }

    /// Whether there is what libxl needs and does not always ask for: a name that files can be named after, a type, and the part
    /// for this type.
    ///
    /// # Errors
    /// The first part that is missing or wrong.
    pub fn check(&self) -> Result<(), Invalid> {
        check_name(self.name()).map_err(|invalid| invalid.under("c_info.name"))?;
        // libxl would read through a null pointer.
        if let Some(at) = self.disks.iter().position(|disk| disk.vdev.is_none()) {
            return Err(Invalid::missing("the virtual device, such as \"xvda\"").under(&format!("disks[{at}].vdev")));
        }
        let Some(kind) = self.create_info.kind.as_ref().filter(|kind| **kind != DomainKind::Invalid) else {
            return Err(Invalid::missing(r#"the type of domain: "pv", "pvh" or "hvm""#).under("c_info.type"));
        };
        match self.build_info.machine.as_ref().map(Machine::kind) {
            Some(machine) if machine == *kind => Ok(()),
            _ => {
                let part = format!("b_info.type.{kind}");
                Err(Invalid::missing("what only this type of domain has, {} at least").under(&part))
            }
        }
    }
}

/// Whether a domain can have this name: libxl and xenconsoled make names of log files of it, which they open as root.
///
/// # Errors
/// It is empty, or has a slash or a control character.
pub fn check_name(name: &str) -> Result<(), Invalid> {
    if name.is_empty() {
        return Err(Invalid::missing("the domain's name, as text"));
    }
    if name.contains(|c: char| c == '/' || c.is_control()) {
        let expected = "a name without slashes and control characters: names of files are made of it";
        return Err(Invalid::value(&name.into(), expected));
    }
    Ok(())
}

impl Machine {
    /// The type of domain that has this part.
    pub fn kind(&self) -> DomainKind {
        match self {
            Self::Pv(_) => DomainKind::Pv,
            Self::Pvh(_) => DomainKind::Pvh,
            Self::Hvm(_) => DomainKind::Hvm,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LibxlType;

    const LEAST: &str = r#"{"c_info":{"name":"x","type":"pv"},"b_info":{"type.pv":{}}}"#;

    fn refusal(json: &str) -> String {
        let checked = DomainConfig::from_json(json).and_then(|config| config.check());
        checked.expect_err("it is no good configuration").to_string()
    }

    #[test]
    fn a_configuration_comes_back_as_it_was_given() {
        let config = DomainConfig::from_json(LEAST).expect("it has all that it needs");
        config.check().expect("it has all that it needs");
        assert_eq!(config, DomainConfig::new("x", Machine::Pv(Default::default())));
        assert_eq!(DomainConfig::from_json(&config.to_json()).expect("likewise"), config);
    }

    #[test]
    fn what_is_no_json_is_refused_with_the_place() {
        assert!(refusal("{\n  \"c_info\": oops").contains("line 2, column 13"));
        assert!(refusal(&format!("{LEAST} x")).contains("trailing"));
        assert!(refusal("[]").contains("not an object"));
        assert!(refusal("").contains("EOF"));
        assert!(refusal(&"[".repeat(100_000)).contains("recursion limit"));
        assert!(refusal(&LEAST.replace("{}", r#"{"a":1e999}"#)).contains("number out of range"));
    }

    #[test]
    fn a_key_that_comes_twice_is_refused() {
        assert!(refusal(&LEAST.replace(r#""name":"x""#, r#""name":"x","name":"y""#)).contains(r#""name" comes twice"#));
    }

    #[test]
    fn name_type_and_the_part_for_the_type_are_asked_for() {
        assert!(refusal("{}").contains("c_info.name"));
        assert!(refusal(&LEAST.replace(r#""x""#, "7")).contains("c_info.name: 7 is not text"));
        for name in ["../../x", "a/b", r"a\nb", r"\u001b[2J"] {
            assert!(refusal(&LEAST.replace(r#""x""#, &format!("\"{name}\""))).contains("without slashes"), "{name}");
        }
        DomainConfig::from_json(&LEAST.replace(r#""x""#, r#""größe-日本""#)).expect("a name").check().expect("a name");
        assert!(refusal(&LEAST.replace(r#""type":"pv""#, r#""x":"pv""#)).contains("c_info.type"));
        assert!(refusal(&LEAST.replace("type.pv", "type.hvm")).contains("b_info.type.pv"));
    }

    #[test]
    fn two_variants_of_a_union_are_refused() {
        let two = LEAST.replace(r#""type.pv":{}"#, r#""type.hvm":{},"type.pv":{}"#);
        assert!(refusal(&two).contains("b_info.type.pv: {} is not possible beside type.hvm"), "{}", refusal(&two));
    }

    #[test]
    fn what_is_not_known_is_kept() {
        let newer = LEAST.replace(r#""type.pv":{}"#, r#""type.pv":{"n":1},"new":[{}]"#);
        let config = DomainConfig::from_json(&newer).expect("it may come from a later release");
        assert_eq!(config.to_value(), serde_json::from_str::<serde_json::Value>(&newer).expect("JSON"));
    }

    #[test]
    fn values_that_libxl_would_ignore_are_refused_with_their_place() {
        for (wrong, message) in [
            (r#""max_memkb":"4096""#, r#"b_info.max_memkb: "4096" is not a number, 0 to 18446744073709551615"#),
            (r#""max_vcpus":1.5"#, "b_info.max_vcpus: 1.5 is not a number"),
            (r#""nodemap":[0,-1]"#, "b_info.nodemap[1]: -1 is not the number of a bit"),
            (
                r#""ioports":[{"first":4294967296}]"#,
                "b_info.ioports[0].first: 4294967296 is not a number, 0 to 4294967295",
            ),
            (r#""acpi":"yes""#, r#"b_info.acpi: "yes" is not "True", "False" or "<default>""#),
            (r#""kernel":"a\u0000b""#, "b_info.kernel: \"a\\u0000b\" is not text without a NUL"),
            (r#""tsc_mode":1"#, r#"b_info.tsc_mode: 1 is not a name"#),
            (r#""sched_params":[]"#, "b_info.sched_params: [] is not an object"),
        ] {
            let refusal = refusal(&LEAST.replace(r#""type.pv":{}"#, &format!(r#""type.pv":{{}},{wrong}"#)));
            assert!(refusal.contains(message), "{refusal}");
        }
    }

    #[test]
    fn what_a_release_does_not_have_is_named() {
        let config =
            DomainConfig::from_json(&LEAST.replace("\"b_info\"", r#""disks":[{},{"trusted":"True"}],"b_info""#));
        let config = config.expect("it is known");
        let newer = config.newer_than(xenlight_sys::Release::new(4, 16)).expect("it came with 4.17");
        assert_eq!((newer.path.as_str(), newer.since), ("disks[1].trusted", xenlight_sys::Release::new(4, 17)));
        assert_eq!(config.newer_than(xenlight_sys::Release::new(4, 17)), None);
        let pvh = DomainConfig::new("x", Machine::Pvh(Default::default()));
        let newer = pvh.newer_than(xenlight_sys::Release::new(4, 9)).expect("it came with 4.10");
        assert_eq!(newer.path, "c_info.type");
    }
}
