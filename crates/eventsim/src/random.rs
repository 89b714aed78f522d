//! Random numbers: one small stream per user, and weighted choice in constant time.

/// A stream of random numbers: a Weyl sequence whose terms are mixed by a 128-bit product.
///
/// Eight bytes of state, so that a million users' streams stay small, and a stream for any
/// (seed, user) without drawing the ones before it.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
const SALT: u64 = 0xd6e8_feb8_6659_fd93;

/// Spread the bits of `value` over the whole word.
pub const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let value = (value ^ (value >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    value ^ (value >> 32)
}

impl Random {
    /// The stream of `key` under `seed`.
    pub const fn of(seed: u64, key: u64) -> Self {
        Self {
            state: mix(mix(seed.wrapping_add(STEP)) ^ key.wrapping_mul(STEP)),
        }
    }

    /// 64 random bits.
    #[inline]
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        let product = u128::from(self.state) * u128::from(self.state ^ SALT);
        (product >> 64) as u64 ^ product as u64
    }

    /// Uniform in [0, 1).
    #[inline]
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in [0, bound).
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(bound) * (self.next() >> 32)) >> 32) as u32
    }

    /// Exponential with this mean.
    #[inline]
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Standard normal (Box and Muller's transform).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (2.0 * std::f64::consts::PI * self.unit()).cos()
    }

    /// Log-normal with mean 1: what `EventSim` multiplies a configured mean by for each user.
    pub fn around_one(&mut self) -> f64 {
        (self.normal() - 0.5).exp()
    }
}

/// Picks an index by weight in constant time (Vose's alias method).
#[derive(Clone, Debug)]
pub struct Weighted {
    /// For each slot: keep it below this 32-bit threshold, else take the other index.
    slots: Vec<(u64, u32)>,
}

impl Weighted {
    /// A choice among `weights.len()` indexes. None if there is no positive weight.
    pub fn new(weights: &[f64]) -> Option<Self> {
        let total: f64 = weights.iter().sum();
        if total.is_nan() || total <= 0.0 {
            return None;
        }
        let count = weights.len();
        let mut share: Vec<f64> = weights
            .iter()
            .map(|weight| weight / total * count as f64)
            .collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..count).partition(|&at| share[at] < 1.0);
        let mut slots: Vec<(u64, u32)> = (0..count).map(|at| (1 << 32, at as u32)).collect();
        while let (Some(&low), Some(&high)) = (small.last(), large.last()) {
            small.pop();
            slots[low] = ((share[low] * (1u64 << 32) as f64) as u64, high as u32);
            share[high] -= 1.0 - share[low];
            if share[high] < 1.0 {
                large.pop();
                small.push(high);
            }
        }
        // Rounding may leave a slot short; one without weight must still never be picked.
        let heaviest = (0..count).max_by(|&a, &b| weights[a].total_cmp(&weights[b]))?;
        for (at, slot) in slots.iter_mut().enumerate() {
            if weights[at] <= 0.0 && slot.1 as usize == at {
                *slot = (0, heaviest as u32);
            }
        }
        Some(Self { slots })
    }

    /// An index.
    #[inline]
    pub fn pick(&self, random: &mut Random) -> usize {
        let bits = random.next();
        let slot = ((self.slots.len() as u64 * (bits >> 32)) >> 32) as usize;
        let (threshold, other) = self.slots[slot];
        if (bits & 0xffff_ffff) < threshold {
            slot
        } else {
            other as usize
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_follow_their_weights() {
        let weights = [1.0, 0.0, 7.0, 2.0];
        let choice = Weighted::new(&weights).expect("positive weights");
        let mut random = Random::of(7, 1);
        let mut counts = [0u32; 4];
        for _ in 0..100_000 {
            counts[choice.pick(&mut random)] += 1;
        }
        assert_eq!(counts[1], 0);
        for (count, weight) in counts.iter().zip(weights) {
            assert!(
                (f64::from(*count) / 100_000.0 - weight / 10.0).abs() < 0.01,
                "{counts:?}"
            );
        }
    }

    #[test]
    fn nothing_is_picked_without_weight() {
        assert!(Weighted::new(&[]).is_none());
        assert!(Weighted::new(&[0.0, 0.0]).is_none());
    }

    #[test]
    fn streams_have_the_moments_they_should() {
        let (mut sum, mut exponential, mut around) = (0.0, 0.0, 0.0);
        for user in 0..50_000 {
            let mut random = Random::of(1, user);
            sum += random.unit();
            exponential += random.exponential(3.0);
            around += random.around_one();
        }
        assert!((sum / 50_000.0 - 0.5).abs() < 0.01);
        assert!((exponential / 50_000.0 - 3.0).abs() < 0.06);
        assert!((around / 50_000.0 - 1.0).abs() < 0.04);
    }
}
