-- The calendar has every day from its first to its last.
select *
from (
    select count(*) as days, min(date) as first_date, max(date) as last_date
    from {{ ref('dim_dates') }}
) as calendar
where days > 0 and days <> {{ days_between('first_date', 'last_date') }} + 1
