-- Every session falls into one class of length.
select *
from {{ ref('session_shape_daily') }}
where sessions <> sessions_under_10_minutes + sessions_10_to_60_minutes + sessions_1_to_3_hours + sessions_over_3_hours
