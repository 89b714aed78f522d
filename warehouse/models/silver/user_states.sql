{{ config(partition_by='event_date') }}

-- What each day's events say about a user, kept only where it differs from the event before it on that day:
-- a few rows a user and day, so that dim_users need not read every event again.
with events as (
    {% for topic in ['listen_events', 'page_view_events', 'auth_events', 'status_change_events'] %}
    select
        event_date,
        ts,
        "userId" as user_id,
        "sessionId" as session_id,
        "itemInSession" as item_in_session,
        "eventId" as event_id,
        level,
        "firstName" as first_name,
        "lastName" as last_name,
        gender,
        registration as registered_at,
        city,
        state
    from {{ source('bronze', topic) }}
    where "userId" is not null
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

profiles as (
    select
        event_date,
        ts,
        user_id,
        level,
        first_name,
        last_name,
        gender,
        registered_at,
        city,
        state,
        {{ profile() }} as profile,
        lead(ts) over (
            partition by user_id, event_date
            order by ts, session_id, item_in_session, event_id, {{ profile() }}, registered_at
        ) as next_ts
    from events
),

-- Of events in one instant, the last counts.
moments as (
    select
        *,
        lag(profile) over (partition by user_id, event_date order by ts) as previous_profile
    from profiles
    where next_ts is null or next_ts > ts
)

select
    event_date,
    user_id,
    ts,
    level,
    first_name,
    last_name,
    gender,
    registered_at,
    city,
    state
from moments
where previous_profile is null or previous_profile <> profile
