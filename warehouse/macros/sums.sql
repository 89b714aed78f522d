{#
  Seconds are added up as whole milliseconds: a sum of floating-point numbers depends on the order of the rows, a sum of integers does not.
#}
{% macro milliseconds(seconds) -%}
    cast(round({{ seconds }} * 1000) as bigint)
{%- endmacro %}

{% macro seconds(milliseconds) -%}
    cast({{ milliseconds }} as double) / 1000
{%- endmacro %}

{# Rows where the condition holds; 0, never null. #}
{% macro count_if(condition) -%}
    count(case when {{ condition }} then 1 end)
{%- endmacro %}

{# A sum of integers as a bigint (DuckDB's is wider), 0 where there is nothing to add. #}
{% macro total(column) -%}
    cast(coalesce(sum({{ column }}), 0) as bigint)
{%- endmacro %}

{# part / whole; 0 where the whole is 0. #}
{% macro share(part, whole) -%}
    case when {{ whole }} = 0 then cast(0 as double) else cast({{ part }} as double) / cast({{ whole }} as double) end
{%- endmacro %}
