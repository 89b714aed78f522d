//! What is simulated.

use std::collections::{BTreeMap, HashSet};

use goldrecord_contract::Topic;
use goldrecord_eventsim::{Config, Error, Ledger, SimulationOptions, parse_moment, simulate};
use goldrecord_service::Shutdown;
use proptest::prelude::*;
use serde_json::Value;

use crate::shared_data;

const DAY: i64 = 86_400_000;

fn options(events: Option<u64>, users: u32, days: u32) -> SimulationOptions {
    SimulationOptions {
        events,
        users,
        days,
        threads: 1,
        ..SimulationOptions::new(Config::default())
    }
}

/// Every event as a line of JSON.
fn lines(options: &SimulationOptions) -> Vec<u8> {
    let mut out = Vec::new();
    simulate(options, &Shutdown::new(), |event| {
        event.encode_json(&mut out);
        out.push(b'\n');
        Ok(())
    })
    .expect("a simulation");
    out
}

fn parsed(lines: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(lines).expect("UTF-8");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn events_are_the_same_on_any_number_of_threads(
        seed in any::<u64>(), users in 1..200u32, days in 1..40u32, events in prop::option::of(1..3_000u64),
    ) {
        // So few users and days may be unable to make the events; then that is said on every number of threads.
        let run = |threads| {
            let options = SimulationOptions { seed, threads, ..options(events, users, days) };
            let mut out = Vec::new();
            let result = simulate(&options, &Shutdown::new(), |event| {
                event.encode_json(&mut out);
                Ok(())
            });
            (result.map_err(|error| error.to_string()), out)
        };
        let one = run(1);
        prop_assert!(run(2) == one, "2 threads differ from 1");
        prop_assert!(run(5) == one, "5 threads differ from 1");
    }
}

#[test]
fn simulations_of_other_users_share_no_session() {
    let sessions = |first_user_id, users| -> HashSet<i64> {
        let options = SimulationOptions {
            first_user_id,
            ..options(Some(20_000), users, 10)
        };
        let events = parsed(&lines(&options));
        let sessions = events.iter().map(|event| event["sessionId"].as_i64());
        sessions.map(|id| id.expect("a number")).collect()
    };
    let (one, two, last) = (sessions(1, 300), sessions(301, 700), sessions(1 << 32, 300));
    assert!(one.len() > 300 && two.len() > 300);
    assert!(one.is_disjoint(&two) && two.is_disjoint(&last));
    // JSON's numbers are exact up to there.
    assert!(last.iter().all(|id| *id < 1 << 53));
}

#[test]
fn exactly_the_events_asked_for_fill_the_days_asked_for() {
    for (events, users, days) in [(100_000, 1_000, 30), (60_000, 5_000, 3), (5_000, 2_000, 10)] {
        let options = options(Some(events), users, days);
        let start = parse_moment("2026-10-01").expect("a date");
        let (mut count, mut last, mut ids) = (0, start, HashSet::new());
        simulate(&options, &Shutdown::new(), |event| {
            assert!(event.ts >= last, "events come in order of time");
            assert!(ids.insert(event.event_id.to_owned()), "an id is given once");
            last = event.ts;
            count += 1;
            Ok(())
        })
        .expect("a simulation");
        assert_eq!(count, events);
        let end = start + i64::from(days) * DAY;
        assert!(
            last < end && last > end - DAY / 4,
            "the last event is {} minutes before the end",
            (end - last) / 60_000
        );
    }
}

#[test]
fn another_seed_brings_other_events() {
    let one = options(Some(500), 50, 5);
    let two = SimulationOptions {
        seed: 2,
        ..one.clone()
    };
    assert!(lines(&one) == lines(&one));
    assert!(lines(&one) != lines(&two));
}

