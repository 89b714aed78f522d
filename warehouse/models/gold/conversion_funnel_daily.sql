{{ config(partition_by='date') }}

-- Sessions that reach each step having reached those before it, by the day they start.
with steps as (
    select
        session_date as date,
        {{ count_if('has_guest') }} as guest_sessions,
        {{ count_if('has_guest and has_register_page') }} as register_sessions,
        {{ count_if('has_guest and has_register_page and registrations > 0') }} as registered_sessions,
        {{ count_if('has_free') }} as free_sessions,
        {{ count_if('has_free and has_upgrade_page') }} as upgrade_sessions,
        {{ count_if('has_free and has_upgrade_page and upgrades > 0') }} as upgraded_sessions
    from {{ ref('fct_sessions') }}
    group by session_date
)

select
    date,
    guest_sessions,
    register_sessions,
    registered_sessions,
    {{ share('registered_sessions', 'guest_sessions') }} as registration_rate,
    free_sessions,
    upgrade_sessions,
    upgraded_sessions,
    {{ share('upgraded_sessions', 'free_sessions') }} as upgrade_rate
from steps
