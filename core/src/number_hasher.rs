use core::hash::Hasher;

/// Spreads numbers that nobody chooses so that they collide, such as tokens and fds, over the buckets of a hash table. It costs a
/// multiplication. A loop can keep its sources in a `HashMap<Token, _, BuildHasherDefault<NumberHasher>>`.
///
/// # Panics
/// A value that is not a single number, of type `i32`, `u32`, `i64`, `u64` or `usize`, cannot be hashed.
#[derive(Clone, Debug, Default)]
pub struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only numbers are hashed");
    }

    fn write_i32(&mut self, number: i32) {
        self.write_u64(number as u64);
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        // Fibonacci hashing: 2^64 divided by the golden ratio.
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        // A table looks at the low bits, and those of a product depend on the low bits of the number alone: tokens of several
        // clients, which differ in the high ones, would all begin at the same place.
        self.0.rotate_left(32)
    }
}

#[cfg(test)]
mod tests {
    use super::NumberHasher;
    use alloc::collections::BTreeSet;
    use core::hash::{BuildHasher, BuildHasherDefault, Hash};

    fn hash(value: impl Hash) -> u64 {
        BuildHasherDefault::<NumberHasher>::default().hash_one(value)
    }

    fn are_spread(hashes: impl Iterator<Item = u64>) {
        let hashes: BTreeSet<u64> = hashes.collect();
        assert_eq!(hashes.len(), 4096);
        // Hashbrown's group is told by the low bits, the place in it by the high seven.
        for part in [|hash: &u64| hash & 0x7f, |hash: &u64| hash >> 57] {
            assert_eq!(hashes.iter().map(part).collect::<BTreeSet<_>>().len(), 128);
        }
    }

    #[test]
    fn numbers_in_a_row_are_spread_over_the_bits_that_a_table_looks_at() {
        are_spread((0..4096_i32).map(hash));
        are_spread((0..4096_u32).map(hash));
        are_spread((0..4096_usize).map(hash));
    }

    #[test]
    fn the_first_tokens_of_many_clients_are_spread_as_well() {
        are_spread((1..=4096_u64).map(|client| hash(1 << 63 | client << 24)));
    }
}
