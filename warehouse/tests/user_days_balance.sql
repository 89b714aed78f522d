-- Every event with a user is in exactly one user's day: the days where the counts differ.
select date, sum(events) as missing
from (
    select {{ local_day() }} as date, count(user_id) as events
    from {{ all_events('event_date, ts, user_id') }} as e
    group by {{ local_day() }}
    union all
    select date, -events as events
    from {{ ref('user_days') }}
) as balance
group by date
having sum(events) <> 0
