//! Axes: round ticks, and the steps of a heat map.

/// Round values from 0 to at least `max`, about `wanted` of them: the axis ends at the last.
pub fn ticks(max: f64, wanted: usize) -> Vec<f64> {
    let wanted = wanted.max(2) as f64;
    if !(max.is_finite() && max > 0.0) {
        return vec![0.0, 1.0];
    }
    let rough = max / (wanted - 1.0);
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|m| m * power)
        .find(|step| *step >= rough * 0.999)
        .unwrap_or(10.0 * power);
    // Counts have no halves.
    let step = if max >= 1.0 { step.max(1.0) } else { step };
    let last = (max / step).ceil() as u32;
    (0..=last).map(|i| f64::from(i) * step).collect()
}

/// The number of steps of a heat map's ramp (classes `h0` … `h8`).
pub const STEPS: usize = 9;

/// Which step `value` falls in, between `low` and `high`.
pub fn step(value: f64, low: f64, high: f64) -> usize {
    if high <= low {
        return if value > 0.0 { STEPS / 2 } else { 0 };
    }
    let at = (value - low) / (high - low) * STEPS as f64;
    (at.max(0.0) as usize).min(STEPS - 1)
}

/// Which of `n` labels to print so that at most `most` stand on an axis: the first, and every k-th.
pub fn every(n: usize, most: usize) -> usize {
    n.div_ceil(most.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover_the_data() {
        assert_eq!(ticks(0.0, 5), [0.0, 1.0]);
        assert_eq!(ticks(1.0, 5), [0.0, 1.0]);
        assert_eq!(ticks(4.0, 5), [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(
            ticks(9_300.0, 5),
            [0.0, 2_500.0, 5_000.0, 7_500.0, 10_000.0]
        );
        assert_eq!(ticks(f64::NAN, 5), [0.0, 1.0]);
        for max in [3.0, 17.0, 99.0, 101.0, 12_345.0, 7.7e8] {
            let t = ticks(max, 5);
            assert!(
                t.len() <= 7 && t.last().is_some_and(|last| *last >= max),
                "{max}: {t:?}"
            );
        }
    }

    #[test]
    fn steps_span_the_ramp() {
        assert_eq!(step(0.0, 0.0, 10.0), 0);
        assert_eq!(step(10.0, 0.0, 10.0), 8);
        assert_eq!(step(5.0, 5.0, 5.0), 4);
        assert_eq!(step(f64::NAN, 0.0, 10.0), 0);
    }
}
