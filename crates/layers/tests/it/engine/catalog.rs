//! What the docs know of a lake: types, sizes, lineage, and what is said when it cannot be known.

use goldrecord_layers::engine::{catalog, column_lineage};

use super::support::{Bench, row};

const FACT: (&str, &str) = (
    "models/fct.sql",
    "select \"eventId\" as event_id, \"userId\" as who from {{ source('bronze', 'events') }}",
);
const VIEW: (&str, &str) = (
    "models/seen.sql",
    "{{ config(materialized='view') }} select who, count(*) as n from {{ ref('fct') }} group by who",
);

#[tokio::test(flavor = "multi_thread")]
async fn the_catalog_has_types_sizes_and_lineage() {
    let bench = Bench::new(&[FACT, VIEW]);
    let rows = [row("a", 10, 1, "Home"), row("b", 10, 2, "Help")];
    bench.events(&rows).await;
    bench.build().await;
    let catalog = catalog(&bench.manifest(), &bench.lake).await.unwrap();
    assert_eq!(catalog.errors, Vec::<String>::new());

    let fact = &catalog.tables["model.shop.fct"];
    let named = |name: &str, kind: &str| (name.to_owned(), kind.to_owned());
    let columns = [named("event_id", "varchar"), named("who", "bigint")];
    assert_eq!(fact.columns, columns);
    assert_eq!(fact.stored.map(|stored| stored.rows), Some(2));
    assert!(catalog.ways.contains_key("model.shop.fct"));

    let view = &catalog.tables["model.shop.seen"];
    assert!(view.is_view && view.stored.is_none());
    let from = &catalog.lineage["model.shop.seen"]["columns"]["who"][0];
    assert_eq!(from["unique_id"], "model.shop.fct");
    assert_eq!(from["kind"], "direct");
    let events = &catalog.tables["source.shop.bronze.events"];
    assert_eq!(events.stored.map(|stored| stored.rows), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_cannot_be_planned_takes_only_those_that_read_it_along() {
    let wrong = ("models/wrong.sql", "select nothing from {{ ref('fct') }}");
    let after = ("models/after.sql", "select * from {{ ref('wrong') }}");
    let bench = Bench::new(&[FACT, VIEW]);
    bench.events(&[row("a", 10, 1, "Home")]).await;
    bench.build().await;
    for (path, text) in [wrong, after] {
        bench.write(path, text);
    }
    let manifest = bench.manifest();
    let catalog = catalog(&manifest, &bench.lake).await.unwrap();
    assert!(catalog.errors[0].contains("no column `nothing`"));
    let left_out: Vec<&str> = catalog.left_out.keys().map(String::as_str).collect();
    assert_eq!(left_out, ["model.shop.after", "model.shop.wrong"]);
    assert_eq!(
        catalog.left_out["model.shop.after"],
        "it reads wrong, which cannot be planned"
    );
    let fact = &catalog.tables["model.shop.fct"];
    assert_eq!(fact.stored.map(|stored| stored.rows), Some(1));
    let known: Vec<&str> = catalog.lineage.keys().map(String::as_str).collect();
    assert_eq!(known, ["model.shop.fct", "model.shop.seen"]);

    let all = manifest.nodes.keys().cloned().collect();
    let listed = column_lineage(&manifest, &bench.lake, &all).await.unwrap();
    let why = listed["model.shop.wrong"]["left_out"].as_str().unwrap();
    assert!(why.contains("no column `nothing`"), "{why}");
    assert!(listed["model.shop.seen"]["columns"]["who"].is_array());
}
