-- Every user has exactly one current version.
select user_id, {{ count_if('is_current') }} as current_versions
from {{ ref('dim_users') }}
group by user_id
having {{ count_if('is_current') }} <> 1