#[test]
fn events_tell_a_plausible_story() {
    let events = parsed(&lines(&options(Some(150_000), 3_000, 30)));
    let mut topics = BTreeMap::new();
    for event in &events {
        let page = event["page"].as_str().expect("a page");
        let topic = Topic::of_page(page);
        *topics.entry(topic.name()).or_insert(0u32) += 1;
        assert_eq!(
            event.get("song").is_some(),
            topic == Topic::Listen,
            "{event}"
        );
        let hidden = matches!(event["auth"].as_str(), Some("Guest" | "Logged Out"));
        assert_eq!(event.get("userId").is_none(), hidden, "{event}");
        assert_eq!(event.get("city").is_none(), hidden, "{event}");
        if let Some(registration) = event.get("registration") {
            assert!(registration.as_i64() <= event["ts"].as_i64(), "{event}");
        }
        if page == "Submit Registration" {
            assert_eq!(event["registration"], event["ts"], "{event}");
        }
    }
    assert_eq!(topics.len(), 4, "{topics:?}");
    assert!(topics["listen_events"] > 100_000, "{topics:?}");
    let failed = events
        .iter()
        .filter(|event| event["success"] == false)
        .count();
    assert!(failed > 10, "{failed} sign-ins failed");
    for page in [
        "Submit Registration",
        "Submit Upgrade",
        "Submit Downgrade",
        "Cancellation Confirmation",
    ] {
        assert!(events.iter().any(|event| event["page"] == page), "{page}");
    }
}

#[test]
fn a_session_counts_its_events_and_has_one_user() {
    let events = parsed(&lines(&options(Some(20_000), 300, 10)));
    let mut sessions: BTreeMap<i64, (i64, Option<i64>)> = BTreeMap::new();
    for event in &events {
        let item = event["itemInSession"].as_i64().expect("a number");
        let user = event.get("userId").and_then(Value::as_i64);
        let entry = sessions
            .entry(event["sessionId"].as_i64().expect("a number"))
            .or_insert((item - 1, user));
        assert_eq!(item, entry.0 + 1, "{event}");
        entry.0 = item;
        entry.1 = entry.1.or(user);
        assert!(user.is_none() || user == entry.1, "{event}");
    }
}

#[test]
fn the_ledger_counts_what_is_written() {
    let options = options(Some(30_000), 500, 7);
    let (mut ledger, mut out) = (Ledger::new(Value::Null), Vec::new());
    simulate(&options, &Shutdown::new(), |event| {
        ledger.count(event);
        event.encode_json(&mut out);
        out.push(b'\n');
        Ok(())
    })
    .expect("a simulation");
    let truth = ledger.truth();
    let events = parsed(&out);
    let plays = events
        .iter()
        .filter(|event| event["page"] == "NextSong")
        .count() as u64;
    assert_eq!(truth.events, 30_000);
    assert_eq!(truth.topics["listen_events"].events, plays);
    assert_eq!(truth.metrics.listens_by_hour.values().sum::<u64>(), plays);
    assert_eq!(truth.metrics.listens_by_song.values().sum::<u64>(), plays);
    let first_day: HashSet<i64> = events
        .iter()
        .filter(|event| event["ts"].as_i64() < Some(1_790_812_800_000 + DAY))
        .filter_map(|event| event["userId"].as_i64())
        .collect();
    assert_eq!(
        truth.metrics.active_users_by_day["2026-10-01"],
        first_day.len() as u64
    );
    let users: HashSet<i64> = events
        .iter()
        .filter_map(|event| event["userId"].as_i64())
        .collect();
    assert_eq!(truth.users, users.len() as u64);
}

#[test]
fn too_many_events_for_the_users_are_refused() {
    let error = simulate(
        &options(Some(1_000_000), 2, 1),
        &Shutdown::new(),
        |_| Ok(()),
    )
    .expect_err("a refusal");
    assert!(
        error
            .to_string()
            .contains("give more users, more days or fewer events"),
        "{error}"
    );
}

#[test]
fn a_request_to_stop_is_honoured() {
    let shutdown = Shutdown::new();
    let mut count = 0;
    let result = simulate(&options(Some(50_000), 500, 5), &shutdown, |_| {
        count += 1;
        if count == 10_000 {
            shutdown.request();
        }
        Ok(())
    });
    assert!(
        matches!(result, Err(Error::Stopped { events }) if events < 20_000),
        "{result:?}"
    );
}

#[test]
fn the_example_configuration_of_the_original_runs() {
    let Some(path) = shared_data("eventsim-example-config.json") else {
        return;
    };
    let config = Config::read(&path).expect("a sound configuration");
    let options = SimulationOptions {
        users: 300,
        days: 14,
        threads: 2,
        ..SimulationOptions::new(config)
    };
    let events = simulate(&options, &Shutdown::new(), |_| Ok(())).expect("a simulation");
    // The original makes about 32 events a user in two weeks.
    assert!((300 * 15..300 * 70).contains(&events), "{events}");
}
