//! When a user's next session begins: exponential gaps, bent by night and thinned by weekends.

use std::f64::consts::TAU;

use crate::calendar::{DAY, MINUTE, is_free_day};
use crate::config;
use crate::random::Random;

/// At three in the morning the daily cycle turns: sessions are pushed away from it on both sides.
const QUIETEST: i64 = 3 * 60 * MINUTE;

/// The configured rhythm in milliseconds, sped up or slowed down as the number of events asks for.
#[derive(Clone, Copy, Debug)]
pub struct Rhythm {
    /// Mean time between events of a session.
    pub alpha: f64,
    /// Mean time between sessions.
    pub beta: f64,
    session_gap: i64,
    damping: f64,
    weekend_damping: f64,
    weekend_offset: i64,
    weekend_scale: f64,
}

impl Rhythm {
    /// The rhythm as configured.
    pub fn new(config: config::Rhythm) -> Self {
        Self {
            alpha: config.alpha * 1e3,
            beta: config.beta * 1e3,
            session_gap: (config.session_gap * 1e3) as i64,
            damping: config.damping,
            weekend_damping: config.weekend_damping,
            weekend_offset: (config.weekend_offset * MINUTE as f64) as i64,
            weekend_scale: config.weekend_scale * MINUTE as f64,
        }
    }

    /// The same, with sessions `rate` times as frequent (but for the least gap between them).
    pub fn sped_up(self, rate: f64) -> Self {
        Self {
            beta: self.beta / rate,
            ..self
        }
    }

    /// The first session of a user whose mean time between sessions is `beta`: the process is begun
    /// early enough that at `start` it has forgotten its beginning. May lie before `start`.
    pub fn first_session(&self, start: i64, beta: f64, random: &mut Random) -> i64 {
        let lead = beta as i64;
        let mut session = self.next_session(start - 2 * lead, beta, random);
        while session < start - lead {
            session = self.next_session(session, beta, random);
        }
        session
    }

    /// The session after an event at `last`.
    pub fn next_session(&self, last: i64, beta: f64, random: &mut Random) -> i64 {
        let mut from = last;
        loop {
            let candidate = self.bend(from + random.exponential(beta) as i64 + self.session_gap);
            if candidate < from {
                // Bent back before where it came from: go forward.
                from += self.session_gap;
                continue;
            }
            let absent = self.weekend(candidate);
            if absent <= 0.0 || random.unit() < 1.0 - absent {
                return candidate;
            }
            from = candidate;
        }
    }

    /// Push a moment away from the night, by a sine wave over the day.
    fn bend(&self, moment: i64) -> i64 {
        let phase = (moment.rem_euclid(DAY) - QUIETEST) as f64 / DAY as f64;
        moment + (self.damping * DAY as f64 * (phase * TAU).sin()) as i64
    }

    /// The share of sessions that is missing at a moment because of a weekend or holiday, with ramps
    /// around the midnights between work and leisure.
    fn weekend(&self, moment: i64) -> f64 {
        if self.weekend_damping == 0.0 {
            return 0.0;
        }
        let day = moment.div_euclid(DAY);
        let midnight = day * DAY;
        let next_midnight = midnight + DAY;
        let ramp = |since: i64| self.weekend_damping * since as f64 / self.weekend_scale;
        let free = is_free_day(day);
        // How far past the ramp's foot, towards the free day. Negative before it.
        let rising_from = |boundary: i64| moment - (boundary - self.weekend_offset);
        let falling_to = |boundary: i64| (boundary + self.weekend_offset) - moment;
        if free {
            let mut damping = self.weekend_damping;
            if !is_free_day(day - 1) {
                damping = damping.min(ramp(rising_from(midnight)));
            }
            if !is_free_day(day + 1) {
                damping = damping.min(ramp(falling_to(next_midnight)));
            }
            damping
        } else {
            let mut damping = 0.0_f64;
            if is_free_day(day - 1) {
                damping = damping.max(ramp(falling_to(midnight)));
            }
            if is_free_day(day + 1) {
                damping = damping.max(ramp(rising_from(next_midnight)));
            }
            damping.min(1.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::parse_moment;
    use crate::config::Config;

    fn rhythm() -> Rhythm {
        let mut config = Config::default().rhythm;
        config.weekend_damping = 0.5;
        config.weekend_offset = 180.0;
        config.weekend_scale = 360.0;
        Rhythm::new(config)
    }

    fn at(text: &str) -> f64 {
        rhythm().weekend(parse_moment(text).expect("a moment"))
    }

    #[test]
    fn weekends_ramp_up_and_down_around_midnight() {
        // Saturday and Sunday are 2026-10-03 and 04.
        assert!(at("2026-10-02T12:00") <= 0.0);
        assert!((at("2026-10-02T22:30") - 0.125).abs() < 1e-9);
        assert!((at("2026-10-03T00:00") - 0.25).abs() < 1e-9);
        assert!((at("2026-10-03T12:00") - 0.5).abs() < 1e-9);
        assert!((at("2026-10-04T23:00") - 0.5 * 240.0 / 360.0).abs() < 1e-9);
        assert!((at("2026-10-05T01:00") - 0.5 * 120.0 / 360.0).abs() < 1e-9);
        assert!(at("2026-10-06T12:00") <= 0.0);
    }

    #[test]
    fn sessions_go_forward_and_keep_their_mean() {
        let mut config = Config::default().rhythm;
        config.weekend_damping = 0.0;
        let rhythm = Rhythm::new(config);
        let mut random = Random::of(3, 3);
        let beta = 5.0 * 86_400_000.0;
        let mut moment = 0;
        for _ in 0..5_000 {
            let next = rhythm.next_session(moment, beta, &mut random);
            assert!(next >= moment);
            moment = next;
        }
        let mean = moment as f64 / 5_000.0;
        assert!((mean / beta - 1.0).abs() < 0.06, "{mean}");
    }

    #[test]
    fn nights_are_quieter_than_days() {
        let rhythm = rhythm();
        let mut random = Random::of(4, 4);
        let (mut moment, mut hours) = (0, [0u32; 24]);
        for _ in 0..20_000 {
            moment = rhythm.next_session(moment, 1e8, &mut random);
            hours[(moment.rem_euclid(DAY) / 3_600_000) as usize] += 1;
        }
        assert!(hours[3] * 2 < hours[15], "{hours:?}");
    }
}
