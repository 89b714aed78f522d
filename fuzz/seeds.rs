//! Writes the records of the tests' corpus, those of megabytes left out: one folder a fuzz target, one file a record.
//! It needs nothing but `rustc fuzz/seeds.rs`; what is built for the fuzzer links with nothing else.

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../crates/ingestor/tests/corpus/mod.rs"]
mod corpus;

use std::fs;
use std::path::Path;

use crate::corpus::{Case, Ids, avro, json};

fn main() -> std::io::Result<()> {
    let folder = std::env::args().nth(1).expect("usage: seeds FOLDER");
    // As the trials know them.
    let ids = Ids {
        own: 1,
        foreign: 9,
        unknown: 7,
    };
    write(&folder, "avro", &avro::cases(ids))?;
    write(&folder, "json", &json::cases(ids, true))?;
    write(&folder, "json_unframed", &json::cases(ids, false))
}

fn write(folder: &str, target: &str, cases: &[Case]) -> std::io::Result<()> {
    let folder = Path::new(folder).join(target);
    fs::create_dir_all(&folder)?;
    for (number, case) in cases.iter().enumerate() {
        if let Some(value) = &case.value {
            fs::write(folder.join(format!("seed-{number}")), value)?;
        }
    }
    Ok(())
}
