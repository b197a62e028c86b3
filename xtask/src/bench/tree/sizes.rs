//! How large the files of a tree are: the same numbers in every run.

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// At least `first`, at most `last`.
    fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.next() % (last - first + 1)
    }

    /// From 0 to below 1.
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// How sizes spread, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sizes {
    Equal(u64),
    /// A root file system's: 93 % from 600 to 4000, the others up to 400,000, each power of ten as
    /// often as the next; 816 MB in 100,000 files.
    Mixed,
    /// 300 to 1000.
    Tiny,
}

impl Sizes {
    pub(super) fn draw(self, random: &mut Random) -> u64 {
        match self {
            Self::Equal(bytes) => bytes,
            Self::Tiny => random.between(300, 1000),
            Self::Mixed if random.next() % 100 < 93 => random.between(600, 4000),
            Self::Mixed => (4000.0 * 100_f64.powf(random.fraction())) as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(sizes: Sizes, count: usize) -> Vec<u64> {
        let mut random = Random::new(1);
        (0..count).map(|_| sizes.draw(&mut random)).collect()
    }

    #[test]
    fn random_numbers_are_those_of_splitmix64() {
        let mut random = Random::new(1_234_567);
        assert_eq!([random.next(), random.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn mixed_sizes_are_small_with_some_large() {
        let sizes = drawn(Sizes::Mixed, 100_000);
        let megabytes = sizes.iter().sum::<u64>() / 1_000_000;
        assert!((800..832).contains(&megabytes), "{megabytes} MB");
        assert!(sizes.iter().all(|size| (600..=400_000).contains(size)));
        let small = sizes.iter().filter(|&&size| size <= 4000).count();
        assert!((92_000..94_000).contains(&small), "{small} small files");
        assert!(sizes.iter().any(|&size| size > 390_000));
    }

    #[test]
    fn tiny_sizes_reach_both_ends() {
        let sizes = drawn(Sizes::Tiny, 100_000);
        assert_eq!((sizes.iter().min(), sizes.iter().max()), (Some(&300), Some(&1000)));
    }
}
