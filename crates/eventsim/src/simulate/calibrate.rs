//! The rhythm at which exactly the events asked for fall into the days asked for.
//!
//! A pilot counts the events of some users (all, if they are few) at one rate after another. Users
//! draw the same random numbers at each rate, so the count rises smoothly with it.

use goldrecord_service::Shutdown;

use super::listener::Listener;
use super::rhythm::Rhythm;
use super::{SimulationOptions, World};
use crate::error::{Error, Result};

/// A pilot simulates about so many events: enough to meet the last hour of a month.
const PILOT_EVENTS: u64 = 1_500_000;
/// A rough pilot that finds where to look closer.
const ROUGH_EVENTS: u64 = 60_000;
/// The slowest and fastest rates looked at.
const RATES: (f64, f64) = (1e-6, 1e6);
/// The pilot ends when it counts at most this much more than asked for.
const CLOSE: f64 = 0.000_5;

/// The world's rhythm, sped up or slowed down until `events` fall into the days.
pub fn rhythm_for(
    world: &World<'_>,
    options: &SimulationOptions,
    events: u64,
    shutdown: &Shutdown,
) -> Result<Rhythm> {
    let configured = world.rhythm;
    let stride = |pilot: u64| {
        u32::try_from(events.div_ceil(pilot))
            .unwrap_or(u32::MAX)
            .min(options.users)
    };
    let counter = |stride: u32| {
        let users = options.users.div_ceil(stride);
        let wanted = events as f64 * f64::from(users) / f64::from(options.users);
        let count = move |rate: f64| {
            count(
                &world.with(configured.sped_up(rate)),
                options,
                stride,
                shutdown,
            )
        };
        (wanted, count)
    };
    let (wanted, rough) = counter(stride(ROUGH_EVENTS));
    let guess = search(wanted, 1.0, 2.0, CLOSE * 20.0, rough)?;
    let (wanted, fine) = counter(stride(PILOT_EVENTS));
    let rate = search(wanted, guess.rate, 1.02, CLOSE, fine)?;
    if rate.count + 0.5 < wanted {
        let most = rate.count / wanted * events as f64;
        return Err(Error::TooFewUsers {
            users: options.users,
            days: options.days,
            events,
            most: most as u64,
        });
    }
    Ok(configured.sped_up(rate.rate))
}

/// A rate and what it brings.
#[derive(Clone, Copy, Debug)]
struct Point {
    rate: f64,
    count: f64,
}

/// The lowest rate found whose count is `wanted` or up to `close` (a fraction) more; the fastest rate
/// if none is enough. Looks from `guess` in steps of the factor `step`, then narrows.
fn search(
    wanted: f64,
    guess: f64,
    step: f64,
    close: f64,
    mut count: impl FnMut(f64) -> Result<u64>,
) -> Result<Point> {
    let mut at = |rate: f64| -> Result<Point> {
        Ok(Point {
            rate,
            count: count(rate)? as f64,
        })
    };
    let enough = |point: Point| point.count >= wanted;
    let mut point = at(guess)?;
    let (mut low, mut high);
    let mut factor = step;
    if enough(point) {
        high = point;
        loop {
            low = at((high.rate / factor).max(RATES.0))?;
            if !enough(low) {
                break;
            }
            high = low;
            if high.rate <= RATES.0 {
                return Ok(high);
            }
            factor *= factor;
        }
    } else {
        low = point;
        loop {
            high = at((low.rate * factor).min(RATES.1))?;
            if enough(high) {
                break;
            }
            if high.rate >= RATES.1 {
                return Ok(high);
            }
            low = high;
            factor *= factor;
        }
    }
    // False position in logarithms, aimed a little high; halving when it stays on one side.
    let aim = wanted * (1.0 + close / 2.0);
    for turn in 0..24 {
        if high.count <= wanted * (1.0 + close) + 1.0 {
            break;
        }
        let (from, to) = (low.rate.ln(), high.rate.ln());
        let share = if turn % 3 == 2 || low.count < 1.0 {
            0.5
        } else {
            (aim.ln() - low.count.ln()) / (high.count.ln() - low.count.ln())
        };
        point = at((from + (to - from) * share.clamp(0.02, 0.98)).exp())?;
        if enough(point) {
            high = point;
        } else {
            low = point;
        }
    }
    Ok(high)
}

/// How many events every `stride`-th user makes within the days.
fn count(
    world: &World<'_>,
    options: &SimulationOptions,
    stride: u32,
    shutdown: &Shutdown,
) -> Result<u64> {
    let threads = options.threads() as u32;
    let end = options.end();
    let part = |thread: u32| -> Option<u64> {
        let mut events = 0;
        for user in (0..options.users)
            .step_by(stride as usize)
            .skip(thread as usize)
            .step_by(threads as usize)
        {
            if shutdown.is_requested() {
                return None;
            }
            let mut listener = Listener::new(world, user);
            while listener.next < end {
                events += 1;
                listener.step(world);
            }
        }
        Some(events)
    };
    let counts: Vec<Option<u64>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || part(thread)))
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().expect("a pilot's thread does not panic"))
            .collect()
    });
    counts
        .into_iter()
        .sum::<Option<u64>>()
        .ok_or(Error::Stopped { events: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_ends_just_above_what_is_wanted() {
        for wanted in [1_000.0, 123_456.0, 3e6] {
            for guess in [1.0, 0.001, 500.0] {
                let mut tries = 0;
                let found = search(wanted, guess, 2.0, CLOSE, |rate| {
                    tries += 1;
                    Ok((50_000.0 * rate.powf(0.9)) as u64)
                })
                .expect("a rate");
                assert!(
                    found.count >= wanted && found.count <= wanted * (1.0 + CLOSE) + 2.0,
                    "{found:?} {wanted}"
                );
                assert!(tries < 30, "{tries}");
            }
        }
    }

    #[test]
    fn what_no_rate_brings_is_known_as_such() {
        let found = search(1_000.0, 1.0, 2.0, CLOSE, |_| Ok(999)).expect("a rate");
        assert!(found.count < 1_000.0);
    }
}
