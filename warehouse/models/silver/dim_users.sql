-- A version per user and change. What begins a version is the first event that shows it, and it ends where the next begins.
with profiles as (
    select *, {{ profile() }} as profile
    from {{ ref('user_states') }}
),

compared as (
    select *, lag(profile) over (partition by user_id order by ts) as previous_profile
    from profiles
),

versions as (
    select
        *,
        row_number() over (partition by user_id order by ts) as version,
        lead(ts) over (partition by user_id order by ts) as valid_to
    from compared
    where previous_profile is null or previous_profile <> profile
)

select
    md5(cast(user_id as {{ dbt.type_string() }}) || chr(31) || cast({{ epoch_ms('ts') }} as {{ dbt.type_string() }})) as user_key,
    user_id,
    cast(version as bigint) as version,
    level,
    first_name,
    last_name,
    gender,
    registered_at,
    {{ location_id() }} as location_id,
    city,
    state,
    ts as valid_from,
    valid_to,
    valid_to is null as is_current
from versions
