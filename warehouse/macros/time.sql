{#
  The day an event belongs to. `utc_day` is the same moment's UTC day: in UTC it is taken as it stands,
  so that a table by day reads the partitions of that day alone.
#}
{% macro local_day(ts='ts', utc_day='event_date') -%}
    {% if var('timezone') == 'UTC' -%}
        {{ utc_day }}
    {%- else -%}
        cast({{ ts }} at time zone '{{ var("timezone") }}' as date)
    {%- endif %}
{%- endmacro %}

{# The Monday of a date's week. #}
{% macro week_of(date) -%}
    cast(date_trunc('week', {{ date }}) as date)
{%- endmacro %}

{% macro month_of(date) -%}
    cast(date_trunc('month', {{ date }}) as date)
{%- endmacro %}
