//! A month of a service that does not exist. The numbers are made by arithmetic, so that every
//! run draws the same page.

use goldrecord_reports::{
    Check, Cohort, Day, Facts, FunnelStep, HourCell, Kpi, Ledger, Lineage, Model, Place, Places,
    Ranked, Report, Stage, Status, SubscriptionDay, TestSummary, TopicQuality, Unit,
};

/// A full report.
#[allow(clippy::too_many_lines, reason = "data, read from top to bottom")]
pub fn report() -> Report {
    let days = days();
    let listens: u64 = days.iter().map(|d| d.listens).sum();
    let trend: Vec<f64> = days.iter().map(|d| d.listens as f64).collect();
    let users: Vec<f64> = days.iter().map(|d| d.active_users as f64).collect();
    let kpi = |label: &str, value, unit, note: &str, trend: &[f64]| Kpi {
        label: label.to_owned(),
        value,
        unit,
        note: note.to_owned(),
        trend: trend.to_vec(),
    };
    Report {
        title: "Thirty days of listening".to_owned(),
        facts: Facts {
            generated_at: "2026-11-01 09:12 UTC".to_owned(),
            source: "simulated: 10,000 listeners, seed 42".to_owned(),
            lake: "hdfs://namenode:8020/goldrecord".to_owned(),
            build: Some(12),
            release: Some("12.0".to_owned()),
            events: 1_000_000,
            program: "goldrecord 0.1.0".to_owned(),
            machine: "2 cores, Linux".to_owned(),
        },
        kpis: vec![
            kpi("Events", 1_000_000.0, Unit::Count, "in four topics", &[]),
            kpi(
                "Listens",
                listens as f64,
                Unit::Count,
                "27 per listener and active day",
                &trend,
            ),
            kpi(
                "Active users a day",
                3_412.4,
                Unit::Count,
                "9,874 over the month",
                &users,
            ),
            kpi(
                "Hours listened",
                52_117.0,
                Unit::Count,
                "4.1 minutes a song",
                &trend,
            ),
            kpi(
                "New users",
                1_204.0,
                Unit::Count,
                "40 a day",
                &[40.0, 38.0, 44.0, 39.0, 47.0, 41.0, 36.0, 42.0],
            ),
            kpi(
                "Free to paid",
                0.0734,
                Unit::Share,
                "of free listeners upgraded",
                &[],
            ),
            kpi(
                "Songs a session",
                24.31,
                Unit::Decimal,
                "half of them have 11 or fewer",
                &[],
            ),
            kpi(
                "Event to bronze",
                2.4,
                Unit::Seconds,
                "the 99th percentile",
                &[],
            ),
        ],
        hours: hours(),
        songs: ranked(&SONGS, 2_900),
        artists: ranked(&ARTISTS, 7_400),
        places: places(),
        cohorts: cohorts(),
        funnel: [
            ("Listened on the free tier", 7_912),
            ("Saw the upgrade page", 2_340),
            ("Submitted the upgrade", 581),
            ("Still paying after a week", 512),
        ]
        .map(|(name, users)| FunnelStep {
            name: name.to_owned(),
            users,
        })
        .to_vec(),
        subscriptions: days
            .iter()
            .enumerate()
            .map(|(i, d)| SubscriptionDay {
                date: d.date.clone(),
                registrations: 36 + wave(i, 7) / 9,
                upgrades: 17 + wave(i, 5) / 14,
                downgrades: 4 + wave(i, 3) / 40,
                cancellations: 0,
            })
            .collect(),
        quality: [
            ("listen_events", 771_204, 0, 31),
            ("page_view_events", 190_440, 3, 8),
            ("auth_events", 34_512, 0, 1),
            ("status_change_events", 3_844, 0, 0),
        ]
        .map(|(topic, good, bad, duplicates)| TopicQuality {
            topic: topic.to_owned(),
            good,
            bad,
            duplicates,
            gaps: 0,
            balance: 0,
        })
        .to_vec(),
        stages: [
            ("Simulate → Kafka", 1_000_000, 0, 3.9),
            ("Kafka → bronze", 1_000_000, 41_200_000, 4.6),
            ("Bronze → silver and gold", 1_000_000, 63_900_000, 7.2),
            ("Gold → ClickHouse", 61_310, 2_800_000, 0.9),
        ]
        .map(|(name, events, bytes, seconds)| Stage {
            name: name.to_owned(),
            events,
            bytes,
            seconds,
        })
        .to_vec(),
        lineage: lineage(),
        tests: TestSummary {
            passed: 143,
            ..TestSummary::default()
        },
        ledger: Ledger::Compared {
            checks: [
                ("listens by hour", 720),
                ("active users by day", 30),
                ("listens by song", 18_204),
                ("registrations by day", 30),
                ("cancellations by day", 30),
            ]
            .map(|(metric, compared)| Check {
                metric: metric.to_owned(),
                compared,
                differing: 0,
                first: None,
            })
            .to_vec(),
        },
        days,
    }
}

