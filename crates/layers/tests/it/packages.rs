//! Packages beside a project, and documentation blocks: `projects/parlour` has a package `tools`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use goldrecord_layers::Manifest;
use goldrecord_layers::manifest::{Materialized, ResourceType};
use goldrecord_layers::project::{Options, load};

use crate::project::{compiled, copy, options};

fn parlour() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projects/parlour")
}

fn load_parlour() -> Manifest {
    load(&parlour(), &options(&parlour())).expect("the project is valid")
}

/// The parlour with one file changed.
fn changed(file: &str, change: impl Fn(&str) -> String) -> Result<Manifest, String> {
    let folder = copy(&parlour());
    let path = folder.path().join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    std::fs::write(&path, change(&text)).expect("written");
    load(folder.path(), &options(folder.path())).map_err(|error| error.to_string())
}

#[test]
fn a_packages_nodes_are_those_that_dbt_lists() {
    // `parlour.nodes` is what dbt-core 1.12 with dbt-duckdb lists: `dbt ls --output json --output-keys unique_id`.
    let theirs: BTreeSet<&str> = include_str!("../projects/parlour.nodes").lines().collect();
    let manifest = load_parlour();
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
fn a_packages_templates_have_its_macros_and_its_variables_under_the_projects() {
    let manifest = load_parlour();
    assert_eq!(
        compiled(&manifest, "model.tools.flavours"),
        "select id, name, price, 'EUR' as currency, 'hello' as greeting, 'scoop' as unit, \
         upper(name) as loud, upper(name) as louder, False as is_there from \"lake\".\"bronze\".\"prices\""
    );
    let positive = manifest
        .of_type(ResourceType::Test)
        .find(|test| test.name == "positive_flavours_id");
    let sql = compiled(
        &manifest,
        &positive.expect("the package's own test").unique_id,
    );
    assert!(sql.ends_with("where id <= 0"), "{sql}");
}

#[test]
fn the_project_stands_over_a_packages_configuration_and_names_its_schemas() {
    let manifest = load_parlour();
    let flavours = manifest.node("model.tools.flavours").expect("there");
    assert_eq!(
        flavours.config.materialized,
        Materialized::Table,
        "its file says view"
    );
    assert_eq!(flavours.config.tags, ["tool", "in_file", "from_parlour"]);
    let relation = flavours.relation.as_ref().expect("kept");
    assert_eq!(
        relation.table_path(),
        "tools/flavours",
        "the package's naming macro is not asked"
    );
    assert_eq!(flavours.file_in_package(), "models/base/flavours.sql");
    assert_eq!(flavours.fqn, ["tools", "base", "flavours"]);
    assert!(
        manifest.node("model.tools.broken").is_none(),
        "the project switches its folder off"
    );
}

#[test]
fn a_name_of_two_packages_means_the_projects_unless_a_flag_says_otherwise() {
    let manifest = load_parlour();
    let reads = |unique_id: &str| manifest.node(unique_id).expect("there").depends_on.clone();
    assert_eq!(reads("model.parlour.reads_both"), ["model.parlour.both"]);
    assert_eq!(
        reads("model.parlour.own"),
        ["model.tools.flavours", "model.tools.both"]
    );
    assert_eq!(
        reads("model.tools.reads_both_too"),
        ["model.parlour.both", "seed.tools.sizes"]
    );
    let flag = "flags: {require_ref_searches_node_package_before_root: true}\n";
    let manifest = changed("dbt_project.yml", |text| format!("{text}{flag}")).expect("valid");
    let reader = manifest.node("model.tools.reads_both_too").expect("there");
    assert_eq!(
        reader.depends_on,
        ["model.tools.both", "model.parlour.both", "seed.tools.sizes"]
    );
    let flavours = manifest.node("model.tools.flavours").expect("there");
    assert_eq!(flavours.columns[0].description, "The id of a tool.");
}

#[test]
fn two_packages_that_write_one_table_are_told_whose_it_is() {
    let same = "{{ config(schema='tools', alias='both_of_tools') }} select 1 as id";
    let message = changed("models/both.sql", |_| same.to_owned()).expect_err("one table twice");
    for part in [
        "two nodes write \"lake\".\"tools\".\"both_of_tools\"",
        "--> dbt_packages/tools/models/both.sql",
        "the other one is models/both.sql of the package parlour",
    ] {
        assert!(message.contains(part), "{part:?} in {message}");
    }
}

#[test]
fn two_packages_of_one_name_are_refused() {
    let message = changed("dbt_packages/tools/dbt_project.yml", |text| {
        text.replace("name: tools", "name: parlour")
    });
    let message = message.expect_err("the project's name");
    assert!(
        message.contains("two packages have the name `parlour`"),
        "{message}"
    );
    assert!(
        message.contains("dbt_packages/tools/dbt_project.yml:1"),
        "{message}"
    );
}

#[test]
fn packages_may_lie_elsewhere() {
    let folder = copy(&parlour());
    std::fs::rename(
        folder.path().join("dbt_packages"),
        folder.path().join("deps"),
    )
    .expect("moved");
    let path = folder.path().join("dbt_project.yml");
    let text = std::fs::read_to_string(&path).expect("read");
    std::fs::write(&path, format!("{text}packages-install-path: deps\n")).expect("written");
    let manifest = load(folder.path(), &options(folder.path())).expect("valid");
    assert!(manifest.node("model.tools.flavours").is_some());
}

#[test]
fn variables_of_the_command_line_stand_over_a_packages() {
    let vars = Options::parse_vars("{currency: CHF}").expect("a map");
    let options = Options {
        vars,
        ..options(&parlour())
    };
    let manifest = load(&parlour(), &options).expect("valid");
    assert!(compiled(&manifest, "model.tools.flavours").contains("'CHF' as currency"));
}

#[test]
fn descriptions_have_the_documentation_blocks_that_they_call() {
    let manifest = load_parlour();
    let own = manifest.node("model.parlour.own").expect("there");
    assert_eq!(own.description, "What the parlour sells. It is A flavour.");
    assert_eq!(own.columns[0].description, "The parlour's id.");
    let flavours = manifest.node("model.tools.flavours").expect("there");
    assert_eq!(flavours.description, "A flavour.");
    assert_eq!(flavours.columns[0].description, "The parlour's id.");
    let money = manifest
        .macros
        .iter()
        .find(|one| one.name == "money")
        .expect("there");
    assert_eq!(money.description, "Makes A flavour. money.");
    assert_eq!(money.arguments[0].type_name.as_deref(), Some("string"));
    assert_eq!(money.patch_path.as_deref(), Some("models/models.yml"));
}

#[test]
fn an_unknown_documentation_block_is_shown_with_its_place_and_the_nearest() {
    let message = changed("models/models.yml", |text| {
        text.replace("doc('tools', 'flavour')", "doc('tools', 'flavor')")
    });
    assert_eq!(
        message.expect_err("no such block"),
        "there is no documentation block `flavor` of the package tools\n --> models/models.yml:3:59\n  |\n\
         3 |     description: \"{{ doc('own') }} It is {{ doc('tools', 'flavor') }}\"\n  |\
         \x20                                                          ^\n = did you mean `flavour`?"
    );
    let message = changed("models/words.md", |text| {
        format!("{text}{{% docs id %}}twice{{% enddocs %}}")
    });
    let message = message.expect_err("written twice");
    assert!(
        message.contains("the documentation block `id` is written twice"),
        "{message}"
    );
}
