{{ config(partition_by='date', meta={'reach': 0 if var('timezone') == 'UTC' else 1}) }}

with listener_days as (
    select
        {{ local_day() }} as date,
        artist_id,
        user_id,
        max(artist) as artist,
        count(*) as listens,
        {{ total(milliseconds('duration')) }} as listened_ms
    from {{ ref('fct_listens') }}
    group by {{ local_day() }}, artist_id, user_id
),

artist_days as (
    select
        date,
        artist_id,
        coalesce(max(artist), '(unknown)') as artist,
        {{ total('listens') }} as listens,
        count(user_id) as listeners,
        {{ seconds(total('listened_ms')) }} as seconds
    from listener_days
    group by date, artist_id
)

select
    date,
    cast(row_number() over (partition by date order by listens desc, artist_id) as bigint) as rank,
    artist_id,
    artist,
    listens,
    listeners,
    seconds
from artist_days
