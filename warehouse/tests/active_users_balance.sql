-- A month's and a week's listens are those of their days: the total where they differ.
select days.listens as by_day, weeks.listens as by_week, months.listens as by_month
from (select {{ total('listens') }} as listens from {{ ref('active_users_daily') }}) as days
cross join (select {{ total('listens') }} as listens from {{ ref('active_users_weekly') }}) as weeks
cross join (select {{ total('listens') }} as listens from {{ ref('active_users_monthly') }}) as months
where days.listens <> weeks.listens or days.listens <> months.listens
