//! How busy the domains are.

use crate::engine::Usage;
use std::collections::{BTreeMap, VecDeque};

/// How many values are kept of each domain.
pub(crate) const KEPT: usize = 60;

/// The load of each domain over the last while, in percent of one processor.
#[derive(Debug, Default)]
pub(crate) struct Load {
    last: Option<Usage>,
    of_domains: BTreeMap<u32, VecDeque<f64>>,
}

impl Load {
    /// Takes in what was used until now.
    pub(crate) fn take(&mut self, usage: Usage) {
        self.of_domains.retain(|domid, _| usage.of_domains.contains_key(domid));
        if let Some(last) = &self.last {
            let passed = (usage.at - last.at).as_secs_f64();
            for (domid, used) in &usage.of_domains {
                let Some(before) = last.of_domains.get(domid).filter(|_| passed > 0.0) else { continue };
                let values = self.of_domains.entry(*domid).or_default();
                if values.len() == KEPT {
                    values.pop_front();
                }
                // Less than before: it is another domain with this number.
                values.push_back(used.saturating_sub(*before).as_secs_f64() / passed * 100.0);
            }
        }
        self.last = Some(usage);
    }

    /// Of a domain, the oldest value first.
    pub(crate) fn of(&self, domid: u32) -> Vec<f64> {
        self.of_domains.get(&domid).into_iter().flatten().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn it_is_in_percent_of_a_processor_and_forgets_who_is_gone() {
        let (start, mut load) = (Instant::now(), Load::default());
        let mut take = |seconds, domains: &[(u32, u64)]| {
            let of_domains = domains.iter().map(|&(domid, used)| (domid, Duration::from_millis(used))).collect();
            load.take(Usage { at: start + Duration::from_secs(seconds), of_domains });
            (load.of(1), load.of(2))
        };
        assert_eq!(take(0, &[(1, 500)]), (vec![], vec![]));
        assert_eq!(take(2, &[(1, 1500), (2, 100)]), (vec![50.0], vec![]));
        assert_eq!(take(3, &[(1, 1500), (2, 2100)]), (vec![50.0, 0.0], vec![200.0]));
        assert_eq!(take(4, &[(2, 50)]), (vec![], vec![200.0, 0.0]));
    }
}
