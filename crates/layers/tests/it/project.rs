//! Projects as they are loaded, and what is said of broken ones.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use goldrecord_layers::manifest::{Materialized, ResourceType, Severity};
use goldrecord_layers::project::{Options, load};
use goldrecord_layers::{Manifest, Relation};
use tempfile::TempDir;

fn shop() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projects/shop")
}

pub(crate) fn options(root: &Path) -> Options {
    Options {
        profiles_dir: Some(root.to_owned()),
        ..Options::default()
    }
}

fn load_shop() -> Manifest {
    load(&shop(), &options(&shop())).expect("the project is valid")
}

pub(crate) fn compiled(manifest: &Manifest, unique_id: &str) -> String {
    let node = manifest.node(unique_id).expect("in the project");
    let sql = node.compiled_code.as_deref().expect("compiled");
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is said of the shop with one file changed.
fn broken(file: &str, change: impl Fn(&str) -> String) -> String {
    let folder = copy(&shop());
    let path = folder.path().join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    std::fs::write(&path, change(&text)).expect("written");
    let error = load(folder.path(), &options(folder.path())).expect_err("broken");
    error
        .to_string()
        .replace(&folder.path().display().to_string(), "shop")
}

pub(crate) fn copy(from: &Path) -> TempDir {
    fn into(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).expect("made");
        for entry in std::fs::read_dir(from).expect("read") {
            let path = entry.expect("read").path();
            let target = to.join(path.file_name().expect("named"));
            if path.is_dir() {
                into(&path, &target);
            } else {
                std::fs::copy(&path, &target).expect("copied");
            }
        }
    }
    let folder = TempDir::new().expect("made");
    into(from, folder.path());
    folder
}

#[test]
fn the_nodes_are_those_that_dbt_lists() {
    // `shop.nodes` is what dbt-core 1.12 with dbt-duckdb lists: `dbt ls --output json --output-keys unique_id`.
    let theirs: BTreeSet<&str> = include_str!("../projects/shop.nodes").lines().collect();
    let manifest = load_shop();
    let ours: BTreeSet<&str> = manifest
        .nodes
        .values()
        .filter(|node| node.resource_type != ResourceType::Analysis)
        .map(|node| node.unique_id.as_str())
        .collect();
    assert_eq!(ours, theirs);
    assert_eq!(manifest.warnings, Vec::<String>::new());
}

#[test]
fn macros_variables_and_loops_become_sql() {
    assert_eq!(
        compiled(&load_shop(), "model.shop.stg_orders"),
        "select id, customer, status , round(amount / 100, 2) as amount , 'EUR' as currency , \
         cast('2026-01-01' as date) as loaded from \"lake\".\"bronze\".\"order_events\""
    );
}

#[test]
fn an_ephemeral_model_is_a_table_expression_of_its_reader() {
    assert_eq!(
        compiled(&load_shop(), "model.shop.orders"),
        "with __dbt__cte__stg_customers as ( with c as (select * from \"lake\".\"bronze\".\"customers\") \
         select * from c ), customers as ( select * from __dbt__cte__stg_customers ) select o.id, o.customer, \
         o.amount from \"lake\".\"staging\".\"stg_orders\" as o join customers as c on c.id = o.customer"
    );
}

#[test]
fn an_empty_run_reads_no_rows_and_a_deferred_node_is_read_elsewhere() {
    let orders = "model.shop.stg_orders".to_owned();
    let elsewhere = Relation::new("prod_staging", "stg_orders");
    let options = Options {
        empty: true,
        deferred: [(orders, elsewhere)].into(),
        ..options(&shop())
    };
    let manifest = load(&shop(), &options).expect("valid");
    let sql = compiled(&manifest, "model.shop.orders");
    let read = "from (select * from \"lake\".\"prod_staging\".\"stg_orders\" where false) as o";
    assert!(sql.contains(read), "{sql}");
}

#[test]
fn hooks_in_the_project_file_are_templates_for_later() {
    let folder = copy(&shop());
    let path = folder.path().join("dbt_project.yml");
    let text = std::fs::read_to_string(&path).expect("read");
    let hook = "seeds:\n  +post-hook: \"{% do adapter.drop_relation(this) %}\"\n";
    std::fs::write(&path, text.replace("seeds:\n", hook)).expect("written");
    load(folder.path(), &options(folder.path())).expect("valid");
}