/// A number from 0 to 99 that goes up and down.
fn wave(i: usize, k: usize) -> u64 {
    ((i * i * 7 + i * k * 13 + 29) % 100) as u64
}

fn days() -> Vec<Day> {
    (1..=30)
        .map(|d| {
            let weekend = if matches!(d % 7, 3 | 4) { 5_200 } else { 0 };
            let listens = 21_000 + weekend + d as u64 * 110 + wave(d, 3) * 28;
            Day {
                date: format!("2026-10-{d:02}"),
                listens,
                active_users: listens / 9 + 700 + wave(d, 5) * 4,
            }
        })
        .collect()
}

fn hours() -> Vec<HourCell> {
    let shape = [
        9, 6, 4, 3, 3, 5, 12, 24, 33, 38, 41, 44, 50, 53, 55, 60, 68, 77, 84, 80, 69, 52, 34, 18,
    ];
    (0..7)
        .flat_map(|weekday: u8| {
            shape.into_iter().enumerate().map(move |(hour, s)| {
                let weekend = if weekday >= 5 {
                    128 + u64::from(hour as u8 > 19) * 45
                } else {
                    100
                };
                HourCell {
                    weekday,
                    hour: hour as u8,
                    listens: s * weekend * 2 / 3 + wave(hour, usize::from(weekday)),
                }
            })
        })
        .collect()
}

const SONGS: [(&str, &str); 10] = [
    ("Paper Lanterns", "The Quiet Harbour"),
    (
        "Northbound Train at Half Past Everything (Live at the Old Observatory)",
        "Ida Lund & the Semaphores",
    ),
    ("Salt", "Marrow Street"),
    ("Kitchen Radio", "Oyelaran"),
    ("Seven Small Rooms", "The Quiet Harbour"),
    ("Überall", "Nachtschicht"),
    ("Low Tide, High Noon", "Vera Castellan"),
    ("I <3 You & Me", "\"Tag\" & Co."),
    ("Glass Elevator", "Pilot Hole"),
    ("夜の汽車", "Hoshino Line"),
];

const ARTISTS: [(&str, &str); 10] = [
    ("The Quiet Harbour", ""),
    ("Vera Castellan", ""),
    ("Marrow Street", ""),
    ("Oyelaran", ""),
    ("Nachtschicht", ""),
    ("Ida Lund & the Semaphores", ""),
    ("Pilot Hole", ""),
    ("Hoshino Line", ""),
    ("\"Tag\" & Co.", ""),
    ("Cartographers", ""),
];

fn ranked(names: &[(&str, &str)], first: u64) -> Vec<Ranked> {
    names
        .iter()
        .enumerate()
        .map(|(i, (name, detail))| {
            let listens = (first as f64 / (1.0 + i as f64).powf(0.62)) as u64;
            Ranked {
                name: (*name).to_owned(),
                detail: (*detail).to_owned(),
                listens,
                listeners: Some(listens * 3 / 5),
            }
        })
        .collect()
}

