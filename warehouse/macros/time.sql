{#
  The day an event belongs to. `utc_day` is the same moment's UTC day: in UTC it is taken as it stands,
  so that a table by day reads the partitions of that day alone.
#}
{% macro local_day(ts='ts', utc_day='event_date') -%}
    {% if var('timezone') == 'UTC' -%}
        {{ utc_day }}
    {%- else -%}
        {{ adapter.dispatch('day_in_zone', 'goldrecord')(ts, var('timezone')) }}
    {%- endif %}
{%- endmacro %}

{% macro default__day_in_zone(ts, zone) -%}
    cast({{ ts }} at time zone '{{ zone }}' as date)
{%- endmacro %}

{% macro spark__day_in_zone(ts, zone) -%}
    cast(from_utc_timestamp({{ ts }}, '{{ zone }}') as date)
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

{# The day of a date's week: 1 is Monday, 7 Sunday. #}
{% macro day_of_week(date) -%}
    {{ adapter.dispatch('day_of_week', 'goldrecord')(date) }}
{%- endmacro %}

{% macro default__day_of_week(date) -%}
    cast((date_part('dow', {{ date }}) + 6) % 7 + 1 as integer)
{%- endmacro %}

{% macro spark__day_of_week(date) -%}
    cast(date_part('dayofweek_iso', {{ date }}) as integer)
{%- endmacro %}

{# Each day from the first date to the last, a row each. #}
{% macro days_from_to(first, last) -%}
    {{ adapter.dispatch('days_from_to', 'goldrecord')(first, last) }}
{%- endmacro %}

{% macro default__days_from_to(first, last) -%}
    cast(unnest(generate_series({{ first }}, {{ last }}, interval '1 day')) as date)
{%- endmacro %}

{% macro spark__days_from_to(first, last) -%}
    explode(sequence({{ first }}, {{ last }}))
{%- endmacro %}

{# Whole milliseconds since 1970 of a timestamp or a date. #}
{% macro epoch_ms(moment) -%}
    {{ adapter.dispatch('epoch_ms', 'goldrecord')(moment) }}
{%- endmacro %}

{% macro default__epoch_ms(moment) -%}
    cast(round(date_part('epoch', {{ moment }}) * 1000) as bigint)
{%- endmacro %}

{% macro spark__epoch_ms(moment) -%}
    cast(round(unix_micros(cast({{ moment }} as timestamp)) / 1000) as bigint)
{%- endmacro %}

{# Whole days from one date to another. #}
{% macro days_between(first, last) -%}
    {{ adapter.dispatch('days_between', 'goldrecord')(first, last) }}
{%- endmacro %}

{% macro default__days_between(first, last) -%}
    cast(round((date_part('epoch', {{ last }}) - date_part('epoch', {{ first }})) / 86400) as bigint)
{%- endmacro %}

{% macro spark__days_between(first, last) -%}
    cast(datediff({{ last }}, {{ first }}) as bigint)
{%- endmacro %}

{# Whether a row of user_days is of the day the user registered. #}
{% macro registered_that_day() -%}
    {{ local_day('registered_at', 'cast(registered_at as date)') }} = date
{%- endmacro %}
