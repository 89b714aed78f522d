//! Hooks: what is run, what is left out, what is refused.

use std::collections::BTreeSet;

use goldrecord_layers::Manifest;
use goldrecord_layers::artifacts::{Invocation, manifest_json};
use goldrecord_layers::hooks::{Moment, Operation};
use goldrecord_layers::project::{Options, load};

use super::support::{Bench, row};

const MODEL: (&str, &str) = (
    "models/read.sql",
    "{{ config(post_hook=\"select count(*) from {{ this }}\") }} select page from {{ source('bronze', 'events') }}",
);

/// A project whose `dbt_project.yml` goes on with these lines.
fn bench(more: &str, files: &[(&str, &str)]) -> Bench {
    let bench = Bench::new(files);
    let text = "name: shop\nprofile: shop\nmodels:\n  shop:\n    +materialized: table\n";
    bench.write("dbt_project.yml", &format!("{text}{more}"));
    bench
}

fn manifest(bench: &Bench) -> Manifest {
    let options = Options {
        lake: Some(bench.lake_folder().display().to_string()),
        ..Options::default()
    };
    load(&bench.root(), &options).expect("valid")
}

fn all(manifest: &Manifest) -> BTreeSet<String> {
    manifest.nodes.keys().cloned().collect()
}

fn refused(bench: &Bench) -> String {
    let manifest = manifest(bench);
    let prepared = manifest.hooks.prepare(&manifest, &all(&manifest));
    prepared.expect_err("refused").to_string()
}

#[test]
fn what_would_change_data_is_refused_with_its_place_and_what_to_write_instead() {
    let model = "select 1 as a\n{{ config(pre_hook=['select 1; delete from {{ this }}']) }}";
    let message = refused(&bench("", &[("models/own.sql", model)]));
    assert_eq!(
        message,
        "a hook would change data: `delete from \"lake\".\"silver\".\"own\"`\n --> models/own.sql:2:22\n  |\n\
         2 | {{ config(pre_hook=['select 1; delete from {{ this }}']) }}\n  |                      ^\n \
         = leave these rows out in the model's SQL (`where`)"
    );
    let of_folder = "    +post-hook: {sql: 'insert into log values (1)', transaction: false}\n";
    let message = refused(&bench(of_folder, &[MODEL]));
    assert!(message.contains("--> dbt_project.yml:6:24"), "{message}");
    let of_end = "on-run-end: [\"{{ log('well') }}\", 'create table done as select 1']\n";
    let message = refused(&bench(of_end, &[MODEL]));
    assert!(message.contains("make it a model of its own"), "{message}");
    let yaml = "models: [{name: read, config: {post_hook: \"update {{ this }} set page = ''\"}}]";
    let message = refused(&bench("", &[MODEL, ("models/read.yml", yaml)]));
    for part in [
        "update \"lake\".\"silver\".\"read\" set",
        "--> models/read.yml:1:",
        "compute the value",
    ] {
        assert!(message.contains(part), "{part:?} in {message}");
    }
}

#[test]
fn what_means_nothing_in_a_lake_is_left_out_and_said() {
    let more = "    +post-hook: ['grant select on {{ this }} to {{ target.name }}', \"{{ log('x') }}\", '-- nothing']\non-run-start: 'vacuum'\n";
    let bench = bench(more, &[("models/own.sql", "select 1 as a")]);
    let manifest = manifest(&bench);
    let prepared = manifest
        .hooks
        .prepare(&manifest, &all(&manifest))
        .expect("nothing is wrong");
    assert_eq!(
        prepared.warnings,
        [
            "dbt_project.yml:6: the hook's statement `grant select on \"lake\".\"silver\".\"own\" to prod` is left out: a lake has nothing like it",
            "dbt_project.yml:7: the hook's statement `vacuum` is left out: a lake has nothing like it",
        ]
    );
    let nobody = manifest
        .hooks
        .prepare(&manifest, &BTreeSet::new())
        .expect("nothing is wrong");
    assert_eq!(nobody.warnings.len(), 1, "of the command's own hook alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reads_is_run() {
    let bench = bench(
        "on-run-start: select nothing from lake.bronze.events\n",
        &[MODEL],
    );
    bench.events(&[row("a", 10, 1, "Home")]).await;
    let manifest = manifest(&bench);
    let prepared = manifest
        .hooks
        .prepare(&manifest, &all(&manifest))
        .expect("fine");
    manifest
        .hooks
        .run_nodes(&prepared)
        .expect("the model can be counted");
    let start = &manifest.hooks.operations[0];
    let error = manifest
        .hooks
        .run(&manifest, start, None)
        .expect_err("no such column");
    assert!(error.to_string().contains("nothing"), "{error}");
    bench.write("models/read.sql", &MODEL.1.replace("count(*)", "max(gone)"));
    let manifest = self::manifest(&bench);
    let prepared = manifest
        .hooks
        .prepare(&manifest, &all(&manifest))
        .expect("it reads");
    let error = manifest
        .hooks
        .run_nodes(&prepared)
        .expect_err("no such column");
    assert!(
        error.to_string().starts_with("a hook of model.shop.read: "),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_knows_the_results_and_the_schemas() {
    let end = "on-run-end:\n  - \"{% if execute %}{{ exceptions.raise_compiler_error(results | map(attribute='status') | list ~ schemas ~ database_schemas ~ results[0].node.name) }}{% endif %}\"\n";
    let bench = bench(end, &[MODEL]);
    bench.events(&[row("a", 10, 1, "Home")]).await;
    let report = bench.build().await;
    let manifest = manifest(&bench);
    manifest
        .hooks
        .prepare(&manifest, &all(&manifest))
        .expect("nothing runs yet");
    let end = &manifest.hooks.operations[0];
    let error = manifest
        .hooks
        .run(&manifest, end, Some(&report.results))
        .expect_err("it raises");
    let seen = "['success']['silver'][['lake', 'silver']]read";
    assert!(error.to_string().contains(seen), "{error}");
}

#[test]
fn operations_run_package_by_package_and_stand_in_the_manifest() {
    let bench = bench(
        "on-run-start: [select 1, select 2]\non-run-end: select 3\n",
        &[
            MODEL,
            (
                "dbt_packages/z/dbt_project.yml",
                "name: a_tool\non-run-start: select 4\n",
            ),
        ],
    );
    let manifest = manifest(&bench);
    let titles: Vec<String> = manifest
        .hooks
        .operations
        .iter()
        .map(Operation::title)
        .collect();
    let expected = [
        "a_tool.on-run-start.0",
        "shop.on-run-start.0",
        "shop.on-run-start.1",
        "shop.on-run-end.0",
    ];
    assert_eq!(titles, expected);
    let ends = manifest
        .hooks
        .operations
        .iter()
        .filter(|one| one.moment == Moment::End);
    assert_eq!(ends.count(), 1);
    let json = manifest_json(&manifest, &Invocation::begin());
    let node = &json["nodes"]["operation.shop.shop-on-run-start-1"];
    assert_eq!(node["resource_type"], "operation");
    assert_eq!(node["raw_code"], "select 2");
    assert_eq!(node["tags"][0], "on-run-start");
    let hooks = &json["nodes"]["model.shop.read"]["config"]["post-hook"];
    assert_eq!(hooks[0]["sql"], "select count(*) from {{ this }}");
    assert_eq!(hooks[0]["transaction"], true);
}