fn places() -> Places {
    let cities: [(&str, &str, f64, f64, u64); 40] = [
        ("New York", "NY", 40.71, -74.0, 61_000),
        ("Los Angeles", "CA", 34.05, -118.24, 48_000),
        ("Chicago", "IL", 41.88, -87.63, 31_000),
        ("Houston", "TX", 29.76, -95.37, 27_000),
        ("Phoenix", "AZ", 33.45, -112.07, 18_000),
        ("Philadelphia", "PA", 39.95, -75.17, 19_000),
        ("San Antonio", "TX", 29.42, -98.49, 14_000),
        ("San Diego", "CA", 32.72, -117.16, 15_000),
        ("Dallas", "TX", 32.78, -96.8, 21_000),
        ("San Francisco", "CA", 37.77, -122.42, 24_000),
        ("Seattle", "WA", 47.61, -122.33, 17_000),
        ("Denver", "CO", 39.74, -104.99, 15_000),
        ("Boston", "MA", 42.36, -71.06, 18_500),
        ("Miami", "FL", 25.76, -80.19, 19_800),
        ("Atlanta", "GA", 33.75, -84.39, 17_700),
        ("Minneapolis", "MN", 44.98, -93.27, 10_900),
        ("Detroit", "MI", 42.33, -83.05, 9_800),
        ("Portland", "OR", 45.52, -122.68, 8_900),
        ("St. Louis", "MO", 38.63, -90.2, 7_700),
        ("New Orleans", "LA", 29.95, -90.07, 6_100),
        ("Salt Lake City", "UT", 40.76, -111.89, 5_600),
        ("Nashville", "TN", 36.16, -86.78, 8_300),
        ("Charlotte", "NC", 35.23, -80.84, 7_900),
        ("Kansas City", "MO", 39.1, -94.58, 5_900),
        ("Las Vegas", "NV", 36.17, -115.14, 8_800),
        ("Boise", "ID", 43.62, -116.2, 2_100),
        ("Billings", "MT", 45.78, -108.5, 900),
        ("Fargo", "ND", 46.88, -96.79, 800),
        ("Albuquerque", "NM", 35.08, -106.65, 3_100),
        ("El Paso", "TX", 31.76, -106.49, 3_600),
        ("Omaha", "NE", 41.26, -95.93, 2_700),
        ("Oklahoma City", "OK", 35.47, -97.52, 4_000),
        ("Tampa", "FL", 27.95, -82.46, 9_100),
        ("Cleveland", "OH", 41.5, -81.69, 7_300),
        ("Pittsburgh", "PA", 40.44, -79.99, 6_900),
        ("Richmond", "VA", 37.54, -77.44, 4_200),
        ("Bangor", "ME", 44.8, -68.77, 500),
        ("Burlington", "VT", 44.48, -73.21, 700),
        ("Rapid City", "SD", 44.08, -103.23, 450),
        ("Spokane", "WA", 47.66, -117.43, 1_900),
    ];
    let city = |(name, state, _, _, listens): &(&str, &str, f64, f64, u64)| Ranked {
        name: (*name).to_owned(),
        detail: (*state).to_owned(),
        listens: *listens,
        listeners: None,
    };
    Places {
        states: ranked(
            &[
                ("California", ""),
                ("Texas", ""),
                ("New York", ""),
                ("Florida", ""),
                ("Illinois", ""),
                ("Pennsylvania", ""),
                ("Washington", ""),
                ("Georgia", ""),
            ],
            104_000,
        ),
        cities: cities.iter().take(8).map(city).collect(),
        dots: cities
            .iter()
            .map(|(name, _, lat, lon, listens)| Place {
                name: (*name).to_owned(),
                lat: *lat,
                lon: *lon,
                listens: *listens,
            })
            .collect(),
    }
}

