//! What templates ask of tables while they are compiled: rows and columns as a build will make them.

use goldrecord_layers::project::{self, Options};

use super::support::{Bench, row};

/// The SQL that a model compiles to, on one line.
fn compiled(bench: &Bench, name: &str) -> Result<String, String> {
    let options = Options {
        lake: Some(bench.lake_folder().display().to_string()),
        ..Options::default()
    };
    let manifest = project::load(&bench.root(), &options).map_err(|error| error.to_string())?;
    let node = manifest.node(&format!("model.shop.{name}")).unwrap();
    let sql = node.compiled_code.as_deref().unwrap();
    Ok(sql.split_whitespace().collect::<Vec<_>>().join(" "))
}

const KINDS: (&str, &str) = ("seeds/kinds.csv", "page,weight\nHome,1\nHelp,2\n");

#[tokio::test]
async fn a_query_sees_seeds_models_and_bronze_before_anything_is_built() {
    let bench = Bench::new(&[
        KINDS,
        ("models/pages.sql", "select distinct page from {{ source('bronze', 'events') }}"),
        ("models/heavy.sql", "select p.page, k.weight from {{ ref('pages') }} p join {{ ref('kinds') }} k on k.page = p.page"),
        (
            "models/asked.sql",
            "-- depends_on: {{ ref('heavy') }}
{% set rows = run_query('select page, weight from ' ~ ref('heavy') ~ ' order by weight') %}
{% if execute %}
select {% for row in rows %}{{ row['weight'] }} as {{ row[0] | lower }}, {% endfor %}{{ rows.columns['weight'].values() | sum }} as total,
  {{ rows.column_names | length }} as n
{% endif %}",
        ),
    ]);
    bench
        .events(&[row("a", 58, 1, "Home"), row("b", 59, 2, "Help")])
        .await;
    let sql = compiled(&bench, "asked").unwrap();
    assert!(
        sql.ends_with("select 1 as home, 2 as help, 3 as total, 2 as n"),
        "{sql}"
    );
}

#[tokio::test]
async fn a_statement_is_loaded_by_its_name_and_columns_have_types() {
    let bench = Bench::new(&[
        KINDS,
        (
            "models/asked.sql",
            "{% call statement('pages', fetch_result=true) %} select page from {{ ref('kinds') }} order by page {% endcall %}
{% set pages = load_result('pages') %}
select {% if execute %}'{{ pages['data'] | map(attribute=0) | join('+') }}' as pages{% endif %}
{% for column in adapter.get_columns_in_relation(ref('kinds')) %}, '{{ column.name }} {{ column.data_type }} {{ column.is_number() }}'{% endfor %}
, {{ load_relation(ref('kinds')) is not none }}, {{ adapter.get_relation('lake', 'silver', 'nothing') is none }}",
        ),
    ]);
    let sql = compiled(&bench, "asked").unwrap();
    assert_eq!(
        sql,
        "select 'Help+Home' as pages , 'page varchar False', 'weight bigint True' , True, True"
    );
}

#[tokio::test]
async fn a_template_that_writes_or_asks_for_nonsense_is_told() {
    let bench = Bench::new(&[KINDS]);
    for (sql, told) in [
        (
            "{% do run_query('drop table silver.kinds') %}select 1",
            "may only read",
        ),
        (
            "{% do run_query('select nothing from ' ~ ref('kinds')) %}select 1",
            "nothing",
        ),
        (
            "{% call statement('x') %} select 1 {% endcall %}select 1",
            "fetch_result=true",
        ),
    ] {
        bench.write("models/asked.sql", sql);
        let error = compiled(&bench, "asked").unwrap_err();
        assert!(error.contains(told), "{error}");
        assert!(error.contains("models/asked.sql:1:"), "{error}");
    }
    bench.write("models/asked.sql", "{% do run_query('select 1') %}select 1");
    let error = project::load(&bench.root(), &Options::default()).unwrap_err();
    assert!(
        error.to_string().contains("there is no lake to ask"),
        "{error}"
    );
}
