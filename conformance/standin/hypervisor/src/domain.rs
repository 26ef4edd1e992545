//! What a domain has: memory, processors, the time that it has run.

use std::sync::atomic::Ordering::Relaxed;

use crate::record::NewDomain;
use crate::table::{Hypervisor, NoDomain};
use crate::{BLOCKED, HVM_GUEST, PAGES, PAUSED};

/// What is known about a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// Its id.
    pub domid: u32,
    /// `XEN_DOMINF_*`.
    pub flags: u32,
    /// As Xen's `xen_domain_handle_t`.
    pub uuid: [u8; 16],
    /// FLASK's label.
    pub ssidref: u32,
    /// The pages that it has.
    pub pages: u64,
    /// The most pages that it may have.
    pub max_pages: u64,
    /// How many virtual processors it can have.
    pub vcpus: u32,
    /// How long its processors have run, in ns. They do something for a share of the time that depends on the id.
    pub cpu_time: u64,
}

impl Hypervisor {
    /// Creates a domain, which is paused and has no memory; its id. `None` if the id is taken, or all are.
    pub fn create(&self, new: &NewDomain) -> Option<u32> {
        let domid = self.take_id(new.domid)?;
        self.record(domid).ok()?.create(new);
        self.exists(domid, new.flags | PAUSED | BLOCKED)?;
        Some(domid)
    }

    /// What is known about a domain.
    pub fn info(&self, domid: u32) -> Option<Info> {
        loop {
            let flags = self.flags(domid)?;
            let info = self.info_with(domid, flags)?;
            // Else it may be the record of another domain, which has the id now.
            if self.flags(domid) == Some(flags) {
                return Some(info);
            }
        }
    }

    fn info_with(&self, domid: u32, flags: u32) -> Option<Info> {
        let record = self.record(domid).ok()?;
        let mut uuid = [0; 16];
        for (bytes, word) in uuid.chunks_exact_mut(8).zip(&record.uuid) {
            bytes.copy_from_slice(&word.load(Relaxed).to_ne_bytes());
        }
        let since = record.running_since.load(Relaxed);
        Some(Info {
            domid,
            flags,
            uuid,
            ssidref: record.ssidref.load(Relaxed) as u32,
            pages: record.pages.load(Relaxed),
            max_pages: record.max_pages.load(Relaxed),
            vcpus: record.vcpus.load(Relaxed) as u32,
            cpu_time: record.cpu_time.load(Relaxed) + record.busy(domid, since),
        })
    }

    /// Gives a domain up to so many pages more, within its limit and what the machine has; how many.
    ///
    /// # Errors
    /// It does not exist.
    pub fn add_pages(&self, domid: u32, pages: u64) -> Result<u64, NoDomain> {
        self.flags(domid).ok_or(NoDomain)?;
        let record = self.record(domid)?;
        let within = record.max_pages.load(Relaxed).saturating_sub(record.pages.load(Relaxed));
        let mut given = 0;
        // Both closures always give a value.
        let _ = self.used_pages().fetch_update(Relaxed, Relaxed, |used| {
            given = pages.min(within).min(PAGES.saturating_sub(used));
            Some(used + given)
        });
        record.pages.fetch_add(given, Relaxed);
        Ok(given)
    }

    /// Takes up to so many pages from a domain; how many.
    ///
    /// # Errors
    /// It does not exist.
    pub fn remove_pages(&self, domid: u32, pages: u64) -> Result<u64, NoDomain> {
        self.flags(domid).ok_or(NoDomain)?;
        let mut taken = 0;
        let _ = self.record(domid)?.pages.fetch_update(Relaxed, Relaxed, |has| {
            taken = pages.min(has);
            Some(has - taken)
        });
        self.used_pages().fetch_sub(taken, Relaxed);
        Ok(taken)
    }

    /// Sets the most pages that a domain may have.
    ///
    /// # Errors
    /// It does not exist.
    pub fn limit_pages(&self, domid: u32, max_pages: u64) -> Result<(), NoDomain> {
        self.flags(domid).ok_or(NoDomain)?;
        self.record(domid)?.max_pages.store(max_pages, Relaxed);
        Ok(())
    }

    /// The pages that no domain has.
    pub fn free_pages(&self) -> u64 {
        PAGES.saturating_sub(self.used_pages().load(Relaxed))
    }

    /// Sets how many virtual processors a domain can have.
    ///
    /// # Errors
    /// It does not exist.
    pub fn set_vcpus(&self, domid: u32, vcpus: u32) -> Result<(), NoDomain> {
        self.flags(domid).ok_or(NoDomain)?;
        self.record(domid)?.vcpus.store(vcpus.into(), Relaxed);
        Ok(())
    }

    /// The share of the processors that a domain gets, as the scheduler credit2 has it: weight and cap. It is told, and makes no
    /// difference.
    pub fn share(&self, domid: u32) -> Option<(u16, u16)> {
        self.flags(domid)?;
        let record = self.record(domid).ok()?;
        Some((record.weight.load(Relaxed) as u16, record.cap.load(Relaxed) as u16))
    }

