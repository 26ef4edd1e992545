use core::hash::Hasher;

/// Spreads numbers that nobody chooses so that they collide, such as tokens and fds, over the buckets of a hash table. It costs a
/// multiplication. A loop can keep its sources in a `HashMap<Token, _, BuildHasherDefault<NumberHasher>>`.
///
/// # Panics
/// A value that is not a single number of 32 or 64 bits cannot be hashed.
#[derive(Clone, Debug, Default)]
pub struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only numbers are hashed");
    }

    fn write_i32(&mut self, number: i32) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        // Fibonacci hashing: 2^64 divided by the golden ratio.
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::NumberHasher;
    use alloc::collections::BTreeSet;
    use core::hash::Hasher;

    #[test]
    fn numbers_in_a_row_are_spread_over_the_bits_that_a_table_looks_at() {
        let hashes: BTreeSet<u64> = (0..4096)
            .map(|number| {
                let mut hasher = NumberHasher::default();
                hasher.write_i32(number);
                hasher.finish()
            })
            .collect();
        assert_eq!(hashes.len(), 4096);
        // Hashbrown's group is told by the low bits, the place in it by the high seven.
        for part in [|hash: &u64| hash & 0x7f, |hash: &u64| hash >> 57] {
            assert_eq!(hashes.iter().map(part).collect::<BTreeSet<_>>().len(), 128);
        }
    }
}
