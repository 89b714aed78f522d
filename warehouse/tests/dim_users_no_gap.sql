-- A user's versions follow one another without a gap and without an overlap, each of some length.
select *
from (
    select
        user_id,
        version,
        valid_from,
        valid_to,
        lead(valid_from) over (partition by user_id order by version) as next_from
    from {{ ref('dim_users') }}
) as versions
where valid_to <= valid_from
    or valid_to <> next_from
    or (valid_to is null) <> (next_from is null)
