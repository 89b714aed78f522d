{{ config(partition_by='date', meta={'reach': reach()}) }}

with changes as (
    select
        {{ local_day() }} as date,
        {{ count_if("change = 'registration'") }} as registrations,
        {{ count_if("change = 'upgrade'") }} as upgrades,
        {{ count_if("change = 'downgrade'") }} as downgrades,
        {{ count_if("change = 'cancellation'") }} as cancellations,
        0 as active_users,
        0 as paid_users
    from {{ ref('fct_status_changes') }}
    group by {{ local_day() }}
    union all
    select
        date,
        0 as registrations,
        0 as upgrades,
        0 as downgrades,
        0 as cancellations,
        count(*) as active_users,
        {{ count_if('is_paid') }} as paid_users
    from {{ ref('user_days') }}
    group by date
),

days as (
    select
        date,
        {{ total('registrations') }} as registrations,
        {{ total('upgrades') }} as upgrades,
        {{ total('downgrades') }} as downgrades,
        {{ total('cancellations') }} as cancellations,
        {{ total('active_users') }} as active_users,
        {{ total('paid_users') }} as paid_users
    from changes
    group by date
)

select
    date,
    registrations,
    upgrades,
    downgrades,
    cancellations,
    active_users,
    paid_users,
    {{ share('upgrades', 'active_users') }} as conversion_rate,
    {{ share('cancellations', 'active_users') }} as churn_rate
from days
