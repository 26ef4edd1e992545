//! Which release of Xen a libxl belongs to.

#[cfg(doc)]
use crate::contract::*;
use core::fmt;

/// A release of Xen, such as 4.17. Point releases cannot be told apart.
///
/// The constants are the releases with changes for a host of libxl (contract V).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release {
    major: u32,
    minor: u32,
}

impl Release {
    /// The first supported release. All of 4.2.x have the same SONAME and are treated as 4.2.0: `for_user` is 0, timeouts are
    /// deregistered, and late occurrences are not tolerated ([E3], [R13], [O3]).
    pub const V4_2: Self = Self::new(4, 2);
    /// Late fd occurrences are tolerated (from 4.2.2 on, [O3]).
    pub const V4_3: Self = Self::new(4, 3);
    /// `libxl_childproc_sigchld_occurred`, selective reaping, parameters for a restore.
    pub const V4_4: Self = Self::new(4, 4);
    /// `_from_json` functions, `libxl_retrieve_domain_configuration`; idle fds are deregistered ([X2]).
    pub const V4_5: Self = Self::new(4, 5);
    /// `libxl_ao_abort` ([E6]).
    pub const V4_6: Self = Self::new(4, 6);
    /// `libxl_domain_create_restore` has `send_back_fd`.
    pub const V4_7: Self = Self::new(4, 7);
    /// `libxl_get_free_memory` writes 64 bits.
    pub const V4_8: Self = Self::new(4, 8);
    /// pause, unpause, shutdown, reboot and others take an `AsyncopHow`.
    pub const V4_13: Self = Self::new(4, 13);
    /// Blocking calls no longer hang when hooks are used ([E8]).
    pub const V4_14: Self = Self::new(4, 14);

    /// Creates the release `major.minor`.
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// The major number: 4 for 4.17.
    pub const fn major(self) -> u32 {
        self.major
    }

    /// The minor number: 17 for 4.17.
    pub const fn minor(self) -> u32 {
        self.minor
    }

    /// What the SONAME says.
    pub(crate) fn by_soname(soname: &str) -> BySoname {
        let Some(version) = soname.strip_prefix("libxenlight.so.") else {
            return BySoname::Nothing;
        };
        let numbers: Option<Vec<u32>> = version.split('.').map(|part| part.parse().ok()).collect();
        match numbers.as_deref() {
            Some([2, 0]) => BySoname::Release(Self::V4_2),
            Some(&[4, minor]) if minor >= 3 => BySoname::Release(Self::new(4, minor)),
            // libxenlight.so.1.0 is that of 4.0 and 4.1, which had no event interface.
            Some([0 | 1, ..]) => BySoname::TooOld,
            _ => BySoname::Unknown,
        }
    }

    /// The latest release whose mark is exported, for a library whose SONAME says nothing: the release
    /// is this one, or later without a difference that matters here.
    pub(crate) fn by_symbols(exports: impl Fn(&str) -> bool) -> Self {
        MARKS.iter().find(|(symbol, _)| exports(symbol)).map_or(Self::V4_2, |&(_, release)| release)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What a SONAME tells about the release.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BySoname {
    /// This one.
    Release(Release),
    /// 4.1 or earlier.
    TooOld,
    /// A libxl with a numbering that did not exist when this was written.
    Unknown,
    /// Not the name of a libxl: look at the symbols.
    Nothing,
}

/// A symbol that each of these releases was the first to export, latest first.
const MARKS: &[(&str, Release)] = &[
    ("libxl_clear_domid_history", Release::V4_14),
    ("libxl_domain_need_memory_0x041200", Release::V4_13),
    ("libxl_get_free_memory_0x040700", Release::V4_8),
    ("libxl_set_vcpuaffinity_force", Release::V4_7),
    ("libxl_ao_abort", Release::V4_6),
    ("libxl_retrieve_domain_configuration", Release::V4_5),
    ("libxl_childproc_sigchld_occurred", Release::V4_4),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Contract V, "Which release is loaded".
    #[test]
    fn a_soname_tells_the_release() {
        assert_eq!(Release::by_soname("libxenlight.so.2.0"), BySoname::Release(Release::V4_2));
        assert_eq!(Release::by_soname("libxenlight.so.4.3"), BySoname::Release(Release::V4_3));
        assert_eq!(Release::by_soname("libxenlight.so.4.17"), BySoname::Release(Release::new(4, 17)));
        assert_eq!(Release::by_soname("libxenlight.so.1.0"), BySoname::TooOld);
        assert_eq!(Release::by_soname("libxenlight.so.5.0"), BySoname::Unknown);
        assert_eq!(Release::by_soname("libxenlight.so.4.17.0"), BySoname::Unknown);
        assert_eq!(Release::by_soname("libxenlight.so.4.x"), BySoname::Unknown);
        assert_eq!(Release::by_soname("libxenlight.so"), BySoname::Nothing);
        assert_eq!(Release::by_soname("libm.so.6"), BySoname::Nothing);
    }

    /// Contract V, "Backup, by exported symbol".
    #[test]
    fn the_latest_mark_that_is_exported_tells_the_release() {
        for (known, &(_, release)) in MARKS.iter().rev().enumerate() {
            let exported = &MARKS[MARKS.len() - 1 - known..];
            let found = Release::by_symbols(|symbol| exported.iter().any(|mark| mark.0 == symbol));
            assert_eq!(found, release);
        }
        assert_eq!(Release::by_symbols(|_| false), Release::V4_2);
    }

    #[test]
    fn releases_are_ordered_by_number_not_by_text() {
        assert!(Release::V4_2 < Release::V4_14);
        assert!(Release::new(4, 9) < Release::new(4, 10));
        assert!(Release::new(4, 40) < Release::new(5, 0));
        assert_eq!(Release::V4_13.to_string(), "4.13");
    }
}
