//! When to ask again, and how long to wait first.

use std::time::Duration;

/// How often a request is tried, the first try included.
pub(crate) const ATTEMPTS: u32 = 5;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(2);

/// Whether a status means "not now" rather than "no".
pub(crate) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

/// The pause after failed attempt number `attempt` (from 1): it doubles with each, and `jitter`
/// (0 to 1) spreads many clients over its upper half, so that they do not come back together.
pub(crate) fn pause(attempt: u32, jitter: f64) -> Duration {
    assert!(
        (0.0..=1.0).contains(&jitter),
        "jitter is a share, not {jitter}"
    );
    let doublings = attempt.saturating_sub(1).min(16);
    let full = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    full.mul_f64(0.5 + 0.5 * jitter)
}

/// A share from 0 to 1 that differs from call to call.
pub(crate) fn jitter() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0_u8) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let pauses: Vec<u128> = (1..=7).map(|n| pause(n, 1.0).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(pause(u32::MAX, 1.0), LONGEST);
    }

    #[test]
    fn jitter_takes_away_at_most_half() {
        assert_eq!(pause(1, 0.0).as_millis(), 50);
        assert!((0..100).map(|_| jitter()).all(|j| (0.0..=1.0).contains(&j)));
    }

    #[test]
    fn only_statuses_that_pass_are_tried_again() {
        assert!([408, 429, 500, 503].into_iter().all(is_transient));
        assert!(![200, 401, 404, 409, 422].into_iter().any(is_transient));
    }
}