#[test]
fn an_incremental_model_has_its_sql_for_both_cases() {
    let manifest = load_shop();
    let node = manifest.node("model.shop.order_days").expect("there");
    assert_eq!(node.config.materialized, Materialized::Incremental);
    assert!(
        !node
            .compiled_code
            .as_deref()
            .expect("compiled")
            .contains("max(day)")
    );
    let incremental = node.compiled_incremental.as_deref().expect("compiled");
    assert!(
        incremental.contains("from \"lake\".\"marts\".\"order_days\""),
        "{incremental}"
    );
}

#[test]
fn configuration_comes_from_folders_properties_and_the_file() {
    let manifest = load_shop();
    let orders = manifest.node("model.shop.orders").expect("there");
    assert_eq!(orders.config.tags, ["finance", "core"]);
    assert_eq!(orders.config.partition_by, ["day"]);
    assert_eq!(orders.meta("owner"), Some(&"finance".into()));
    assert_eq!(
        orders.relation.as_ref().expect("kept").table_path(),
        "marts/orders"
    );
    let dev = Options {
        target: Some("dev".to_owned()),
        ..options(&shop())
    };
    let dev = load(&shop(), &dev).expect("valid");
    assert!(!dev.is_default_target);
    let orders = dev.node("model.shop.orders").expect("there");
    assert_eq!(
        orders.relation.as_ref().expect("kept").table_path(),
        "dev/orders"
    );
}

#[test]
fn tests_have_their_arguments_and_configuration() {
    let manifest = load_shop();
    let find = |start: &str| {
        manifest
            .of_type(ResourceType::Test)
            .find(|test| test.name.starts_with(start))
            .expect("there")
    };
    let not_null = find("not_null_orders_id");
    assert_eq!(
        not_null.config.severity,
        Severity::Error,
        "the YAML stands over the folder's `warn`"
    );
    assert_eq!(
        compiled(&manifest, &not_null.unique_id),
        "select * from (select * from \"lake\".\"marts\".\"orders\" where amount > 0) dbt_subquery where id is null"
    );
    let relationships = find("relationships_orders");
    assert!(relationships.config.error_if.holds(6) && !relationships.config.error_if.holds(5));
    assert_eq!(relationships.config.limit, Some(10));
    let sql = compiled(&manifest, &relationships.unique_id);
    assert!(
        sql.starts_with("with __dbt__cte__stg_customers as ("),
        "{sql}"
    );
    let source = find("source_positive_app_customers");
    assert!(compiled(&manifest, &source.unique_id).ends_with("where age < 0"));
    assert_eq!(
        source.config.severity,
        Severity::Warn,
        "set by the test's own macro"
    );
}

#[test]
fn the_order_puts_what_is_read_first() {
    let manifest = load_shop();
    let all = manifest.nodes.keys().cloned().collect();
    let order = manifest.in_order(&all);
    let place = |unique_id: &str| {
        order
            .iter()
            .position(|node| node.unique_id == unique_id)
            .expect("there")
    };
    let chain = [
        "source.shop.app.orders",
        "model.shop.stg_orders",
        "model.shop.orders",
        "model.shop.order_days",
        "exposure.shop.revenue_dashboard",
    ];
    assert!(chain.map(place).is_sorted());
}

#[test]
fn a_fingerprint_follows_the_sql_and_not_the_description() {
    let fingerprint = |file: &str, change: &dyn Fn(&str) -> String| {
        let folder = copy(&shop());
        let path = folder.path().join(file);
        let text = std::fs::read_to_string(&path).expect("read");
        std::fs::write(&path, change(&text)).expect("written");
        let manifest = load(folder.path(), &options(folder.path())).expect("valid");
        manifest
            .node("model.shop.orders")
            .expect("there")
            .fingerprint
            .clone()
    };
    let before = fingerprint("seeds/countries.csv", &str::to_owned);
    assert_eq!(
        before,
        fingerprint("models/marts/marts.yml", &|text| text
            .replace("One row an order", "Rows"))
    );
    assert_ne!(
        before,
        fingerprint("models/marts/orders.sql", &|text| text
            .replace("o.amount", "o.amount + 1"))
    );
}

