//! What the docs know of a lake: types, sizes, lineage, and what is said when it cannot be known.

use goldrecord_layers::engine::catalog;

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
async fn a_model_that_cannot_be_planned_leaves_what_is_in_the_lake() {
    let bench = Bench::new(&[FACT]);
    bench.events(&[row("a", 10, 1, "Home")]).await;
    bench.build().await;
    bench.write("models/wrong.sql", "select nothing from {{ ref('fct') }}");
    let catalog = catalog(&bench.manifest(), &bench.lake).await.unwrap();
    assert!(catalog.errors[0].contains("no column `nothing`"));
    let fact = &catalog.tables["model.shop.fct"];
    assert_eq!(fact.stored.map(|stored| stored.rows), Some(1));
    assert!(catalog.lineage.is_empty());
}
