{{ config(partition_by='date', meta={'reach': 0 if var('timezone') == 'UTC' else 1}) }}

with listener_days as (
    select
        {{ local_day() }} as date,
        coalesce(location_id, '(unknown)') as location_id,
        user_id,
        max(state) as state,
        max(city) as city,
        count(*) as listens,
        {{ total(milliseconds('duration')) }} as listened_ms
    from {{ ref('fct_listens') }}
    group by {{ local_day() }}, coalesce(location_id, '(unknown)'), user_id
)

select
    date,
    location_id,
    coalesce(max(state), '(unknown)') as state,
    coalesce(max(city), '(unknown)') as city,
    {{ total('listens') }} as listens,
    count(user_id) as listeners,
    {{ seconds(total('listened_ms')) }} as seconds
from listener_days
group by date, location_id
