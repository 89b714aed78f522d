{#
  Seconds are added up as whole milliseconds: a sum of floating-point numbers depends on the order of the rows, a sum of integers does not.
#}
{% macro milliseconds(seconds) -%}
    cast(round({{ seconds }} * 1000) as bigint)
{%- endmacro %}

{% macro seconds(milliseconds) -%}
    cast({{ milliseconds }} as double) / 1000
{%- endmacro %}

{# Rows where the condition holds; 0, never null, and a bigint in every engine. #}
{% macro count_if(condition) -%}
    count(case when {{ condition }} then 1 end)
{%- endmacro %}

{# A sum of integers as a bigint (DuckDB's is wider), 0 for no rows. #}
{% macro total(column) -%}
    cast(coalesce(sum({{ column }}), 0) as bigint)
{%- endmacro %}
