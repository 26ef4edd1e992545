//! Lists of CPUs and of ranges.

use super::problem::Wrong;
use std::collections::BTreeSet;

/// What a file may refer to of the host that a domain is to run on: `cpus = "all,^0"`, or `"node:1"`.
///
/// ```
/// use xenlight_types::{DomainConfig, XlHost};
///
/// let host = XlHost::default().node(0..8).node(8..16);
/// let file = DomainConfig::from_xl_on("name = 'web'\nkernel = '/vmlinuz'\ncpus = 'node:1,^8'", &host)?;
/// assert_eq!(file.config.build_info.vcpu_hard_affinity[0], (9..16).collect());
/// # Ok::<(), xenlight_types::XlError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct XlHost {
    /// For each NUMA node, the numbers of its CPUs. A host without NUMA has one node.
    pub nodes: Vec<BTreeSet<u32>>,
    /// The folder of Xen's firmware, such as `/usr/lib/xen-4.17/boot`, for `firmware = "pvgrub64"`.
    pub firmware: Option<String>,
}

impl XlHost {
    /// With one more NUMA node, which has these CPUs.
    #[must_use]
    pub fn node(mut self, cpus: impl IntoIterator<Item = u32>) -> Self {
        self.nodes.push(cpus.into_iter().collect());
        self
    }

    /// With this folder of Xen's firmware.
    #[must_use]
    pub fn firmware(mut self, folder: impl Into<String>) -> Self {
        self.firmware = Some(folder.into());
        self
    }
}

/// More than any host has.
const HIGHEST: u32 = 4095;

/// CPUs, such as `0-3,5,^1` or `node:0,^2`.
pub(crate) fn cpus(text: &str, host: &XlHost) -> Result<BTreeSet<u32>, Wrong> {
    const EXPECTED: &str = "a list of CPUs, such as 0-3,5,^1, or node:0, or all";
    let mut cpus = BTreeSet::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (out, of) = part.strip_prefix('^').map_or((false, part), |of| (true, of));
        let nodes = of.strip_prefix("node:").or_else(|| of.strip_prefix("nodes:"));
        let numbers: BTreeSet<u32> = match (nodes, nodes.unwrap_or(of)) {
            (_, "all") if out => return Err(Wrong::text(part, "possible: all of them cannot be taken out")),
            (_, "all") if host.nodes.is_empty() => {
                return Err(Wrong::text(part, "possible as long as nothing is said about the host (XlHost)"));
            }
            (_, "all") => host.nodes.iter().flatten().copied().collect(),
            (None, of) => {
                let (first, last) =
                    range(of).filter(|(_, last)| *last <= HIGHEST).ok_or_else(|| Wrong::text(part, EXPECTED))?;
                (first..=last).collect()
            }
            (Some(_), of) => {
                let (first, last) = range(of).ok_or_else(|| Wrong::text(part, EXPECTED))?;
                let mut numbers = BTreeSet::new();
                for node in first..=last {
                    let of_node = host.nodes.get(node as usize);
                    numbers.extend(of_node.ok_or_else(|| {
                        Wrong::text(part, format!("a node of the host: {} are known (XlHost)", host.nodes.len()))
                    })?);
                }
                numbers
            }
        };
        if out {
            cpus.retain(|cpu| !numbers.contains(cpu));
        } else {
            cpus.extend(numbers);
        }
    }
    let known: BTreeSet<u32> = host.nodes.iter().flatten().copied().collect();
    if let Some(cpu) = cpus.iter().find(|cpu| !known.is_empty() && !known.contains(cpu)) {
        return Err(Wrong::text(text, format!("a list of the host's CPUs, which has no CPU {cpu} (XlHost)")));
    }
    // xl refuses it, too, when it creates the domain.
    if cpus.is_empty() { Err(Wrong::text(text, "a list of at least one CPU")) } else { Ok(cpus) }
}

/// `3`, or `3-5`.
pub(crate) fn range(text: &str) -> Option<(u32, u32)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let [first, last] = [decimal(first)?, decimal(last)?];
    (first <= last).then_some((first, last))
}

/// A number of decimal digits alone.
pub(crate) fn decimal(text: &str) -> Option<u32> {
    text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Numbers, as ranges: `0-3,5`.
pub(crate) fn ranges(numbers: &[u64]) -> String {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    let shown = ranges.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    shown.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_added_and_taken_out_in_order() {
        let host = XlHost::default().node(0..4).node(4..8);
        for (text, expected) in [
            ("0-3,5,^1", vec![0, 2, 3, 5]),
            ("^1,0-1", vec![0, 1]),
            ("node:1,^5", vec![4, 6, 7]),
            ("nodes:0-1,^node:0", vec![4, 5, 6, 7]),
            ("all,^0-6", vec![7]),
        ] {
            assert_eq!(cpus(text, &host).expect("it is a list"), expected.into_iter().collect(), "{text}");
        }
        for text in [
            "x",
            "1-",
            "2-1",
            "^all",
            "node:2",
            "99999999",
            "4294967296",
            "1 ",
            "-1",
            "0-4096",
            "node:",
            "",
            "1,^1",
            "8",
        ] {
            cpus(text, &host).expect_err(text);
        }
        assert!(cpus("all", &XlHost::default()).is_err());
    }

    #[test]
    fn ranges_are_as_short_as_can_be() {
        assert_eq!(ranges(&[0, 1, 2, 5, 7, 8]), "0-2,5,7-8");
        assert_eq!(ranges(&[]), "");
    }
}
