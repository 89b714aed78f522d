//! Builds as a whole: what is written, tested, published, skipped, refused.

mod by_key;
mod constraints;
mod data_tests;
mod expired;
mod gone;
mod nested;
mod other_builds;
mod refused;
mod test_settings;
mod unions;
mod unit_tests;
mod written;

use super::support::{Bench, row};

const FACT: &str = r#"{{ config(partition_by='event_date') }}
select "eventId" as event_id, "userId" as user_id, page, event_date
from (
    select *, row_number() over (partition by "eventId", event_date order by ts, page) as copy
    from {{ source('bronze', 'events') }}
)
where copy = 1
"#;
const DAYS: &str = "{{ config(partition_by='event_date', schema='gold') }}
select event_date, count(*) as events, count(distinct user_id) as users from {{ ref('fct') }} group by event_date
";
const SCHEMA_NAME: &str = "{% macro generate_schema_name(custom_schema_name, node) -%}
{{ target.schema if custom_schema_name is none else custom_schema_name }}
{%- endmacro %}";

/// A shop with a fact and its days, and these files more.
fn shop(more: &[(&str, &str)]) -> Bench {
    let mut files = vec![
        ("models/fct.sql", FACT),
        ("models/days.sql", DAYS),
        ("macros/generate_schema_name.sql", SCHEMA_NAME),
    ];
    files.extend(more);
    Bench::new(&files)
}

/// A [`shop`] with one event in bronze: `a`, on day 10.
async fn filled(more: &[(&str, &str)]) -> Bench {
    let bench = shop(more);
    bench.events(&[row("a", 10, 1, "Home")]).await;
    bench
}
