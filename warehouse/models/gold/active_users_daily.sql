{{ config(partition_by='date') }}

select
    date,
    count(*) as active_users,
    {{ count_if('listens > 0') }} as listeners,
    {{ count_if('is_paid') }} as paid_users,
    {{ count_if(registered_that_day()) }} as new_users,
    {{ total('sessions') }} as sessions,
    {{ total('listens') }} as listens,
    {{ seconds(total('listened_ms')) }} as seconds
from {{ ref('user_days') }}
group by date