    /// Sets weight and cap of a domain.
    ///
    /// # Errors
    /// It does not exist.
    pub fn set_share(&self, domid: u32, weight: u16, cap: u16) -> Result<(), NoDomain> {
        self.flags(domid).ok_or(NoDomain)?;
        let record = self.record(domid)?;
        record.weight.store(weight.into(), Relaxed);
        record.cap.store(cap.into(), Relaxed);
        Ok(())
    }

    /// A port of a domain for an event channel.
    ///
    /// # Errors
    /// It does not exist.
    pub fn new_port(&self, domid: u32) -> Result<u32, NoDomain> {
        self.flags(domid).ok_or(NoDomain)?;
        Ok(self.record(domid)?.last_port.fetch_add(1, Relaxed) as u32 + 1)
    }

    /// The system in a domain has got to where it answers.
    ///
    /// # Errors
    /// It does not exist.
    pub fn set_booted(&self, domid: u32) -> Result<(), NoDomain> {
        self.flags(domid).ok_or(NoDomain)?;
        self.record(domid)?.booted.store(1, Relaxed);
        Ok(())
    }

    /// Whether the system in a domain has got to where it answers. `false` if there is none.
    pub fn has_booted(&self, domid: u32) -> bool {
        self.flags(domid).is_some() && self.record(domid).is_ok_and(|record| record.booted.load(Relaxed) != 0)
    }

    /// Whether a domain is PVH or HVM. `false` if there is none.
    pub fn is_hvm(&self, domid: u32) -> bool {
        self.flags(domid).is_some_and(|flags| flags & HVM_GUEST != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::now;

    fn created(hypervisor: &Hypervisor, pages: u64) -> u32 {
        let domid = hypervisor.create(&NewDomain::new([1; 16])).unwrap();
        hypervisor.limit_pages(domid, pages).unwrap();
        assert_eq!(hypervisor.add_pages(domid, u64::MAX), Ok(pages));
        domid
    }

    #[test]
    fn ids_are_given_in_turn_and_not_again_at_once() {
        let hypervisor = Hypervisor::anonymous().unwrap();
        let first = created(&hypervisor, 1);
        hypervisor.remove(first).unwrap();
        assert_eq!([first, created(&hypervisor, 1)], [1, 2]);
        let asked = NewDomain { domid: Some(2), ..NewDomain::new([2; 16]) };
        assert_eq!(hypervisor.create(&asked), None);
        let asked = NewDomain { domid: Some(3), ..asked };
        assert_eq!(hypervisor.create(&asked), Some(3));
        assert_eq!(created(&hypervisor, 1), 4);
    }

    #[test]
    fn memory_is_given_within_the_limit_and_what_the_machine_has_and_is_free_again() {
        let hypervisor = Hypervisor::anonymous().unwrap();
        let first = created(&hypervisor, 100);
        assert_eq!(hypervisor.free_pages(), PAGES - 100);
        assert_eq!(hypervisor.remove_pages(first, 30), Ok(30));
        assert_eq!(hypervisor.info(first).unwrap().pages, 70);
        let second = hypervisor.create(&NewDomain::new([2; 16])).unwrap();
        hypervisor.limit_pages(second, 2 * PAGES).unwrap();
        assert_eq!(hypervisor.add_pages(second, 2 * PAGES), Ok(PAGES - 70));
        assert_eq!(hypervisor.free_pages(), 0);
        hypervisor.remove(second).unwrap();
        hypervisor.remove(first).unwrap();
        assert_eq!(hypervisor.free_pages(), PAGES);
    }

    #[test]
    fn processor_time_grows_while_the_domain_runs_and_only_then() {
        let hypervisor = Hypervisor::anonymous().unwrap();
        let domid = created(&hypervisor, 1);
        let time = || hypervisor.info(domid).unwrap().cpu_time;
        assert_eq!(time(), 0);
        hypervisor.change(domid, PAUSED, false).unwrap();
        while time() == 0 {}
        hypervisor.change(domid, PAUSED, true).unwrap();
        let paused = time();
        let later = now() + 2_000_000;
        while now() < later {}
        assert_eq!(time(), paused);
        hypervisor.change(domid, PAUSED, false).unwrap();
        while time() == paused {}
    }

    #[test]
    fn the_next_domain_of_an_id_has_nothing_of_the_last() {
        let hypervisor = Hypervisor::anonymous().unwrap();
        hypervisor.set(9, BLOCKED).unwrap();
        hypervisor.set_booted(9).unwrap();
        hypervisor.set_share(9, 1, 2).unwrap();
        hypervisor.remove(9).unwrap();
        assert_eq!((hypervisor.info(9), hypervisor.has_booted(9)), (None, false));
        let domid = hypervisor.create(&NewDomain { domid: Some(9), ..NewDomain::new([3; 16]) }).unwrap();
        let info = hypervisor.info(domid).unwrap();
        assert_eq!((info.pages, info.max_pages, info.cpu_time, info.uuid), (0, 0, 0, [3; 16]));
        assert_eq!((hypervisor.has_booted(9), hypervisor.share(9)), (false, Some((256, 0))));
    }
}
