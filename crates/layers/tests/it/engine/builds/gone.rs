//! Files that maintenance has removed behind a reader's back.

use goldrecord_layers::{missing_file, published};

use super::super::support::row;
use super::filled;

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_an_old_version_is_told_that_its_file_is_gone_and_reads_the_newest() {
    let bench = filled(&[]).await;
    bench.build().await;
    let old = published::session(&bench.lake, "prod").await.unwrap();
    let count = "select count(distinct event_id) as n from silver.fct";
    let plan = old.sql(count).await.unwrap();

    // The day is computed anew, and what was there before is removed.
    let before = bench.snapshot("silver/fct").await;
    bench.events(&[row("a", 10, 1, "Help")]).await;
    bench.build().await;
    let after = bench.snapshot("silver/fct").await;
    let gone = before
        .files
        .keys()
        .find(|path| !after.files.contains_key(*path));
    let gone = gone.expect("a file was replaced");
    let table = bench.root().with_file_name("lake").join("silver/fct");
    std::fs::remove_file(table.join(gone)).unwrap();

    let error = plan.collect().await.unwrap_err();
    let missing = missing_file(&error).unwrap_or_else(|| panic!("{error:?}"));
    assert!(missing.ends_with(gone.as_str()), "{missing}");
    assert_eq!(bench.query(count).await, ["1"]);
}
