{{ config(partition_by='event_date') }}

-- What each day's events say about a user, kept only where it differs from the event before it on that day:
-- a few rows a user and day, so that dim_users need not read every event again.
with events as (
    {% for topic in ['listen_events', 'page_view_events', 'auth_events', 'status_change_events'] %}
    select
        event_date,
        ts,
        {{ adapter.quote('userId') }} as user_id,
        {{ adapter.quote('sessionId') }} as session_id,
        {{ adapter.quote('itemInSession') }} as item_in_session,
        {{ adapter.quote('eventId') }} as event_id,
        level,
        {{ adapter.quote('firstName') }} as first_name,
        {{ adapter.quote('lastName') }} as last_name,
        gender,
        registration as registered_at,
        city,
        state
    from {{ source('bronze', topic) }}
    where {{ adapter.quote('userId') }} is not null
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

states as (
    select
        event_date,
        user_id,
        level,
        first_name,
        last_name,
        gender,
        registered_at,
        city,
        state,
        min(ts) as ts
    from events
    group by event_date, user_id, level, first_name, last_name, gender, registered_at, city, state
),

-- Nearly all users stay the same all day: their one state is found without putting events in order.
steady as (
    select
        event_date,
        user_id,
        min(ts) as ts,
        min(level) as level,
        min(first_name) as first_name,
        min(last_name) as last_name,
        min(gender) as gender,
        min(registered_at) as registered_at,
        min(city) as city,
        min(state) as state
    from states
    group by event_date, user_id
    having count(*) = 1
),

changing as (
    select event_date, user_id
    from states
    group by event_date, user_id
    having count(*) > 1
),

profiles as (
    select
        events.event_date,
        events.user_id,
        ts,
        level,
        first_name,
        last_name,
        gender,
        registered_at,
        city,
        state,
        {{ profile() }} as profile,
        lead(ts) over (
            partition by events.user_id, events.event_date
            order by ts, session_id, item_in_session, event_id, {{ profile() }}, registered_at
        ) as next_ts
    from events
    inner join changing
        on events.event_date = changing.event_date and events.user_id = changing.user_id
),

-- Of events in one instant, the last counts.
moments as (
    select
        *,
        lag(profile) over (partition by user_id, event_date order by ts) as previous_profile
    from profiles
    where next_ts is null or next_ts > ts
)

select event_date, user_id, ts, level, first_name, last_name, gender, registered_at, city, state
from steady
union all
select event_date, user_id, ts, level, first_name, last_name, gender, registered_at, city, state
from moments
where previous_profile is null or previous_profile <> profile