#[test]
fn a_place_of_the_compiled_sql_leads_to_the_line_that_was_written() {
    let manifest = load_shop();
    let orders = manifest.node("model.shop.orders").expect("there");
    let compiled = orders.compiled_code.as_deref().expect("compiled");
    let line = compiled
        .lines()
        .position(|line| line.contains("o.amount"))
        .expect("there")
        + 1;
    let place = orders.locate(line, 5);
    assert_eq!(
        (place.file.as_str(), place.text.trim()),
        ("models/marts/orders.sql", "o.amount")
    );
}

#[test]
fn an_unknown_model_is_shown_with_its_place_and_the_nearest() {
    let message = broken("models/marts/new.sql", |_| {
        "select *\nfrom {{ ref('order') }}\n".to_owned()
    });
    assert_eq!(
        message,
        "ref('order') names no model or seed\n --> models/marts/new.sql:2:14\n  |\n\
         2 | from {{ ref('order') }}\n  |              ^\n = did you mean `orders`?"
    );
}

#[test]
fn a_fault_in_a_macro_is_shown_in_the_macro() {
    let message = broken("macros/money.sql", |text| {
        text.replace("var('cents')", "var('cent')")
    });
    assert!(message.contains("--> macros/money.sql:7:29"), "{message}");
    assert!(message.contains("did you mean `cents`?"), "{message}");
}

#[test]
fn what_else_is_wrong_is_told_with_its_place_and_the_mend() {
    let model = "models/marts/new.sql";
    for (file, text, parts) in [
        (
            model,
            "select\n  {{ monney('a') }}",
            ["`monney` is no macro", ":2:6", "`money`?"],
        ),
        (
            model,
            "{{ config(materialized='tabel') }} select 1",
            ["`tabel`", ":1:25", "`table`?"],
        ),
        (
            model,
            "select 1\n{% if x %}",
            ["syntax error", ":2:", "{% if x %}"],
        ),
        (
            model,
            "select {{ var('currancy') }}",
            ["var('currancy') is not set", ":1:11", "`currency`?"],
        ),
        (
            model,
            "from {{ source('app', 'order') }}",
            ["is not declared", ":1:", "source('app', 'orders')?"],
        ),
        (
            "models/new.yml",
            "models:\n  - name: orders\n   columns: []",
            ["not valid YAML", "models/new.yml:3:4", "columns"],
        ),
        (
            "models/new.yml",
            "models:\n  - name: x\n    colums: []",
            ["unknown key `colums`", ":3:5", "`columns`?"],
        ),
        (
            "models/new.yml",
            "seeds:\n  - name: x\n    data_tests: [{a: , b: }]",
            ["a test has 2 names: a, b", ":3:", "indent"],
        ),
    ] {
        let message = broken(file, |_| text.to_owned());
        for part in parts {
            assert!(message.contains(part), "{part:?} in {message}");
        }
    }
}

#[test]
fn a_circle_names_its_way() {
    let message = broken("models/staging/stg_customers.sql", |_| {
        "select * from {{ ref('order_days') }}".to_owned()
    });
    assert!(
        message.starts_with(
            "models read each other in a circle: orders → stg_customers → order_days → orders"
        ),
        "{message}"
    );
}

#[test]
fn a_missing_project_profile_or_target_is_told() {
    let empty = TempDir::new().expect("made");
    let message = load(empty.path(), &Options::default())
        .expect_err("nothing there")
        .to_string();
    assert!(message.contains("--project-dir"), "{message}");
    let elsewhere = Options {
        profiles_dir: Some(empty.path().to_owned()),
        ..Options::default()
    };
    let message = load(&shop(), &elsewhere)
        .expect_err("no profile")
        .to_string();
    assert!(
        message.contains("no profiles.yml") && message.contains("--profiles-dir"),
        "{message}"
    );
    let target = Options {
        target: Some("prd".to_owned()),
        ..options(&shop())
    };
    let message = load(&shop(), &target).expect_err("no target").to_string();
    assert!(
        message.contains("no target `prd`") && message.contains("did you mean `prod`?"),
        "{message}"
    );
}

#[test]
fn variables_of_the_command_line_stand_over_the_projects() {
    let vars = Options::parse_vars("{currency: USD, cents: 1000}").expect("a map");
    let manifest = load(
        &shop(),
        &Options {
            vars,
            ..options(&shop())
        },
    )
    .expect("valid");
    let sql = compiled(&manifest, "model.shop.stg_orders");
    assert!(
        sql.contains("'USD' as currency") && sql.contains("amount / 1000"),
        "{sql}"
    );
    assert!(Options::parse_vars("[1]").is_err());
}
