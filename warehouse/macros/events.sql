{#
  One row per event id and day. Copies of an event are alike; should they not be, all of the event's columns choose (`own`: those
  of this topic alone), so that which copy arrived first makes no difference.
  An event without an id cannot be told from its copies: it is left out, and data_quality_daily counts it.
#}
{% macro one_row_per_event(relation, own=[]) -%}
(
    select
        *,
        row_number() over (
            partition by {{ adapter.quote('eventId') }}, event_date
            order by
                ts, {{ adapter.quote('userId') }}, {{ adapter.quote('sessionId') }}, {{ adapter.quote('itemInSession') }}, page, auth, method, status, level,
                city, state, zip, lat, lon, registration
                {%- for column in own %}, {{ column }}{% endfor %}
        ) as copy
    from {{ relation }}
    where {{ adapter.quote('eventId') }} is not null
)
{%- endmacro %}

{# The columns that all four facts have. #}
{% macro event_columns() -%}
    {{ adapter.quote('eventId') }} as event_id,
    event_date,
    ts,
    {{ adapter.quote('userId') }} as user_id,
    {{ adapter.quote('sessionId') }} as session_id,
    {{ adapter.quote('itemInSession') }} as item_in_session,
    page,
    auth,
    method,
    status,
    level,
    {{ location_id() }} as location_id,
    city,
    state,
    zip,
    lat,
    lon,
    registration as registered_at
{%- endmacro %}

{#
  The events of all four facts, one below the other: the columns named (each of event_columns, comma-separated), then
  kind (listen, page_view, auth, or the change of a subscription) and listened_ms.
#}
{% macro all_events(columns) -%}
(
    select {{ columns }}, 'listen' as kind, {{ milliseconds('duration') }} as listened_ms
    from {{ ref('fct_listens') }}
    union all
    select {{ columns }}, 'page_view' as kind, cast(null as bigint) as listened_ms
    from {{ ref('fct_page_views') }}
    union all
    select {{ columns }}, 'auth' as kind, cast(null as bigint) as listened_ms
    from {{ ref('fct_auth') }}
    union all
    select {{ columns }}, change as kind, cast(null as bigint) as listened_ms
    from {{ ref('fct_status_changes') }}
)
{%- endmacro %}

{# How many of all_events there are, in all and of each kind, and the milliseconds listened. #}
{% macro counts_by_kind() -%}
        count(*) as events,
        {{ count_if("kind = 'listen'") }} as listens,
        {{ total('listened_ms') }} as listened_ms,
        {{ count_if("kind = 'page_view'") }} as page_views,
        {{ count_if("kind = 'page_view' and status >= 400") }} as failed_pages,
        {{ count_if("kind = 'registration'") }} as registrations,
        {{ count_if("kind = 'upgrade'") }} as upgrades,
        {{ count_if("kind = 'downgrade'") }} as downgrades,
        {{ count_if("kind = 'cancellation'") }} as cancellations
{%- endmacro %}
