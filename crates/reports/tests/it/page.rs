use goldrecord_reports::{
    Check, Cohort, Day, Failure, FunnelStep, HourCell, Ledger, Lineage, Model, Place, Places,
    Ranked, Report, Stage, Status, TestSummary, TopicQuality, render,
};

use crate::data;
use crate::well_formed::check;

#[test]
fn a_full_page_is_well_formed() {
    check(&render(&data::report())).unwrap();
}

#[test]
fn an_empty_report_is_a_page_that_says_so() {
    let page = render(&Report::default());
    check(&page).unwrap();
    for says in [
        "No day has any listens yet.",
        "no cohorts",
        "came without a ledger",
        "ran no tests",
        "has no models yet",
    ] {
        assert!(page.contains(says), "{says}");
    }
    assert!(!page.contains("Verified"), "nothing was proved");
}

#[test]
fn the_page_loads_nothing() {
    let page = render(&data::report());
    for load in [
        "http://", "https://", "src=", "<link", "@import", "url(", "<iframe", "<img", "fetch(",
        "<use",
    ] {
        assert!(!page.contains(load), "{load}");
    }
    for (at, _) in page.match_indices("href=\"") {
        assert!(page[at..].starts_with("href=\"#"), "{}", &page[at..at + 40]);
    }
}

#[test]
fn no_text_of_the_data_becomes_markup() {
    let evil = "</title></svg><script>alert('x')</script>\"&\u{0}".to_owned();
    let mut report = data::report();
    report.title.clone_from(&evil);
    report.facts.source.clone_from(&evil);
    report.facts.lake.clone_from(&evil);
    report.kpis[0].label.clone_from(&evil);
    report.kpis[0].note.clone_from(&evil);
    report.days[0].date.clone_from(&evil);
    report.cohorts[0].week.clone_from(&evil);
    report.funnel[0].name.clone_from(&evil);
    report.quality[0].topic.clone_from(&evil);
    report.quality[0].balance = -3;
    report.stages[0].name.clone_from(&evil);
    report.songs[0] = Ranked {
        name: evil.clone(),
        detail: evil.clone(),
        listens: 9,
        listeners: None,
    };
    report.places.dots[0].name.clone_from(&evil);
    report.lineage.models[0].layer.clone_from(&evil);
    report.lineage.models[1].name.clone_from(&evil);
    report.lineage.models[2].way.clone_from(&evil);
    report.tests.failures = vec![Failure {
        name: evil.clone(),
        model: evil.clone(),
        rows: 1,
        message: evil.clone(),
    }];
    report.ledger = Ledger::Compared {
        checks: vec![Check {
            metric: evil.clone(),
            compared: 1,
            differing: 1,
            first: Some(evil.clone()),
        }],
    };
    let page = render(&report);
    check(&page).unwrap();
    assert!(!page.contains("<script>alert"));
    assert_eq!(page.matches("<script>").count(), 1);
}

#[test]
fn a_single_day_and_zeros_draw_without_division_by_zero() {
    let report = Report {
        days: vec![Day {
            date: "2026-10-01".to_owned(),
            listens: 0,
            active_users: 0,
        }],
        hours: vec![
            HourCell {
                weekday: 9,
                hour: 77,
                listens: 5,
            },
            HourCell {
                weekday: 6,
                hour: 23,
                listens: 5,
            },
        ],
        songs: vec![Ranked {
            name: "Silence".to_owned(),
            ..Ranked::default()
        }],
        places: Places {
            dots: vec![Place {
                name: "Pole".to_owned(),
                lat: 90.0,
                lon: 180.0,
                listens: 1,
            }],
            ..Places::default()
        },
        cohorts: vec![
            Cohort {
                week: "2026-09-28".to_owned(),
                users: 1,
                active: vec![],
            },
            Cohort {
                week: "2026-10-05".to_owned(),
                users: 0,
                active: vec![Some(0), None],
            },
        ],
        funnel: vec![
            FunnelStep {
                name: "A".to_owned(),
                users: 0,
            },
            FunnelStep {
                name: "B".to_owned(),
                users: 2,
            },
        ],
        stages: vec![Stage {
            name: "Idle".to_owned(),
            ..Stage::default()
        }],
        lineage: Lineage {
            models: vec![Model {
                name: "alone".to_owned(),
                ..Model::default()
            }],
            edges: vec![],
        },
        ..Report::default()
    };
    check(&render(&report)).unwrap();
}

#[test]
fn failures_stand_at_the_top_and_by_name() {
    let mut report = data::report();
    report.lineage.models[5].status = Status::Failed;
    report.tests = TestSummary {
        passed: 142,
        failed: 1,
        failures: vec![Failure {
            name: "not_null_fct_listens_event_id".to_owned(),
            model: "fct_listens".to_owned(),
            rows: 3,
            message: String::new(),
        }],
        ..TestSummary::default()
    };
    report.quality[0] = TopicQuality {
        topic: "listen_events".to_owned(),
        good: 10,
        balance: 2,
        ..TopicQuality::default()
    };
    let page = render(&report);
    assert!(page.contains("Not verified: offsets not accounted for in listen_events"));
    assert!(page.contains("1 data tests failed") && page.contains("not_null_fct_listens_event_id"));
    assert!(page.contains("✕ off by 2"));
}

#[test]
fn a_kind_of_change_that_never_happened_is_named_not_drawn() {
    let page = render(&data::report());
    assert!(page.contains("There were no cancellations in this period."));
}

#[test]
fn a_report_survives_the_way_through_json() {
    let report = data::report();
    let json = serde_json::to_string(&report).unwrap();
    assert!(serde_json::from_str::<Report>(&json).unwrap() == report);
    assert_eq!(
        serde_json::from_str::<Report>("{}").unwrap(),
        Report::default()
    );
}
