-- A step of a funnel never holds more sessions than the one before it.
select *
from {{ ref('conversion_funnel_daily') }}
where register_sessions > guest_sessions
    or registered_sessions > register_sessions
    or upgrade_sessions > free_sessions
    or upgraded_sessions > upgrade_sessions
