{{ config(partition_by='date') }}

select
    session_date as date,
    count(*) as sessions,
    {{ count_if('listens = 0') }} as sessions_without_listen,
    {{ count_if('length_ms < 600000') }} as sessions_under_10_minutes,
    {{ count_if('length_ms >= 600000 and length_ms < 3600000') }} as sessions_10_to_60_minutes,
    {{ count_if('length_ms >= 3600000 and length_ms < 10800000') }} as sessions_1_to_3_hours,
    {{ count_if('length_ms >= 10800000') }} as sessions_over_3_hours,
    {{ total('events') }} as events,
    {{ total('listens') }} as listens,
    {{ seconds(total('length_ms')) }} as seconds,
    {{ share(total('listens'), 'count(*)') }} as listens_per_session,
    {{ share(total('length_ms'), 'count(*)') }} / 1000 as seconds_per_session,
    median(cast(listens as double)) as median_listens,
    median(cast(length_ms as double)) / 1000 as median_seconds
from {{ ref('fct_sessions') }}
group by session_date
