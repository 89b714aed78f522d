-- A cohort is the users whose first active week this is; its week 0 therefore holds all of them.
with user_weeks as (
    select user_id, {{ week_of('date') }} as week
    from {{ ref('user_days') }}
    group by user_id, {{ week_of('date') }}
),

cohorts as (
    select user_id, week, min(week) over (partition by user_id) as cohort_week
    from user_weeks
),

weeks as (
    select
        cohort_week,
        {{ days_between('cohort_week', 'week') }} / 7 as week_number,
        count(*) as users
    from cohorts
    group by cohort_week, week
),

sized as (
    select *, max(users) over (partition by cohort_week) as cohort_users
    from weeks
)

select
    cohort_week,
    cast(week_number as bigint) as week_number,
    users,
    cohort_users,
    {{ share('users', 'cohort_users') }} as retention
from sized
