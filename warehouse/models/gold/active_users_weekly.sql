{{ config(partition_by='week') }}

with user_weeks as (
    select
        {{ week_of('date') }} as week,
        user_id,
        count(*) as active_days,
        {{ total('sessions') }} as sessions,
        {{ total('listens') }} as listens,
        {{ total('listened_ms') }} as listened_ms,
        {{ count_if('is_paid') }} as paid_days,
        {{ count_if(registered_that_day()) }} as registered_days
    from {{ ref('user_days') }}
    group by {{ week_of('date') }}, user_id
)

select
    week,
    count(*) as active_users,
    {{ count_if('listens > 0') }} as listeners,
    {{ count_if('paid_days > 0') }} as paid_users,
    {{ count_if('registered_days > 0') }} as new_users,
    {{ share(total('active_days'), 'count(*)') }} as days_per_user,
    {{ total('sessions') }} as sessions,
    {{ total('listens') }} as listens,
    {{ seconds(total('listened_ms')) }} as seconds
from user_weeks
group by week
