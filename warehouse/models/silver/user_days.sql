{{ config(partition_by='date', meta={'reach': reach()}) }}

-- By session first: counting a user's sessions is then a plain count.
with session_days as (
    select
        {{ local_day() }} as date,
        user_id,
        session_id,
        {{ counts_by_kind() }},
        {{ count_if("level = 'paid'") }} as paid_events,
        min(registered_at) as registered_at
    from {{ all_events('event_date, ts, user_id, session_id, status, level, registered_at') }}
    where user_id is not null
    group by {{ local_day() }}, user_id, session_id
)

select
    date,
    user_id,
    count(session_id) as sessions,
    {{ total('events') }} as events,
    {{ total('listens') }} as listens,
    {{ total('listened_ms') }} as listened_ms,
    {{ total('page_views') }} as page_views,
    {{ total('failed_pages') }} as failed_pages,
    {{ total('registrations') }} as registrations,
    {{ total('upgrades') }} as upgrades,
    {{ total('downgrades') }} as downgrades,
    {{ total('cancellations') }} as cancellations,
    sum(paid_events) > 0 as is_paid,
    min(registered_at) as registered_at
from session_days
group by date, user_id
