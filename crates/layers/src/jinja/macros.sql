{# Macros that every project has. A project's macro of the same name stands before one of these. #}

{% macro generate_schema_name(custom_schema_name=none, node=none) -%}
    {{ adapter.dispatch('generate_schema_name')(custom_schema_name, node) }}
{%- endmacro %}
{% macro default__generate_schema_name(custom_schema_name, node) -%}
    {%- if custom_schema_name is none -%}{{ target.schema }}
    {%- else -%}{{ target.schema }}_{{ custom_schema_name | trim }}{%- endif -%}
{%- endmacro %}
{% macro generate_alias_name(custom_alias_name=none, node=none) -%}
    {{ adapter.dispatch('generate_alias_name')(custom_alias_name, node) }}
{%- endmacro %}
{% macro default__generate_alias_name(custom_alias_name=none, node=none) -%}
    {%- if custom_alias_name -%}{{ custom_alias_name | trim }}{%- else -%}{{ node.name }}{%- endif -%}
{%- endmacro %}
{% macro generate_schema_name_for_env(custom_schema_name, node) -%}
    {%- if target.name == 'prod' and custom_schema_name is not none -%}{{ custom_schema_name | trim }}
    {%- else -%}{{ target.schema }}{%- endif -%}
{%- endmacro %}

{% macro get_where_subquery(relation) -%}
    {%- set where = config.get('where') -%}
    {%- if where -%}
        {%- do return("(select * from " ~ relation ~ " where " ~ where ~ ") dbt_subquery") -%}
    {%- endif -%}
    {%- do return(relation) -%}
{%- endmacro %}

{% macro should_store_failures() -%}
    {%- set own = config.get('store_failures') -%}
    {%- do return(flags.STORE_FAILURES if own is none else own) -%}
{%- endmacro %}

{% test not_null(model, column_name) %}
select *
from {{ model }}
where {{ column_name }} is null
{% endtest %}

{% test unique(model, column_name) %}
select
    {{ column_name }} as unique_field,
    count(*) as n_records
from {{ model }}
where {{ column_name }} is not null
group by {{ column_name }}
having count(*) > 1
{% endtest %}

{% test accepted_values(model, column_name, values, quote=True) %}
select
    {{ column_name }} as value_field,
    count(*) as n_records
from {{ model }}
where {{ column_name }} not in (
    {%- for value in values -%}
    {%- if quote -%}'{{ value | string | replace("'", "''") }}'{%- else -%}{{ value }}{%- endif -%}
    {%- if not loop.last %}, {% endif -%}
    {%- endfor -%}
)
group by {{ column_name }}
{% endtest %}

{% test relationships(model, column_name, to, field) %}
select child.{{ column_name }} as from_field
from {{ model }} as child
where child.{{ column_name }} is not null
  and not exists (
    select 1
    from {{ to }} as parent
    where parent.{{ field }} = child.{{ column_name }}
)
{% endtest %}

{% macro should_full_refresh() -%}
    {%- set configured = config.get('full_refresh') -%}
    {%- do return(flags.FULL_REFRESH if configured is none else configured) -%}
{%- endmacro %}
{% macro should_store_failures() -%}
    {%- do return(config.get('store_failures') or false) -%}
{%- endmacro %}

{% macro type_string() %}varchar{% endmacro %}
{% macro type_timestamp() %}timestamp{% endmacro %}
{% macro type_int() %}int{% endmacro %}
{% macro type_bigint() %}bigint{% endmacro %}
{% macro type_float() %}double{% endmacro %}
{% macro type_numeric() %}decimal(28, 6){% endmacro %}
{% macro type_boolean() %}boolean{% endmacro %}

{% macro date_trunc(datepart, date) %}{{ adapter.dispatch('date_trunc')(datepart, date) }}{% endmacro %}
{% macro default__date_trunc(datepart, date) %}date_trunc('{{ datepart }}', {{ date }}){% endmacro %}
{% macro dateadd(datepart, interval, from_date_or_timestamp) -%}
    {{ adapter.dispatch('dateadd')(datepart, interval, from_date_or_timestamp) }}
{%- endmacro %}
{% macro default__dateadd(datepart, interval, from_date_or_timestamp) -%}
    {%- set months = {'quarter': 3, 'year': 12} -%}
    {%- set part = datepart | lower -%}
    {#- A date knows no hours. -#}
    {%- set from = from_date_or_timestamp -%}
    {%- if part not in ['day', 'week', 'month', 'quarter', 'year'] -%}
        {%- set from = 'cast(' ~ from_date_or_timestamp ~ ' as timestamp)' -%}
    {%- endif -%}
    ({{ from }} + cast(
        concat(cast(({{ interval }}) * {{ months.get(part, 1) }} as varchar), ' {{ 'month' if part in months else part }}') as interval
    ))
{%- endmacro %}
{% macro hash(field) %}{{ adapter.dispatch('hash')(field) }}{% endmacro %}
{% macro default__hash(field) %}md5(cast({{ field }} as varchar)){% endmacro %}
{% macro concat(fields) %}{{ fields | join(' || ') }}{% endmacro %}
{% macro safe_cast(field, type) %}try_cast({{ field }} as {{ type }}){% endmacro %}
{% macro cast(field, type) %}cast({{ field }} as {{ type }}){% endmacro %}
{% macro string_literal(value) %}'{{ value }}'{% endmacro %}
{% macro current_timestamp() %}now(){% endmacro %}
{% macro length(expression) %}length({{ expression }}){% endmacro %}
{% macro replace(field, old_chars, new_chars) %}replace({{ field }}, {{ old_chars }}, {{ new_chars }}){% endmacro %}
{% macro bool_or(expression) %}bool_or({{ expression }}){% endmacro %}
{% macro any_value(expression) %}first_value({{ expression }}){% endmacro %}

{% macro datediff(first_date, second_date, datepart) -%}
    {{ adapter.dispatch('datediff')(first_date, second_date, datepart) }}
{%- endmacro %}
{#- How many boundaries of the part lie between the two, as everywhere in dbt. -#}
{% macro default__datediff(first_date, second_date, datepart) -%}
    {%- set part = datepart | lower -%}
    {%- set seconds = {'second': 1, 'minute': 60, 'hour': 3600, 'day': 86400, 'week': 604800} -%}
    {%- set months = {'month': 1, 'quarter': 3, 'year': 12} -%}
    {%- if part in seconds -%}
    cast(round(
        (date_part('epoch', date_trunc('{{ part }}', cast({{ second_date }} as timestamp)))
        - date_part('epoch', date_trunc('{{ part }}', cast({{ first_date }} as timestamp)))) / {{ seconds[part] }}
    ) as bigint)
    {%- elif part in months -%}
    cast(round((
        (date_part('year', date_trunc('{{ part }}', cast({{ second_date }} as timestamp))) * 12
            + date_part('month', date_trunc('{{ part }}', cast({{ second_date }} as timestamp))))
        - (date_part('year', date_trunc('{{ part }}', cast({{ first_date }} as timestamp))) * 12
            + date_part('month', date_trunc('{{ part }}', cast({{ first_date }} as timestamp))))
    ) / {{ months[part] }}) as bigint)
    {%- else -%}
    {{ exceptions.raise_compiler_error("datediff knows no part '" ~ datepart ~ "'") }}
    {%- endif -%}
{%- endmacro %}
{% macro last_day(date, datepart) -%}
    {{ adapter.dispatch('last_day')(date, datepart) }}
{%- endmacro %}
{% macro default__last_day(date, datepart) -%}
    cast(date_trunc('{{ datepart }}', {{ date }}) + interval '1 {{ datepart }}' - interval '1 day' as date)
{%- endmacro %}
{% macro date(year, month, day) %}make_date({{ year }}, {{ month }}, {{ day }}){% endmacro %}
{% macro date_spine(datepart, start_date, end_date) -%}
    {{ adapter.dispatch('date_spine')(datepart, start_date, end_date) }}
{%- endmacro %}
{#- Under this name it also stands for that of dbt_utils, which would run a query first. -#}
{% macro goldrecord__date_spine(datepart, start_date, end_date) -%}
    select date_{{ datepart }}
    from (
        select unnest(generate_series(
            cast({{ start_date }} as timestamp), cast({{ end_date }} as timestamp), interval '1 {{ datepart }}'
        )) as date_{{ datepart }}
    ) as spine
    where date_{{ datepart }} < cast({{ end_date }} as timestamp)
{%- endmacro %}
{% macro generate_series(upper_bound) -%}
    {{ adapter.dispatch('generate_series')(upper_bound) }}
{%- endmacro %}
{% macro goldrecord__generate_series(upper_bound) -%}
    select unnest(generate_series(1, {{ upper_bound }})) as generated_number
{%- endmacro %}
{% macro right(string_text, length_expression) %}right({{ string_text }}, {{ length_expression }}){% endmacro %}
{% macro split_part(string_text, delimiter_text, part_number) -%}
    split_part({{ string_text }}, {{ delimiter_text }}, {{ part_number }})
{%- endmacro %}
{% macro position(substring_text, string_text) %}strpos({{ string_text }}, {{ substring_text }}){% endmacro %}
{% macro listagg(measure, delimiter_text="','", order_by_clause=none, limit_num=none) -%}
    {%- if limit_num -%}
    array_to_string(array_slice(array_agg({{ measure }} {{ order_by_clause or '' }}), 1, {{ limit_num }}), {{ delimiter_text }})
    {%- else -%}
    string_agg({{ measure }}, {{ delimiter_text }} {{ order_by_clause or '' }})
    {%- endif -%}
{%- endmacro %}
{% macro except() %}except{% endmacro %}
{% macro intersect() %}intersect{% endmacro %}
{% macro escape_single_quotes(expression) %}{{ expression | replace("'", "''") }}{% endmacro %}
{% macro cast_bool_to_text(bool_expression) %}cast({{ bool_expression }} as varchar){% endmacro %}
{% macro array_construct(inputs=[], data_type=none) %}make_array({{ inputs | join(', ') }}){% endmacro %}
{% macro array_append(array, new_element) %}array_append({{ array }}, {{ new_element }}){% endmacro %}
{% macro array_concat(array_1, array_2) %}array_concat({{ array_1 }}, {{ array_2 }}){% endmacro %}