fn cohorts() -> Vec<Cohort> {
    [
        "2026-08-31",
        "2026-09-07",
        "2026-09-14",
        "2026-09-21",
        "2026-09-28",
        "2026-10-05",
        "2026-10-12",
        "2026-10-19",
    ]
    .into_iter()
    .enumerate()
    .map(|(i, week)| {
        let users = 260 + wave(i, 3);
        let kept = |w: usize| {
            (users as f64 * (0.34 + 0.66 * (-0.55 * w as f64).exp()) + wave(i + w, 2) as f64 / 12.0)
                as u64
        };
        let active = (0..8)
            .map(|w| (w + i < 8).then(|| kept(w).min(users)))
            .collect();
        Cohort {
            week: week.to_owned(),
            users,
            active,
        }
    })
    .collect()
}

#[allow(clippy::too_many_lines, reason = "data, read from top to bottom")]
fn lineage() -> Lineage {
    let models: [(&str, &str, &[&str]); 28] = [
        ("listen_events", "bronze", &[]),
        ("page_view_events", "bronze", &[]),
        ("auth_events", "bronze", &[]),
        ("status_change_events", "bronze", &[]),
        ("fct_listens", "silver", &["listen_events"]),
        ("fct_page_views", "silver", &["page_view_events"]),
        ("fct_auth", "silver", &["auth_events"]),
        ("fct_status_changes", "silver", &["status_change_events"]),
        (
            "fct_sessions",
            "silver",
            &["fct_listens", "fct_page_views", "fct_auth"],
        ),
        (
            "dim_users",
            "silver",
            &["listen_events", "page_view_events", "status_change_events"],
        ),
        ("dim_songs", "silver", &["listen_events"]),
        ("dim_artists", "silver", &["listen_events"]),
        (
            "dim_locations",
            "silver",
            &["listen_events", "page_view_events"],
        ),
        ("dim_dates", "silver", &[]),
        (
            "user_days",
            "silver",
            &[
                "fct_listens",
                "fct_page_views",
                "fct_auth",
                "fct_status_changes",
            ],
        ),
        ("active_users_daily", "gold", &["user_days"]),
        ("active_users_weekly", "gold", &["user_days"]),
        ("active_users_monthly", "gold", &["user_days"]),
        ("listening_hourly", "gold", &["fct_listens"]),
        ("top_songs_daily", "gold", &["fct_listens", "dim_songs"]),
        ("top_artists_daily", "gold", &["fct_listens", "dim_artists"]),
        (
            "listening_places_daily",
            "gold",
            &["fct_listens", "dim_locations"],
        ),
        ("retention_cohorts", "gold", &["user_days"]),
        (
            "conversion_funnel_daily",
            "gold",
            &["fct_page_views", "fct_status_changes"],
        ),
        ("subscriptions_daily", "gold", &["fct_status_changes"]),
        ("session_shape_daily", "gold", &["fct_sessions"]),
        ("errors_daily", "gold", &["fct_page_views", "fct_auth"]),
        (
            "data_quality_daily",
            "gold",
            &[
                "listen_events",
                "page_view_events",
                "auth_events",
                "status_change_events",
            ],
        ),
    ];
    Lineage {
        models: models
            .iter()
            .enumerate()
            .map(|(i, (name, layer, _))| Model {
                name: (*name).to_owned(),
                layer: (*layer).to_owned(),
                status: match *layer {
                    "bronze" => Status::Source,
                    "gold" if i % 5 == 0 => Status::Unchanged,
                    _ => Status::Built,
                },
                way: match *layer {
                    "bronze" => String::new(),
                    _ => ["append", "replace", "full"][i % 3].to_owned(),
                },
                rows: Some(771_204 / (1 + wave(i, 3)) + 30),
                seconds: (*layer != "bronze").then_some(0.125 + i as f64 / 16.0),
                tests_passed: if *layer == "bronze" {
                    0
                } else {
                    3 + i as u32 % 5
                },
                tests_failed: 0,
            })
            .collect(),
        edges: models
            .iter()
            .flat_map(|(to, _, from)| {
                from.iter()
                    .map(|from| ((*from).to_owned(), (*to).to_owned()))
            })
            .collect(),
    }
}
