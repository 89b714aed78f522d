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

{#
  The `reach` of a table by local day that draws on so many days before or after its own: outside of UTC, a day's events lie
  in two UTC days.
#}
{% macro reach(days=0) -%}
    {{ return(days if var('timezone') == 'UTC' else days + 1) }}
{%- endmacro %}

{# The Monday of a date's week. #}
{% macro week_of(date) -%}
    cast(date_trunc('week', {{ date }}) as date)
{%- endmacro %}

{# The first of a date's month. #}
{% macro month_of(date) -%}
    cast(date_trunc('month', {{ date }}) as date)
{%- endmacro %}

{# Whole milliseconds since 1970 of a timestamp or a date. #}
{% macro epoch_ms(moment) -%}
    cast(round(date_part('epoch', {{ moment }}) * 1000) as bigint)
{%- endmacro %}

{# Whole days from one date to another. #}
{% macro days_between(first, last) -%}
    cast(round((date_part('epoch', {{ last }}) - date_part('epoch', {{ first }})) / 86400) as bigint)
{%- endmacro %}

{# Whether a row of user_days is of the day the user registered. #}
{% macro registered_that_day() -%}
    {{ local_day('registered_at', 'cast(registered_at as date)') }} = date
{%- endmacro %}
