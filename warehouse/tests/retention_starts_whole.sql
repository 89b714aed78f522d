-- In its first week a cohort is all there.
select *
from {{ ref('retention_cohorts') }}
where week_number = 0 and users <> cohort_users
