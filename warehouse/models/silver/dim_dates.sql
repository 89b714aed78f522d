with bounds as (
    select min(date) as first_date, max(date) as last_date
    from (select {{ local_day() }} as date from {{ all_events('ts, event_date') }})
),

days as (
    select {{ days_from_to('first_date', 'last_date') }} as date
    from bounds
)

select
    date,
    cast(date_part('year', date) as integer) as year,
    cast(date_part('quarter', date) as integer) as quarter,
    cast(date_part('month', date) as integer) as month,
    cast(date_part('day', date) as integer) as day_of_month,
    cast(date_part('doy', date) as integer) as day_of_year,
    {{ day_of_week('date') }} as day_of_week,
    {{ day_of_week('date') }} in (6, 7) as is_weekend,
    {{ week_of('date') }} as week,
    {{ month_of('date') }} as month_start
from days
