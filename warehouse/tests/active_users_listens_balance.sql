-- Listens of users who are signed in, by day, are those of active_users_daily: the days where they differ.
select date, sum(listens) as missing
from (
    select {{ local_day() }} as date, count(user_id) as listens
    from {{ ref('fct_listens') }}
    group by {{ local_day() }}
    union all
    select date, -listens as listens
    from {{ ref('active_users_daily') }}
) as balance
group by date
having sum(listens) <> 0
