//! What happens to a lake and its project between builds.

use proptest::prelude::*;

use super::super::support::Row;
use super::models::PROJECT;

/// Tables that are compacted: bronze, and what other models read.
pub const COMPACTED: &[&str] = &[
    "bronze/events",
    "bronze/visits",
    "silver/fct",
    "silver/all_events",
    "silver/user_days",
    "silver/helps",
];

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// Rows come: new ones, late ones, second sends, and ids that come again with other values.
    Come(&'static str, Vec<Row>),
    /// The same rows are sent again.
    Again(usize),
    /// Bronze is corrected: one of a topic's files goes, or all of them, and these rows come.
    Correct(&'static str, Option<usize>, Vec<Row>),
    /// The files of each partition of a table become one.
    Compact(&'static str),
    /// A file of the project is written anew.
    Edit(usize, usize),
    /// The events of bronze get one more column.
    Widen,
    /// A build dies after it was polled so many times.
    Crash(u32),
    /// A build, after which everything is compared.
    Build,
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    // Few ids, days and users, so that they meet. A session lasts from its day to the next.
    let row =
        (0..12u8, 58..63i32, 1..4i64, 0..2i32, 0..5u8).prop_map(|(id, day, user, next, page)| {
            Row {
                id: format!("e{id}"),
                day: day + next,
                user,
                session: i64::from(day) * 10 + user,
                page: ["Home", "Help", "Home", "Help", "(bad)"][usize::from(page)].to_owned(),
            }
        });
    prop::collection::vec(row, 0..8)
}

fn step() -> impl Strategy<Value = Step> {
    let topic = || prop_oneof![2 => Just("events"), 1 => Just("visits")];
    let edit = (0..PROJECT.len(), 0..3usize)
        .prop_filter("some files stay as they are", |(file, text)| {
            PROJECT[*file].texts.len() > 1 && *text < PROJECT[*file].texts.len()
        });
    prop_oneof![
        6 => (topic(), rows()).prop_map(|(topic, rows)| Step::Come(topic, rows)),
        2 => (0..8usize).prop_map(Step::Again),
        2 => (topic(), prop::option::weighted(0.8, 0..8usize), rows())
            .prop_map(|(topic, file, rows)| Step::Correct(topic, file, rows)),
        2 => prop::sample::select(COMPACTED).prop_map(Step::Compact),
        1 => edit.prop_map(|(file, text)| Step::Edit(file, text)),
        1 => Just(Step::Widen),
        2 => (0..400u32).prop_map(Step::Crash),
        6 => Just(Step::Build),
    ]
}

/// A few steps.
pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 2..16)
}
