//! Any bytes as a record of framed JSON become one row, which keeps them if it is bad.

#![no_main]

#[allow(dead_code, reason = "the seeds and the tests use the rest")]
#[path = "../../crates/ingestor/tests/corpus/mod.rs"]
mod corpus;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../crates/ingestor/tests/corpus/trial.rs"]
mod trial;

use libfuzzer_sys::fuzz_target;

use crate::trial::Trial;

thread_local! {
    static TRIAL: Trial = Trial::json();
}

fuzz_target!(|record: &[u8]| TRIAL.with(|trial| trial.holds(record)));
