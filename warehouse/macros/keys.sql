{# Surrogate keys are hashes of natural keys: a fact knows them without a join. chr(31) keeps ('ab', 'c') and ('a', 'bc') apart. #}
{% macro hash_of(first, second) -%}
    md5(coalesce({{ first }}, '') || chr(31) || coalesce({{ second }}, ''))
{%- endmacro %}

{# A place is its state and city; null where the event names neither. #}
{% macro location_id() -%}
    case when city is not null or state is not null then {{ hash_of('state', 'city') }} end
{%- endmacro %}

{# Everything about a user whose change makes a new version in dim_users, as one text to compare. #}
{% macro profile() -%}
    coalesce(level, '') || chr(31) || coalesce(first_name, '') || chr(31) || coalesce(last_name, '')
        || chr(31) || coalesce(gender, '') || chr(31) || coalesce(city, '') || chr(31) || coalesce(state, '')
{%- endmacro %}
