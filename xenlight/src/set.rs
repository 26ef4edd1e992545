//! Sets of CPUs and NUMA nodes, as libxl has them.

use crate::error::Error;
use core::ptr;
use std::collections::BTreeSet;
use xenlight_sys::domain::Bitmap;
use xenlight_sys::{self as sys};

/// A set for libxl to read.
pub(crate) struct Given {
    /// Eight elements in each byte, the first in the lowest bit.
    bytes: Vec<u8>,
    bitmap: Bitmap,
}

// SAFETY: the pointer is to `bytes`, which are not written to.
unsafe impl Send for Given {}
// SAFETY: as above.
unsafe impl Sync for Given {}

/// More than any list of CPUs, nodes or sockets has. libxl counts the bits of a set in a C int, and up to 4.14 writes outside of one beyond that.
const HIGHEST: u32 = 1 << 20;

impl Given {
    /// # Errors
    /// An element is too large.
    pub(crate) fn new(set: &BTreeSet<u32>) -> Result<Self, Error> {
        Self::at_least(set, 0)
    }

    /// With memory for so many elements, for functions that read as much whatever the set's size.
    ///
    /// # Errors
    /// An element is too large.
    pub(crate) fn at_least(set: &BTreeSet<u32>, elements: u32) -> Result<Self, Error> {
        let last = set.last().copied().unwrap_or(0);
        if last > HIGHEST {
            let (value, most) = (last.into(), HIGHEST.into());
            return Err(Error::OutOfRange { what: "number in the set", value, most });
        }
        let length = set.last().map_or(0, |last| *last as usize / 8 + 1).max((elements as usize).div_ceil(8));
        let mut bytes = vec![0; length];
        for element in set {
            bytes[*element as usize / 8] |= 1 << (element % 8);
        }
        let map = if bytes.is_empty() { ptr::null_mut() } else { bytes.as_ptr().cast_mut() };
        // It is far below 2^32.
        let bitmap = Bitmap { size: length as u32, map };
        Ok(Self { bytes, bitmap })
    }

    /// For functions that read the set only, whatever their parameter is declared as.
    pub(crate) fn as_ptr(&self) -> *mut Bitmap {
        debug_assert_eq!(self.bitmap.size as usize, self.bytes.len());
        ptr::from_ref(&self.bitmap).cast_mut()
    }

    /// For functions that take the set itself, and read it only.
    pub(crate) fn copy(&self) -> Bitmap {
        Bitmap { size: self.bitmap.size, map: self.bitmap.map }
    }
}

/// A set that libxl writes.
pub(crate) struct Written<'a> {
    library: &'a sys::Library,
    bitmap: Bitmap,
}

impl<'a> Written<'a> {
    /// Empty: without memory.
    pub(crate) fn new(library: &'a sys::Library) -> Self {
        Self { library, bitmap: Bitmap { size: 0, map: ptr::null_mut() } }
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut Bitmap {
        &mut self.bitmap
    }

    pub(crate) fn read(&self) -> BTreeSet<u32> {
        if self.bitmap.map.is_null() {
            return BTreeSet::new();
        }
        // SAFETY: libxl has allocated this many bytes.
        let bytes = unsafe { std::slice::from_raw_parts(self.bitmap.map, self.bitmap.size as usize) };
        let bits = bytes
            .iter()
            .zip(0_u32..)
            .flat_map(|(byte, at)| (0..8).filter(move |bit| byte & (1 << bit) != 0).map(move |bit| at * 8 + bit));
        bits.collect()
    }
}

impl Drop for Written<'_> {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, and not used after.
        unsafe { self.library.bitmap_dispose(&mut self.bitmap) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(set: &[u32]) -> Vec<u8> {
        Given::new(&set.iter().copied().collect()).expect("it is small").bytes
    }

    #[test]
    fn a_number_that_libxl_would_lose_is_refused() {
        for element in [HIGHEST + 1, 3_000_000_000, u32::MAX] {
            assert!(matches!(Given::new(&[element].into()), Err(Error::OutOfRange { .. })), "{element}");
        }
    }

    #[test]
    fn there_is_as_much_memory_as_libxl_reads() {
        let set = Given::at_least(&BTreeSet::new(), 65).expect("it is small");
        assert_eq!((set.bytes.len(), set.bitmap.size), (9, 9));
        assert!(!set.bitmap.map.is_null());
    }

    #[test]
    fn a_set_has_a_bit_for_each_element() {
        assert!(bytes(&[]).is_empty());
        assert_eq!(bytes(&[0]), [1]);
        assert_eq!(bytes(&[7, 8, 17]), [0x80, 0x01, 0x02]);
    }
}
