-- A session belongs to the day it starts on and may run into the next: its row draws on two days' events (`reach`), and
-- the test sessions_within_reach fails when one lasts longer.
{{ config(partition_by='session_date', meta={'reach': {'before': reach(), 'after': reach(1)}}) }}

with sessions as (
    select
        session_id,
        min(event_date) as first_event_date,
        max(event_date) as last_event_date,
        min(ts) as started_at,
        max(ts) as ended_at,
        max(user_id) as user_id,
        {{ counts_by_kind() }},
        {{ count_if("auth = 'Guest'") }} > 0 as has_guest,
        {{ count_if("page = 'Register'") }} > 0 as has_register_page,
        {{ count_if("auth = 'Logged In' and level = 'free'") }} > 0 as has_free,
        {{ count_if("auth = 'Logged In' and level = 'paid'") }} > 0 as has_paid,
        {{ count_if("page = 'Upgrade'") }} > 0 as has_upgrade_page
    from {{ all_events('session_id, event_date, ts, user_id, page, auth, status, level') }}
    where session_id is not null
    group by session_id
)

select
    session_id,
    {{ local_day('started_at', 'first_event_date') }} as session_date,
    last_event_date,
    user_id,
    started_at,
    ended_at,
    {{ epoch_ms('ended_at') }} - {{ epoch_ms('started_at') }} as length_ms,
    events,
    listens,
    listened_ms,
    page_views,
    failed_pages,
    registrations,
    upgrades,
    downgrades,
    cancellations,
    has_guest,
    has_register_page,
    has_free,
    has_paid,
    has_upgrade_page
from sessions
