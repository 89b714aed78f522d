{# Surrogate keys are hashes of natural keys: a fact knows them without a join. chr(31) keeps ('ab','c') and ('a','bc') apart. #}
{% macro hash_of(first, second) -%}
    md5(coalesce({{ first }}, '') || chr(31) || coalesce({{ second }}, ''))
{%- endmacro %}

{% macro location_id() -%}
    case when city is not null or state is not null then {{ hash_of('state', 'city') }} end
{%- endmacro %}
